"""Pure. Header blocks (RFC 5322 §2.2, §3.6) cut into fields that keep their octets.

Promises: joined, the raw octets of all fields are the block again, up to its blank line. Takes CRLF
and bare LF line ends, runs in linear time and never raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from mailsuite.message.limits import DEFAULT, Limits

# A line and the lines folded onto it; the first octet may be anything but a line end.
_FIELD = re.compile(rb"[^\n]++(?:\n[ \t][^\n]*+)*+\n?")
# field-name = 1*ftext, ftext = %d33-57 / %d59-126; obs-optional allows WSP before the colon.
_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:")


class Octets(Protocol):
    """What the scanner reads: bytes, mmap, or a memoryview in the wrapper of `structure`."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: slice, /) -> bytes: ...

    def find(self, sub: bytes, start: int = ..., end: int = ..., /) -> int: ...


class Field:
    """One header field.

    name  field-name as written; "" for octets that are no field (no colon, bad name)
    raw   every octet of the field with its folds and line end
    """

    __slots__ = ("name", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        match = _NAME.match(raw)
        self.name: str = match[1].decode("ascii") if match else ""

    @property
    def key(self) -> str:
        """The name in lower case, for comparing (names are case-insensitive)."""
        return self.name.lower()

    @property
    def value(self) -> bytes:
        """The octets after the colon, folds and line end included; all of them if unnamed."""
        return self.raw[self.raw.find(b":") + 1 :] if self.name else self.raw

    @property
    def unfolded(self) -> bytes:
        """The field body without folds (RFC 5322 §2.2.3) and without surrounding white space."""
        return unfold(self.value)

    def __repr__(self) -> str:
        return f"Field({self.raw!r})"


def unfold(value: bytes) -> bytes:
    """Take the line ends out of a field body and the white space off its ends."""
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    return value.strip(b" \t\r")


def spaced(value: bytes) -> bytes:
    """Unfolded, with a space where a line began with a tab: what a reader sees and looks for."""
    return unfold(value.replace(b"\n\t", b"\n ") if b"\n\t" in value else value)


def split_header(data: bytes) -> tuple[int, int]:
    """Where the header of a message ends: (body start, end of the fields).

    The blank line lies between the two. A message without one is all header: both are then its
    length.
    """
    end, body = header_end(data, 0, len(data))
    return body, end


def first_value(block: bytes, name: bytes) -> bytes | None:
    """The unfolded body of the first field called `name` (lower case) in a header block, or None.

    As `first_field` of all `fields` finds it, without making them.
    """
    found = _field_called(name).search(block)
    return None if found is None else unfold(found[1])


@lru_cache(64)
def _field_called(name: bytes) -> re.Pattern[bytes]:
    pattern = rb"(?:\A|\n)" + re.escape(name) + rb"[ \t]*:([^\n]*+(?:\n[ \t][^\n]*+)*+)"
    return re.compile(pattern, re.IGNORECASE)


def header_end(data: Octets, start: int, end: int) -> tuple[int, int]:
    """End of the fields and start of the body, for a header that starts at `start`.

    No octet at or after `end` is looked at; without a blank line both are `end`.
    """
    first = data[start : min(start + 2, end)]
    if first == b"\r\n":
        return start, start + 2
    if first[:1] == b"\n":
        return start, start + 1
    crlf = data.find(b"\n\r\n", start, end)
    bare = data.find(b"\n\n", start, end if crlf < 0 else crlf + 1)
    if bare >= 0:
        return bare + 1, bare + 2
    if crlf >= 0:
        return crlf + 1, crlf + 3
    return end, end


def fields(block: bytes, *, limits: Limits = DEFAULT) -> list[Field]:
    """The fields of a header block, in order.

    Reads up to the first blank line, so a whole message may be given too. Lines that are no field
    are kept with the name "". Fields beyond `limits.fields` come back as one unnamed last one.
    """
    end = split_header(block)[1]
    raws = _FIELD.findall(block, 0, end)
    if len(raws) > limits.fields:
        kept = [Field(raw) for raw in raws[: limits.fields]]
        rest = Field(b"".join(raws[limits.fields :]))
        rest.name = ""
        return [*kept, rest]
    return [Field(raw) for raw in raws]


def first_field(found: Iterable[Field], name: str) -> Field | None:
    """The first field called `name` (any case), or None."""
    wanted = name.lower()
    for field in found:
        if field.name.lower() == wanted:
            return field
    return None
