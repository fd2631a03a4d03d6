"""FETCH items that are answered with octets of the message: BODY[…] and the RFC822 names.

An item knows where its octets are (`facets.locate`) and how they are written: at once from a
message in memory, or piece by piece from an open one, no faster than the client reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mailsuite.imapd import facets
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.model import Section
from mailsuite.store import Derived, MessageFile, StoreUnavailable

MAX_KEY = 1000
NO_NUL = b"\x80"
"""What a NUL octet is shown as, of the same length, where only BINARY could give it as it is.

No literal holds one (RFC 3501 §4.3.1, §9). Mail that says that it is binary is kept in base64;
this is other mail. Some other servers show the same.
"""
PIECE = 1 << 17
"""Octets of a streamed message held in memory."""


class Out(Protocol):
    """Where answers go: a session."""

    def write(self, data: bytes) -> None:
        """Add octets."""
        ...

    async def flush(self) -> None:
        """Wait while the client does not read."""
        ...


class Item(Protocol):
    """One such item. `parts` is the message's parts table (`imapd.parts`), b"" unless needed."""

    @property
    def needs_parts(self) -> bool:
        """The parts table is needed."""
        ...

    def possible(self, parts: bytes) -> bool:
        """Can it be answered? (Not where nobody knows the encoding.)"""
        ...

    def answer(self, data: bytes, parts: bytes) -> Sequence[bytes]:
        """Name and value, of a message in memory: pieces, so that large ones are not copied."""
        ...

    async def send(self, out: Out, file: MessageFile, parts: bytes) -> None:
        """The same of an open message, piece by piece."""
        ...


@dataclass(frozen=True, slots=True)
class Octets:
    """BODY[…]: octets as they are."""

    name: bytes
    section: Section
    partial: tuple[int, int] | None

    @property
    def needs_parts(self) -> bool:
        return self.section != Section()

    def possible(self, parts: bytes) -> bool:
        return True

    def answer(self, data: bytes, parts: bytes) -> Sequence[bytes]:
        found = self.locate(parts, len(data))
        if found is None:
            return (self.name, b" NIL")
        piece = data[found[0] : found[1]]
        if self.selects:
            piece = self.pick(piece)
        piece = shown(piece)
        return (b"%b {%d}\r\n" % (self.name, len(piece)), piece)

    async def send(self, out: Out, file: MessageFile, parts: bytes) -> None:
        out.write(self.name + b" ")
        await self.send_value(out, file, parts)

    async def send_value(self, out: Out, file: MessageFile, parts: bytes) -> None:
        """The value without its name."""
        found = self.locate(parts, file.size)
        if found is None:
            out.write(b"NIL")
        elif self.selects:
            header = await file.read(found[0], found[1] - found[0])
            out.write(response.literal(shown(self.pick(header))))
        else:
            out.write(response.literal_head(found[1] - found[0]))
            await send_range(out, file, *found)

    def locate(self, parts: bytes, size: int) -> tuple[int, int] | None:
        """Where they are, [start, end), in a message of `size` octets; None: nowhere, say NIL.

        Of HEADER.FIELDS it is the whole header; `pick` then takes what was asked for.
        """
        section = self.section
        whole = not section.part and not section.text
        found = (0, size) if whole else facets.locate(parts, section)
        if found is None or self.partial is None or self.selects:
            return found
        return cut(*found, self.partial)

    @property
    def selects(self) -> bool:
        """What is asked for is not one range of octets, but some fields of a header."""
        return bool(self.section.fields)

    def pick(self, header: bytes) -> bytes:
        """The fields asked for."""
        found = facets.header_fields(header, self.section.fields, invert=self._inverts)
        if self.partial is None:
            return found
        start, end = cut(0, len(found), self.partial)
        return found[start:end]

    @property
    def _inverts(self) -> bool:
        return self.section.text == "HEADER.FIELDS.NOT"

    @property
    def derived(self) -> Derived:
        """The fields asked for, whole and `shown`, as a column of the index."""
        names, inverts = self.section.fields, self._inverts
        key = f"{'not ' * inverts}{' '.join(sorted({name.upper() for name in names}))}"
        return Derived(
            f"fields 3 {key}" if len(key) <= MAX_KEY else "",
            lambda header: shown(facets.header_fields(header, names, invert=inverts)),
        )


def shown(octets: bytes) -> bytes:
    """Octets as a literal may have them (`NO_NUL`)."""
    return octets.replace(b"\0", NO_NUL)


def cut(start: int, end: int, partial: tuple[int, int]) -> tuple[int, int]:
    """The part of a range that a partial asks for."""
    first, count = partial
    start = min(start + first, end)
    return start, min(start + count, end)


async def send_range(out: Out, file: MessageFile, start: int, end: int) -> None:
    """Octets of an open message, `shown`. StoreUnavailable when they are not all there."""
    while start < end:
        piece = await file.read(start, min(PIECE, end - start))
        if not piece:
            raise StoreUnavailable("message shorter than its index says")
        out.write(shown(piece))
        start += len(piece)
        await out.flush()
