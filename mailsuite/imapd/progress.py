"""How far a long command is, told to the client while it waits (RFC 9585)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TypeAlias

from mailsuite.imapd.syntax import response

Report: TypeAlias = Callable[[int, int], None]
"""Told now and then how many of how many messages a command has looked at."""


def no_report(done: int, goal: int) -> None:
    """For those who tell nobody."""


class Progress:
    """Around one command: `* OK [INPROGRESS …]` every so many seconds until it has ended.

    `tell` gets the line; it must not put it into the middle of another response.
    """

    __slots__ = ("_every", "_pair", "_tag", "_tell", "_timer")

    def __init__(self, tag: str, every: float, tell: Callable[[bytes], None]) -> None:
        self._tag = tag
        self._every = every
        self._tell = tell
        self._pair = (0, 0)
        self._timer: asyncio.TimerHandle | None = None

    def at(self, done: int, goal: int) -> None:
        """The command has done so much of its work. Never goes back: some look at things twice."""
        if goal > 0 and done * max(self._pair[1], 1) >= self._pair[0] * goal:
            # RFC 9585 §4: the goal is reached when the command has ended, not while it is told.
            self._pair = (min(done, goal - 1), goal)

    def __enter__(self) -> Progress:
        self._timer = asyncio.get_running_loop().call_later(self._every, self._now)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _now(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._every, self._now)
        done, goal = self._pair
        # RFC 9585 §4: a tag that would end the response code is not repeated.
        tag = response.string(self._tag.encode()) if "]" not in self._tag else b"NIL"
        if goal:
            share = 100 * done // goal
            self._tell(b"* OK [INPROGRESS (%b %d %d)] %d%% done\r\n" % (tag, done, goal, share))
        elif tag == b"NIL":
            self._tell(b"* OK [INPROGRESS] Still working\r\n")
        else:
            self._tell(b"* OK [INPROGRESS (%b NIL NIL)] Still working\r\n" % tag)
