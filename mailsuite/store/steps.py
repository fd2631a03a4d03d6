"""Work in steps: it says where it may be interrupted, so that works can share a thread's turn.

Promises: nothing about threads; the work goes on in whichever takes it up. It is taken up by one
at a time.
"""

import time
from collections.abc import Generator, Sequence
from enum import Enum, auto
from typing import TypeAlias, TypeVar

from mailsuite.base import durable

T = TypeVar("T")
AGAIN = 0.05  # seconds


class Pause(Enum):
    """Why work pauses.

    APART  it may take long now: nobody should wait for its end who need not
    LATER  somebody else is at it, so that it can only be tried again, after `AGAIN` seconds
    """

    APART = auto()
    LATER = auto()


class Sync:
    """A pause in which files and folders, by their descriptors, are made durable.

    Who does much does all up to there first: waiting for many at once takes as long as for one.
    """

    __slots__ = ("_errors", "fds")

    def __init__(self, fds: Sequence[int]) -> None:
        self.fds = fds
        self._errors: Sequence[OSError | None] = ()

    def check(self) -> None:
        """When work goes on: raises OSError where one could not be made durable."""
        for error in self._errors:
            if error is not None:
                raise error

    @staticmethod
    def perform(pauses: Sequence["Sync"]) -> None:
        """All of them at the same moment."""
        errors = iter(durable.sync_all([fd for pause in pauses for fd in pause.fds]))
        for pause in pauses:
            pause._errors = [next(errors) for _ in pause.fds]


Steps: TypeAlias = Generator[Pause | Sync, None, T]
"""Work with pauses; it may end without one."""


def step(steps: Steps[T]) -> T | Pause | Sync:
    """Go on up to the next pause, which is given, or the end, whose result is."""
    try:
        return next(steps)
    except StopIteration as end:
        result: T = end.value
        return result


def whole(steps: Steps[T]) -> T:
    """All in this thread."""
    while isinstance(result := step(steps), Pause | Sync):
        if isinstance(result, Sync):
            Sync.perform([result])
        elif result is Pause.LATER:
            time.sleep(AGAIN)
    return result
