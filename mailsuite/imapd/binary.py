"""BINARY[…] and BINARY.SIZE[…]: a part without its Content-Transfer-Encoding (RFC 3516).

Only a leaf has an encoding to take off (RFC 9051 §6.4.5); a whole message, a multipart and an
enclosed message are given as they are, and so is what a section-text names, which RFC 3516 does not
ask for but clients try. Large parts are decoded twice, piece by piece: first for size and domain,
then to be sent. Memory stays flat.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from mailsuite.imapd import facets
from mailsuite.imapd.octets import PIECE, Octets, Out, cut
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.model import FetchItem, Section
from mailsuite.message import Decoder, decoder
from mailsuite.store import MessageFile, StoreUnavailable


@dataclass(frozen=True, slots=True)
class Decoded:
    """What decoded octets are: how many, how many line ends; NUL or 8-bit octets in them."""

    size: int
    lines: int
    nul: bool
    eight_bit: bool

    @property
    def encoding(self) -> bytes:
        """The encoding to name for them (RFC 2045 §6.2)."""
        return b"BINARY" if self.nul else b"8BIT" if self.eight_bit else b"7BIT"


@dataclass(frozen=True, slots=True)
class Binary:
    """One item; `size_only` for BINARY.SIZE."""

    name: bytes
    plain: Octets
    partial: tuple[int, int] | None
    size_only: bool

    @property
    def needs_parts(self) -> bool:
        return self.plain.needs_parts

    def possible(self, parts: bytes) -> bool:
        return self._decoder(parts) is not None

    def answer(self, data: bytes, parts: bytes) -> Sequence[bytes]:
        found = self.plain.locate(parts, len(data))
        if found is None:
            return (self.name, b" 0" if self.size_only else b" NIL")
        value = data[found[0] : found[1]]
        if self.plain.selects:
            value = self.plain.pick(value)
        elif (taken_off := self._decoder(parts)) is not None:
            value = taken_off.feed(value) + taken_off.end()
        if self.size_only:
            return (b"%b %d" % (self.name, len(value)),)
        if self.partial is not None:
            start, end = cut(0, len(value), self.partial)
            value = value[start:end]
        return (self.name, b" ", response.literal_head(len(value), binary=0 in value), value)

    async def send(self, out: Out, file: MessageFile, parts: bytes) -> None:
        found = self.plain.locate(parts, file.size)
        if found is None or self.plain.selects:
            header = b"" if found is None else await file.read(found[0], found[1] - found[0])
            out.write(self._of_header(header, found is None))
            return
        decoded = await self._measure(out, file, parts, *found)
        if self.size_only:
            out.write(b"%b %d" % (self.name, decoded.size))
            return
        out.write(self.name + b" " + response.literal_head(decoded.size, binary=decoded.nul))
        async for piece in self._pieces(file, parts, *found):
            out.write(piece)
            await out.flush()

    async def measure(self, out: Out, file: MessageFile, parts: bytes) -> Decoded | None:
        """What would be sent; None: nothing, or no one part."""
        found = self.plain.locate(parts, file.size)
        if found is None or self.plain.selects or not self.possible(parts):
            return None
        return await self._measure(out, file, parts, *found)

    async def _measure(
        self, out: Out, file: MessageFile, parts: bytes, start: int, end: int
    ) -> Decoded:
        size = lines = 0
        nul = eight_bit = False
        async for piece in self._pieces(file, parts, start, end):
            size += len(piece)
            lines += piece.count(b"\n")
            nul = nul or 0 in piece
            eight_bit = eight_bit or not piece.isascii()
            await out.flush()
        return Decoded(size, lines, nul, eight_bit)

    def _of_header(self, header: bytes, absent: bool) -> bytes:
        if absent:
            return self.name + (b" 0" if self.size_only else b" NIL")
        value = self.plain.pick(header)
        if self.size_only:
            return b"%b %d" % (self.name, len(value))
        start, end = cut(0, len(value), self.partial or (0, len(value)))
        value = value[start:end]
        return self.name + b" " + response.literal(value, binary=0 in value)

    def _decoder(self, parts: bytes) -> Decoder | None:
        """What takes the encoding off; None: nobody knows it."""
        section = self.plain.section
        if section.part and not section.text:
            part = facets.part_at(parts, section.part)
            if part is not None and part.leaf:
                return decoder(part.encoding)
        return decoder("binary")

    async def _pieces(
        self, file: MessageFile, parts: bytes, start: int, end: int
    ) -> AsyncIterator[bytes]:
        """The decoded octets that are asked for."""
        taken_off = self._decoder(parts)
        assert taken_off is not None
        first, last = (0, end) if self.partial is None else (self.partial[0], sum(self.partial))
        at = 0
        while start < end and at < last:
            raw = await file.read(start, min(PIECE, end - start))
            if not raw:
                raise StoreUnavailable("message shorter than its index says")
            start += len(raw)
            piece = taken_off.feed(raw)
            if start >= end:
                piece += taken_off.end()
            yield piece[max(first - at, 0) : max(last - at, 0)]
            at += len(piece)


def binary(item: FetchItem) -> Binary:
    """The item for BINARY[…] or BINARY.SIZE[…]."""
    section = item.section or Section()
    name = response.item_name(item)
    return Binary(name, Octets(name, section, None), item.partial, item.name == "BINARY.SIZE[")
