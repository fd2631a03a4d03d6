"""Appends to several accounts share a thread's turn and its waits for the disk.

A message to fifty of our users, or one to each of ten, is little work in each of their mailboxes: a
thread for each costs more than that, and each would wait for the disk alone. Promises: what one
account's append meets changes nothing for the others; nobody waits for more than `MOST` appends of
others, and never for a mailbox that has yet to be opened.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from mailsuite.base.tasks import Threads, attempt
from mailsuite.store import deliver

_Result: TypeAlias = tuple[Any, BaseException | None]
MOST = 64  # accounts in one round
AT_ONCE = 2  # rounds: while one waits for the disk, the other computes


@dataclass(slots=True)
class _Work:
    """One account's part; what `steps` raises belongs to `done`."""

    requests: Sequence[deliver.Request]
    steps: deliver.Steps[Any]
    done: asyncio.Future[Any] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Rounds:
    """Of one store. Loop thread only."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._waiting: deque[_Work] = deque()
        self._running = 0

    def submit(
        self, requests: Sequence[deliver.Request], steps: deliver.Steps[Any]
    ) -> asyncio.Future[Any]:
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
        for work, (value, error) in zip(works, ended.result(), strict=True):
            if error is None:
                work.done.set_result(value)
            else:
                work.done.set_exception(error)
        self._go_on()


def _perform(works: list[_Work]) -> list[_Result]:
    """In a thread: all works up to their pause, then the rest of each."""
    deliver.make_ready([request for work in works for request in work.requests])
    results = [attempt(_begin, work.steps) for work in works]
    for place, work in enumerate(works):
        value, error = results[place]
        if value is _PAUSED and error is None:
            results[place] = attempt(deliver.whole, work.steps)
    return results


_PAUSED = object()


def _begin(steps: deliver.Steps[Any]) -> Any:
    try:
        next(steps)
    except StopIteration as end:
        return end.value
    return _PAUSED
