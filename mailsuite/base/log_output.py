"""Where log lines go: a stream, which is written to once a turn of the event loop.

Promises: lines of one thread stay in their order, and none is held back longer than what the event
loop has to do in this turn, or past the end of the process; a stream that takes no more (its reader
has gone, its disk is full) loses lines, and stops nobody who has something to say. (A busy server
says much in a turn; to write each line by itself costs it more than to make it.)
"""

import asyncio
import atexit
import contextlib
import threading
from collections import deque
from typing import TextIO


class Lines:
    """A structlog logger: every method takes a finished line. From any thread."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._waiting: deque[str] = deque()
        self._due: asyncio.AbstractEventLoop | None = None
        atexit.register(self.flush)

    def msg(self, line: str) -> None:
        """Write `line`, soon where an event loop runs, else now."""
        self._waiting.append(line)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if self._due is not loop:  # a loop that has ended before its turn came writes no more
            self._due = loop
            loop.call_soon(self.flush)

    debug = info = warning = error = critical = exception = msg

    def flush(self) -> None:
        """Write what waits."""
        self._due = None
        with self._lock:
            lines = []
            with contextlib.suppress(IndexError):
                while True:
                    lines.append(self._waiting.popleft())
            if lines:
                # ValueError: it has been closed.
                with contextlib.suppress(OSError, ValueError):
                    self._stream.write("\n".join(lines) + "\n")
                    self._stream.flush()
