"""The octets of one message to be sent: where they are, what they demand, how they are read.

Promises: a message in a file is read in blocks and never held in memory; the spool file is only
read. What blocks runs in threads.
"""

import asyncio
import mmap
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import IO, NamedTuple, TypeAlias

from mailsuite.base.tasks import Threads
from mailsuite.mail import QueuedMessage
from mailsuite.message.downgrade import Conversion, NextHop, downgrade
from mailsuite.message.traits import Source, Traits, examine

BLOCK = 1 << 18
HEADER = 1 << 16  # octets of a message that are searched for a header field
_TLS_OPTIONAL = re.compile(rb"^tls-required[ \t]*:[ \t]*no[ \t]*\r$", re.IGNORECASE | re.MULTILINE)
SLICED = 1 << 16  # a message up to this size is examined at once, larger ones in a thread
QUICK = 1 << 14  # the same for what is found out about its header


class Front(NamedTuple):
    """Header fields to put in front of a message: ASCII in short lines.

    signed_by  the key whose signature is among them, as in `mail.Contact.dkim`
    """

    octets: bytes = b""
    signed_by: str = ""


Write: TypeAlias = Callable[[Source, int, int], Front]
"""Makes them for the message that is there from one octet to another."""
Look: TypeAlias = Callable[[Source, int, int], Write | None]


class Content:
    """A message in memory (`data`), or in a file from `offset` on, perhaps with `front` before it.

    tls_optional  its sender would rather have it sent in the clear than not at all
    signed_by     the key that has signed it, as in `mail.Contact.dkim`
    """

    __slots__ = (
        "_asked",
        "_file",
        "_front",
        "_headed",
        "_lock",
        "_offset",
        "_path",
        "_threads",
        "data",
        "signed_by",
        "tls_optional",
        "traits",
    )

    def __init__(
        self,
        traits: Traits,
        threads: Threads,
        *,
        data: bytes | None = None,
        path: str = "",
        offset: int = 0,
        file: IO[bytes] | None = None,
        front: Front | None = None,
        tls_optional: bool = False,
    ) -> None:
        """`traits` are of all of it."""
        self.traits = traits
        self.tls_optional = tls_optional
        self.data = data
        self._threads = threads
        self._path = path
        self._offset = offset
        self._file = file
        self._front = front.octets if front else b""
        self.signed_by = front.signed_by if front else ""
        self._asked = False
        self._headed: Content | None = None
        self._lock = asyncio.Lock()

    @property
    def size(self) -> int:
        """In octets."""
        return self.traits.size

    async def blocks(self) -> AsyncIterator[bytes]:
        """The octets, in order. Raises OSError; a file that is shorter than it was is one too."""
        if self.data is not None:
            yield self.data
            return
        if self._front:
            yield self._front
        at, end = self._offset, self._offset + self.size - len(self._front)
        while at < end:
            block = await self._threads.run(self._read, at, min(BLOCK, end - at))
            if not block:
                raise OSError(f"{self._path}: shorter than it was")
            at += len(block)
            yield block

    def _read(self, at: int, count: int) -> bytes:
        # Opened for each block: who is cancelled while a thread opens it could never close it.
        with nullcontext(self._file) if self._file else Path(self._path).open("rb") as file:
            file.seek(at)
            return file.read(count)

    async def headed(self, look: Look) -> "Content":
        """The message with header fields in front, where `look` gives what makes them.

        It is asked once, whoever sends the message, and at once where the header is short; what it
        gives works in a thread. Closed with this one. Raises OSError.
        """
        async with self._lock:
            if not self._asked:
                self._headed = await self._looked(look)
                self._asked = True
        return self._headed or self

    async def _looked(self, look: Look) -> "Content | None":
        data = self.data
        if data is None or len(data) > SLICED or data.find(b"\r\n\r\n", 0, QUICK) < 0:
            return await self._threads.compute(self._head, look)
        write = look(data, 0, len(data))
        if write is None:
            return None  # as most often; a thread costs more than to find that out
        return await self._threads.run(self._head, lambda *_: write)

    def _head(self, look: Look) -> "Content | None":
        with self._source() as (data, start, end):
            write = look(data, start, end)
            front = Front() if write is None else write(data, start, end)
        if not front.octets:
            return None
        return Content(
            replace(self.traits, size=self.size + len(front.octets)),
            self._threads,
            data=None if self.data is None else front.octets + self.data,
            path=self._path,
            offset=self._offset,
            file=self._file,
            front=front,
            tls_optional=self.tls_optional,
        )

    @contextmanager
    def _source(self) -> Iterator[tuple[Source, int, int]]:
        """Where the octets are, and from where to where."""
        if self.data is not None or not self.size:
            yield self.data or b"", 0, len(self.data or b"")
            return
        with (
            nullcontext(self._file) if self._file else Path(self._path).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        ):
            yield mapped, self._offset, self._offset + self.size

    async def converted(self, hop: NextHop, *, smtputf8: bool) -> "Content | None":
        """The message as `hop` can take it; None: as it is. Raises message.downgrade.Inconvertible.

        `close` it in the end.
        """
        return await self._threads.run(self._convert, hop, smtputf8)

    def _convert(self, hop: NextHop, smtputf8: bool) -> "Content | None":
        if self.data is not None:
            return self._converted(downgrade(self.data, hop, smtputf8=smtputf8), self.data)
        with tempfile.TemporaryFile() as copy, Path(self._path).open("rb") as file:
            # Without what stands before the message: a map begins at a page, not at an octet.
            file.seek(self._offset)
            while block := file.read(BLOCK):
                copy.write(block)
            copy.flush()
            if not copy.tell():
                return None
            with mmap.mmap(copy.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                return self._converted(downgrade(mapped, hop, smtputf8=smtputf8), mapped)

    def _converted(
        self, conversion: Conversion | None, data: bytes | mmap.mmap
    ) -> "Content | None":
        if conversion is None:
            return None
        file = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        try:
            file.writelines(conversion.pieces(data))
            file.flush()
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                traits = examine(mapped)
        except BaseException:
            file.close()
            raise
        return Content(traits, self._threads, file=file)

    def close(self) -> None:
        """Give a converted message's file back."""
        if self._file is not None:
            self._file.close()


async def load(message: QueuedMessage, threads: Threads) -> Content:
    """The content of a queued message. Raises OSError."""
    data = message.data
    if data is not None and len(data) <= SLICED:
        return Content(examine(data), threads, data=data, tls_optional=says_tls_optional(data))
    traits, optional = await threads.run(_examine, message)
    return Content(
        traits,
        threads,
        data=data,
        path=message.path,
        offset=message.offset,
        tls_optional=optional,
    )


def _examine(message: QueuedMessage) -> tuple[Traits, bool]:
    if message.data is not None:
        return examine(message.data), says_tls_optional(message.data)
    if not message.size:
        return Traits(), False
    end = message.offset + message.size
    with (
        Path(message.path).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        header = mapped[message.offset : min(end, message.offset + HEADER)]
        return examine(mapped, message.offset, end), says_tls_optional(header)


def says_tls_optional(octets: bytes) -> bool:
    """Whether the message has the header field "TLS-Required: No" (RFC 8689 §5)."""
    end = octets.find(b"\r\n\r\n", 0, HEADER)
    return _TLS_OPTIONAL.search(octets, 0, end + 2 if end >= 0 else HEADER) is not None
