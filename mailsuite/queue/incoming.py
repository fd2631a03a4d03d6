"""A message on its way into the queue.

Promises: memory stays flat, whatever its size; nothing counts before `commit` has returned, and
everything is durable then; what is discarded or fails leaves nothing behind.
"""

import contextlib
import mmap
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mailsuite.base.tasks import Threads, committed
from mailsuite.mail import Envelope
from mailsuite.queue.committer import File, GrownFile, NewFile
from mailsuite.queue.errors import QueueUnavailable, typed
from mailsuite.queue.spool import Spool, write_all

Convert: TypeAlias = Callable[[bytes | mmap.mmap], Iterable[bytes] | None]
"""Gives the octets that are to stand in the place of others, or None to leave these."""


@dataclass(frozen=True, slots=True)
class Received:
    """A whole message, ready to be committed.

    file      writes the spool file: `offset` octets of prefix, then the message
    size      octets of the message
    prefixed  the prefix is the envelope's own
    data      the message, when it was held in memory
    """

    id: str
    file: File
    offset: int
    size: int
    prefixed: bool
    data: bytes | None


class Incoming:
    """Takes the octets of one message and then its envelope. Not for two tasks at once."""

    __slots__ = (
        "_accept",
        "_chunks",
        "_fd",
        "_held",
        "_limit",
        "_open",
        "_prefix_of",
        "_spilled_prefix",
        "_spool",
        "_threads",
        "id",
        "size",
    )

    def __init__(
        self,
        id: str,
        envelope: Envelope | None,
        *,
        spool: Spool,
        threads: Threads,
        limit: int,
        prefix: Callable[[Envelope], bytes],
        accept: Callable[[Received, Envelope], Awaitable[None]],
    ) -> None:
        self.id = id
        self.size = 0
        self._spool = spool
        self._threads = threads
        self._limit = limit
        self._prefix_of = prefix
        self._accept = accept
        self._chunks: list[bytes] = []
        self._held = 0
        self._fd = -1
        self._spilled_prefix = b"" if envelope is None else prefix(envelope)
        self._open = True

    async def write(self, data: bytes) -> None:
        """Take more octets. Waits for the disk when the message is large.

        Raises QueueUnavailable or NoSpace; the message is then discarded.
        """
        self._require_open()
        self._chunks.append(bytes(data))
        self._held += len(data)
        self.size += len(data)
        if self._held > self._limit:
            await committed(self._spill())

    async def rewrite(self, convert: Convert) -> None:
        """Put other octets in the place of all that were taken, before `commit`.

        `convert` runs in a thread; with a large message it is given a map of the file, and its
        pieces make a new one. Raises QueueUnavailable or NoSpace; the message is then discarded.
        """
        self._require_open()
        try:
            await committed(self._threads.run(self._rewrite, convert))
        except OSError as error:
            self._open = False
            await self._unspill()
            raise typed(error) from error

    def _rewrite(self, convert: Convert) -> None:
        held = b"".join(self._chunks)
        if self._fd < 0:
            pieces = convert(held)
            if pieces is not None:
                self._chunks = [b"".join(pieces)]
                self.size = self._held = len(self._chunks[0])
            return
        write_all(self._fd, held)
        self._chunks, self._held = [], 0
        with (
            Path(self._spool.path(self.id)).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            pieces = convert(data)
            if pieces is None:
                return
            # The old octets stay readable until the map is closed.
            self._spool.remove([self.id])
            os.close(self._fd)
            self._fd = -1
            self._fd = self._spool.open_new(self.id)
            self.size = -len(self._spilled_prefix)
            for piece in pieces:
                write_all(self._fd, piece)
                self.size += len(piece)

    async def commit(self, envelope: Envelope) -> None:
        """Take responsibility for the message: it is durable when this returns.

        Raises QueueUnavailable or NoSpace, ValueError for an envelope without recipients or with
        text that is not Unicode; the message is then discarded. Runs to its end even if the
        caller is cancelled; a door that must know its end calls it in `committed`.
        """
        self._require_open()
        try:
            if not envelope.recipients:
                raise ValueError("an envelope needs a recipient")
            received = self._received(envelope)
        except BaseException:
            await self.discard()
            raise
        self._open = False
        self._chunks = []
        self._fd = -1
        await self._accept(received, envelope)

    async def discard(self) -> None:
        """Leave nothing of the message behind; no effect after `commit`, or a second time."""
        if self._open:
            self._open = False
            self._chunks = []
            await committed(self._unspill())

    def _require_open(self) -> None:
        if not self._open:
            raise QueueUnavailable("this message was committed or discarded before")

    def _received(self, envelope: Envelope) -> Received:
        prefix = self._prefix_of(envelope)
        if self._fd >= 0:
            return Received(
                self.id,
                GrownFile(self.id, self._fd, tuple(self._chunks)),
                len(self._spilled_prefix),
                self.size,
                bool(prefix) and prefix == self._spilled_prefix,
                None,
            )
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        file = NewFile(self.id, prefix + data)
        return Received(self.id, file, len(prefix), self.size, bool(prefix), data)

    async def _spill(self) -> None:
        chunks, self._chunks, self._held = self._chunks, [], 0
        try:
            if self._fd < 0:
                self._fd = await self._threads.run(self._spool.open_new, self.id)
                chunks.insert(0, self._spilled_prefix)
            await self._threads.run(write_all, self._fd, b"".join(chunks))
        except OSError as error:
            self._open = False
            await self._unspill()
            raise typed(error) from error

    async def _unspill(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            await self._threads.run(self._remove, fd)

    def _remove(self, fd: int) -> None:
        with contextlib.suppress(OSError):
            os.close(fd)
        with contextlib.suppress(OSError):
            self._spool.remove([self.id])
