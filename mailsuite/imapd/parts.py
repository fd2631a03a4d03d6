"""Pure. The parts table: where each part of a message lies, in a few octets.

It answers BODY[1.2.MIME] and its kind as a range of the message's octets, without another look at
them. One record a part, in the order of the message; a record tells how many records its part
takes, so that the way to a part goes by its elder siblings, not through them.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from mailsuite.imapd.syntax.model import Section
from mailsuite.message import Part

# header start, body start, body end, records of the part with all below it, number of its name
_SMALL = Struct("<IIIIH")
_LARGE = Struct("<QQQIH")
_HEAD = Struct("<BBH")  # which of the two, nothing, how many records
_LEAF, _MULTIPART, _MESSAGE = range(3)


@dataclass(frozen=True, slots=True)
class Located:
    """One part.

    start, body, end  offsets of its header, its body, and what follows
    content_type      "text/plain", lower-case
    encoding          content transfer encoding, lower-case
    """

    start: int
    body: int
    end: int
    content_type: str
    encoding: str


def encode_parts(root: Part) -> bytes:
    """The parts table of a scanned message."""
    record = _SMALL if root.body_end < 1 << 32 else _LARGE
    records: list[bytes] = []
    names: dict[str, int] = {}
    _add(root, record, records, names)
    kinds = "\n".join(names).encode("ascii", "replace")
    return b"%b%b%b" % (
        _HEAD.pack(record is _LARGE, 0, len(records)),
        b"".join(records),
        kinds,
    )
