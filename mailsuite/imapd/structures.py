"""Pure. What is made of a BODYSTRUCTURE, as `facets` keeps it: BODY without extension data, one
part's structure (RFC 5524), the form for clients that know no message/global.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import repeat

from mailsuite.imapd.parts import part_at
from mailsuite.imapd.syntax.model import Section

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|\{([0-9]+)\}\r\n|[^ ()"{]++', re.DOTALL)
_GLOBAL = b'"message" "global"'


def body(bodystructure: bytes) -> bytes:
    """BODY, the form without extension data, from the octets of BODYSTRUCTURE.

    `bodystructure` must be what `compute` gave.
    """
    return _Plain(bodystructure).body()


class _Plain:
    """Copies a body structure without its extension data."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def body(self) -> bytes:
        """Read one `body` at the current place, which is its parenthesis."""
        self._at += 1
        if self._data[self._at] == 0x28:
            parts = []
            while self._data[self._at] == 0x28:
                parts.append(self.body())
            self._at += 1
            plain = b"(%b %b)" % (b"".join(parts), self._value())
        else:
            values = [self._value() for _ in range(7)]
            kind = (values[0].lower(), values[1].lower())
            if kind[0] == b'"text"':
                values.append(self._value())
            elif kind[0] == b'"message"' and self._data[self._at] == 0x28:
                values.append(self._value())
                values.append(self.body())
                self._at += 1
                values.append(self._value())
            plain = b"(%b)" % b" ".join(values)
        while self._data[self._at] != 0x29:
            self._value()
        self._at += 1
        return plain

    def values(self) -> list[bytes]:
        """The values of the list at the current place."""
        self._at += 1
        found = []
        while self._data[self._at] != 0x29:
            found.append(self._value())
        return found

    def _value(self) -> bytes:
        """Read one value (a list as a whole) and the space behind it."""
        data, start = self._data, self._at
        depth = 0
        at = start
        while True:
            first = data[at]
            if first == 0x28:
                depth += 1
                at += 1
            elif first == 0x29 and depth:
                depth -= 1
                at += 1
            elif (token := _TOKEN.match(data, at)) is not None:
                at = token.end() + int(token[1] or 0)
            else:
                at += 1
            if not depth:
                break
        self._at = at + 1 if data[at] == 0x20 else at
        return data[start:at]


def as_basic(structure: bytes) -> bytes:
    """The structure for a client of RFC 3501 alone, whose `media-message` is message/rfc822.

    Each message/global is a part without a structure in it (RFC 9755 §6). `structure`: of either
    form.
    """
    return _basic(structure) if _GLOBAL in structure else structure


def all_as_basic(structures: Sequence[bytes]) -> Iterable[bytes]:
    """`as_basic` of many, which are nearly always what they were."""
    if any(map(bytes.__contains__, structures, repeat(_GLOBAL))):
        return map(as_basic, structures)
    return structures


def _basic(structure: bytes) -> bytes:
    values = _values(structure)
    if values[0].startswith(b"("):
        kind = next(place for place, value in enumerate(values) if not value.startswith(b"("))
        parts = b"".join(map(_basic, values[:kind]))
        return b"(%b %b)" % (parts, b" ".join(values[kind:]))
    if len(values) > 9 and b" ".join(values[:2]) == _GLOBAL:
        del values[7:10]
    elif len(values) > 9 and values[0] == b'"message"':
        values[8] = _basic(values[8])
    return b"(%b)" % b" ".join(values)


def part_structure(bodystructure: bytes, numbers: Sequence[int]) -> bytes | None:
    """The structure of one part (RFC 5524), () for the message; None: there is no such part.

    `bodystructure` must be what `compute` gave.
    """
    found = bodystructure
    is_message = True
    for number in numbers:
        values = _values(found)
        if not is_message and len(values) > 8 and values[0].lower() == b'"message"':
            if not values[8].startswith(b"("):
                return None
            found, is_message = values[8], True
            values = _values(found)
        if values[0].startswith(b"("):
            parts = [value for value in values if value.startswith(b"(")]
            kind = next(place for place, value in enumerate(values) if not value.startswith(b"("))
            if number > kind:
                return None
            found = parts[number - 1]
        elif not is_message or number != 1:
            return None
        is_message = False
    return found


def _values(structure: bytes) -> list[bytes]:
    """What stands in a list, one level deep."""
    reader = _Plain(structure)
    return reader.values()


def is_leaf(parts: bytes, section: Section) -> bool:
    """A section names one part that has no parts, and no message, in it."""
    found = part_at(parts, section.part) if section.part and not section.text else None
    return found is not None and found.leaf


def as_sent(structure: bytes, encoding: bytes, size: int, lines: int) -> bytes:
    """The structure of a leaf whose octets are sent in another encoding."""
    values = _values(structure)
    values[5], values[6] = b'"%b"' % encoding, b"%d" % size
    if values[0].lower() == b'"text"':
        values[7] = b"%d" % lines
    return b"(%b)" % b" ".join(values)
