"""A message on its way in, whose size nobody knows yet (an APPEND literal, say)."""

from __future__ import annotations

import mmap
import os
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from mailsuite.base.tasks import Threads, committed
from mailsuite.message import Octets
from mailsuite.store.errors import StoreUnavailable

IN_MEMORY = 1 << 18


class TempMessage:
    """Takes octets; small ones stay in memory, large ones go to a file in the account's tmp.

    One writer at a time. Memory is bounded by `IN_MEMORY` and the largest piece written.

    size   octets written so far
    """

    __slots__ = ("_buffer", "_discarded", "_fd", "_path", "_threads", "size")

    def __init__(self, path: str, threads: Threads) -> None:
        self._path = path
        self._threads = threads
        self._buffer = bytearray()
        self._fd: int | None = None
        self._discarded = False
        self.size = 0

    async def write(self, data: bytes) -> None:
        """Add octets. Raises StoreUnavailable when the disk refuses."""
        self._buffer += data
        self.size += len(data)
        if len(self._buffer) > IN_MEMORY:
            await committed(self._threads.run(self._spill))

    def _spill(self) -> None:
        try:
            if self._fd is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._fd = os.open(self._path, flags, 0o600)
            view = memoryview(self._buffer)
            with view:
                done = 0
                while done < len(view):
                    done += os.write(self._fd, view[done:])
        except OSError as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error
        self._buffer = bytearray()

    async def pieces(self) -> AsyncIterator[bytes]:
        """All octets written so far. Raises StoreUnavailable."""
        if self._fd is None:
            yield bytes(self._buffer)
            return
        await committed(self._threads.run(self._spill))
        at = 0
        while at < self.size and self._fd is not None:
            reading = self._threads.run(os.pread, self._fd, IN_MEMORY, at)
            try:
                piece = await committed(reading)
            except OSError as error:
                raise StoreUnavailable(f"{type(error).__name__}: {error}") from error
            if not piece:
                raise StoreUnavailable("a temporary file is shorter than it was")
            at += len(piece)
            yield piece

    async def rewrite(self, make: Callable[[Octets], Iterable[bytes] | None]) -> None:
        """Have all octets so far replaced by what `make` makes of them; None: leave them.

        `make` is pure and runs in a thread. Raises what it raises, and StoreUnavailable.
        """
        await committed(self._threads.run(self._rewrite, make))

    def _rewrite(self, make: Callable[[Octets], Iterable[bytes] | None]) -> None:
        if self._fd is None:
            if (pieces := make(bytes(self._buffer))) is not None:
                self._begin_anew()
                self._take(pieces)
            return
        self._spill()
        old = self._fd
        with mmap.mmap(old, 0, access=mmap.ACCESS_READ) as mapped:
            if (pieces := make(mapped)) is None:
                return
            self._begin_anew()
            try:
                self._take(pieces)
            finally:
                os.close(old)

    def _begin_anew(self) -> None:
        if self._fd is not None:
            Path(self._path).unlink(missing_ok=True)
        self._fd = None
        self._buffer = bytearray()
        self.size = 0

    def _take(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self._buffer += piece
            self.size += len(piece)
            if len(self._buffer) > IN_MEMORY:
                self._spill()

    def finish(self, mtime: float | None) -> bytes | Path:
        """In a thread: all octets, in memory or as a durable file with this modification time."""
        if self._discarded:
            raise StoreUnavailable("the message has been discarded")
        if self._fd is None:
            return bytes(self._buffer)
        self._spill()
        if mtime is not None:
            os.utime(self._fd, (mtime, mtime))
        os.fsync(self._fd)
        return Path(self._path)

    async def discard(self) -> None:
        """Throw it away; idempotent, and harmless after a successful append."""
        self._discarded = True
        self._buffer = bytearray()
        if self._fd is not None:
            await committed(self._threads.run(self._remove))

    def _remove(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            Path(self._path).unlink(missing_ok=True)
