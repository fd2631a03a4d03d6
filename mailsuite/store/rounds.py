"""Appends to several accounts share a thread's turn and its waits for the disk.

A message to fifty of our users, or one to each of ten, is little work in each of their mailboxes: a
thread for each costs more than that, and each would wait for the disk alone. Promises: what one
account's append meets changes nothing for the others; nobody waits for more than `MOST` appends of
others, and never for a mailbox that has yet to be opened, an index that has to be rebuilt, or one
to which another process writes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from mailsuite.base.tasks import Threads, attempt
from mailsuite.store.prepared import Request, make_ready
from mailsuite.store.steps import AGAIN, Pause, Steps, Sync, step

_Result: TypeAlias = tuple[Any, BaseException | None]
MOST = 64  # accounts in one round
AT_ONCE = 2  # rounds: while one waits for the disk, the other computes


@dataclass(slots=True)
class _Work:
    """One account's part; what `steps` raises belongs to `done`."""

    requests: Sequence[Request]
    steps: Steps[Any]
    done: asyncio.Future[Any] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Rounds:
    """Of one store. Loop thread only."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._waiting: deque[_Work] = deque()
        self._running = 0

    def submit(self, requests: Sequence[Request], steps: Steps[Any]) -> asyncio.Future[Any]:
        """Run `steps` in a thread, once the files of `requests` have been made ready there."""
        work = _Work(requests, steps)
        self._waiting.append(work)
        self._go_on()
        return work.done

    def _go_on(self) -> None:
        while self._waiting and self._running < AT_ONCE:
            works = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
            self._running += 1
            ended = self._threads.submit(_perform, works)
            ended.add_done_callback(partial(self._ended, works))

    def _ended(self, works: list[_Work], ended: asyncio.Future[list[_Result]]) -> None:
        self._running -= 1
        self._take(works, ended)
        self._go_on()

    def _take(self, works: list[_Work], ended: asyncio.Future[list[_Result]]) -> None:
        """What a thread's turn has brought: ends, or works that go on by themselves."""
        failure = ended.exception()
        results = ended.result() if failure is None else [(None, failure)] * len(works)
        for work, (value, error) in zip(works, results, strict=True):
            if error is not None:
                work.done.set_exception(error)
            elif value is Pause.APART:
                self._alone(work)
            elif value is Pause.LATER:
                asyncio.get_running_loop().call_later(AGAIN, self._alone, work)
            else:
                work.done.set_result(value)

    def _alone(self, work: _Work) -> None:
        ended = self._threads.submit(_perform_alone, work)
        ended.add_done_callback(partial(self._take, [work]))


def _perform(works: list[_Work]) -> list[_Result]:
    """In a thread: all works up to where they wait for the disk, then the rest of each.

    Those with another `Pause` for a result have not come to their end.
    """
    make_ready([request for work in works for request in work.requests])
    results = [attempt(step, work.steps) for work in works]
    while pauses := {
        place: value for place, (value, _) in enumerate(results) if isinstance(value, Sync)
    }:
        Sync.perform(list(pauses.values()))
        for place in pauses:
            results[place] = attempt(step, works[place].steps)
    return results


def _perform_alone(work: _Work) -> list[_Result]:
    """In a thread: the rest of one, up to where it can only be tried again later."""
    while True:
        value, error = attempt(step, work.steps)
        if isinstance(value, Sync):
            Sync.perform([value])
        elif value is not Pause.APART:
            return [(value, error)]
