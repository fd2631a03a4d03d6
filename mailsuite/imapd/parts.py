"""Pure. The parts table: where each part of a message lies, in a few octets.

It answers BODY[1.2.MIME] and its kind as a range of the message's octets, without another look at
them. One record a part, in the order of the message; a record tells how many records its part
takes, so that the way to a part goes by its elder siblings, not through them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct

from mailsuite.imapd.syntax.model import Section
from mailsuite.message import Part

# header start, body start, body end, records of the part with all below it, number of its kind's
# name, structure
_SMALL = Struct("<IIIIHB")
_LARGE = Struct("<QQQIHB")
_LEAF, _MULTIPART, _MESSAGE = range(3)


@dataclass(frozen=True, slots=True)
class Located:
    """One part.

    start, body, end  offsets of its header, of its body, and of what follows
    content_type      "text/plain", lower-case
    encoding          content transfer encoding, lower-case
    leaf              it has no parts, and no message, in it
    """

    start: int
    body: int
    end: int
    content_type: str
    encoding: str
    leaf: bool = True


def encode_parts(root: Part) -> bytes:
    """The parts table of a scanned message."""
    records: list[tuple[int, int, int, int, int, int]] = []
    kinds: dict[str, int] = {}
    _add(root, records, kinds)
    large = root.body_end >= 1 << 32
    pack = (_LARGE if large else _SMALL).pack
    octets = b"".join([pack(*record) for record in records])
    return b"%c%b%b" % (large, octets, "\n".join(kinds).encode("ascii"))


def _add(
    part: Part, records: list[tuple[int, int, int, int, int, int]], kinds: dict[str, int]
) -> None:
    kind = kinds.setdefault(f"{part.type}/{part.subtype} {part.encoding}", len(kinds))
    structure = _MULTIPART if part.parts else _MESSAGE if part.message is not None else _LEAF
    place = len(records)
    records.append((0, 0, 0, 0, 0, 0))
    for below in part.parts if part.message is None else (part.message,):
        _add(below, records, kinds)
    span = len(records) - place
    records[place] = (part.header_start, part.body_start, part.body_end, span, kind, structure)


class _Table:
    """A parts table being read."""

    __slots__ = ("_octets", "_record")

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._record = _LARGE if octets[0] else _SMALL

    def record(self, place: int) -> tuple[int, int, int, int, int, int]:
        record = self._record
        found: tuple[int, int, int, int, int, int] = record.unpack_from(
            self._octets, 1 + place * record.size
        )
        return found

    def kind(self, number: int) -> tuple[str, str]:
        """Content type and encoding."""
        start = 1 + self.record(0)[3] * self._record.size
        content_type, _, encoding = self._octets[start:].split(b"\n")[number].partition(b" ")
        return content_type.decode("ascii"), encoding.decode("ascii")

    def find(self, numbers: Sequence[int]) -> int | None:
        """The place of a part's record by its number (RFC 9051 §6.4.5.1).

        A message that is no multipart has one part, 1: its body. Its record is the message's own.
        """
        place = 0
        is_message = True
        for number in numbers:
            structure = self.record(place)[5]
            if structure == _MESSAGE and not is_message:
                place += 1
                structure = self.record(place)[5]
                is_message = True
            if structure == _MULTIPART:
                end = place + self.record(place)[3]
                place += 1
                for _ in range(number - 1):
                    if place >= end:
                        return None
                    place += self.record(place)[3]
                if place >= end:
                    return None
            elif not is_message or number != 1:
                return None
            is_message = False
        return place


def locate(parts: bytes, section: Section) -> tuple[int, int] | None:
    """The octets [start, end) of the message that answer BODY[section].

    None: there is no such part (answer NIL). HEADER and TEXT of a part are those of the message in
    it; a part that holds none has neither. For HEADER.FIELDS[.NOT] it is the range of the whole
    header.
    """
    table = _Table(parts)
    place = table.find(section.part)
    if place is None:
        return None
    start, body, end, _, _, structure = table.record(place)
    if section.text == "MIME":
        return start, body
    if not section.text:
        return (body, end) if section.part else (start, end)
    if section.part:
        if structure != _MESSAGE:
            return None
        start, body, end, _, _, _ = table.record(place + 1)
    return (body, end) if section.text == "TEXT" else (start, body)


def part_at(parts: bytes, numbers: Sequence[int]) -> Located | None:
    """A part by its number, () for the whole message; None: there is no such part.

    For BINARY (RFC 3516), which decodes a part's body by its encoding.
    """
    table = _Table(parts)
    place = table.find(numbers)
    if place is None:
        return None
    start, body, end, _, kind, structure = table.record(place)
    return Located(start, body, end, *table.kind(kind), structure == _LEAF)
