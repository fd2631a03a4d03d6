"""Work in steps: it says where it may be interrupted, so that works can share a thread's turn.

Promises: nothing about threads; the work goes on in whichever takes it up. It is taken up by one
at a time.
"""

import time
from collections.abc import Generator
from enum import Enum, auto
from typing import TypeAlias, TypeVar

T = TypeVar("T")
AGAIN = 0.05  # seconds


class Pause(Enum):
    """Why work pauses.

    DISK   it is about to wait for the disk: who does much does all up to there first, and what is
           on its way to the disk by then costs no wait of its own
    APART  it may take long now: nobody should wait for its end who need not
    LATER  somebody else is at it, so that it can only be tried again, after `AGAIN` seconds
    """

    DISK = auto()
    APART = auto()
    LATER = auto()


Steps: TypeAlias = Generator[Pause, None, T]
"""Work with pauses; it may end without one."""


def step(steps: Steps[T]) -> T | Pause:
    """Go on up to the next pause, which is given, or the end, whose result is."""
    try:
        return next(steps)
    except StopIteration as end:
        result: T = end.value
        return result


def whole(steps: Steps[T]) -> T:
    """All in this thread."""
    while isinstance(result := step(steps), Pause):
        if result is Pause.LATER:
            time.sleep(AGAIN)
    return result
