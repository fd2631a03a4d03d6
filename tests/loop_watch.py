"""Watches that the IMAP door never blocks the event loop, while its tests run.

Not by the clock, which depends on how busy the machine is: the interpreter's audit events tell when
our own code touches a file in the thread that runs the loop. What a test does or calls itself, in
the same thread, is its own affair. (Long computing shows in `bench.imap`, rows `pause`.)
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

ROOM = str(Path(__file__).resolve().parents[1] / "mailsuite") + "/"
TESTS = str(Path(__file__).resolve().parent) + "/"
FILES = {
    *("open", "os.listdir", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir"),
    *("os.scandir", "os.truncate", "os.utime", "shutil.rmtree", "sqlite3.connect"),
}
IMPORTED = (".py", ".pyc", ".so")

_active: dict[int, list[str]] = {}  # thread that runs a loop -> what has been seen
_hooked = False


def _culprit(frame: FrameType | None) -> str | None:
    """The nearest of our own lines that the loop runs, unless a test has called it."""
    found = None
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith((TESTS, "<frozen importlib")):
            return None
        if found is None and name.startswith(ROOM):
            found = f"{name.removeprefix(ROOM)}:{frame.f_lineno}"
        if frame.f_code.co_name == "_run" and name.endswith("asyncio/events.py"):
            return found
        frame = frame.f_back
    return None


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in FILES or not _active:
        return
    seen = _active.get(threading.get_ident())
    if seen is None or str(arguments[0]).endswith(IMPORTED):
        return
    if (where := _culprit(sys._getframe(1))) is not None:
        seen.append(f"{event} {arguments[0]!r} in {where}")


@contextmanager
def watched() -> Iterator[list[str]]:
    """What blocks the loop of this thread meanwhile."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_audit)  # for good: there is no way to take one away
        _hooked = True
    thread = threading.get_ident()
    seen = _active[thread] = []
    try:
        yield seen
    finally:
        del _active[thread]
