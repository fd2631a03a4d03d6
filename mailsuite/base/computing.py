"""Threads that compute for long beside the event loop: how often others get the interpreter.

A thread that wants the interpreter asks for it after five milliseconds (Python's own interval), and
the loop may have to ask several threads, several times for one answer. Where one computes for long
it is one millisecond; where there are but short calls, more changes cost more than they bring.
"""

import sys
import threading
from types import TracebackType
from typing import Any

BRIEF = 0.001
"""Seconds."""
LET_GO_AT_ONCE = 1000


class _BriefTurns:
    """`with brief_turns:` in any thread, any number at once."""

    __slots__ = ("_inside", "_lock", "_usual")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._usual = BRIEF

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(min(BRIEF, self._usual))
            self._inside += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                sys.setswitchinterval(self._usual)


brief_turns = _BriefTurns()


def let_go(many: list[Any]) -> None:
    """Empty a long list by and by. Freed all together, half a million objects hold the interpreter
    for half a second.
    """
    while many:
        del many[-LET_GO_AT_ONCE:]
