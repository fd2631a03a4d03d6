"""Pure. The pieces of a response -> values (RFC 9051 §7): lenient with what servers really send.

Raises Nonsense for what can't be understood. Nested lists are bounded.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mailsuite.remote.errors import Nonsense
from mailsuite.remote.imap.receiver import Large, Literal, Piece

MAX_DEPTH = 20
TOLD = 500  # characters of what a server says that are handed on to people
MAX_NUMBER = 0xFFFFFFFF
MAX_SIZE = (1 << 63) - 1
"""RFC 9051 §9: number, and number64, which a message's octets are."""
_NEEDED = frozenset({"CAPABILITY", "FETCH", "ID", "LIST", "LSUB", "NAMESPACE", "SEARCH", "STATUS"})
_ATOM = re.compile(rb'[^ ()"\x00-\x1f\x7f]+')
_QUOTED = re.compile(rb'"((?:[^"\\\r\n]|\\.)*)"')
_ESCAPE = re.compile(rb"\\(.)")
_STATUS = re.compile(
    rb"(OK|NO|BAD|BYE|PREAUTH)(?: (?:\[([^\]\s]+)(?: ([^\]]*))?\] ?)?(.*))?\Z",
    re.IGNORECASE | re.DOTALL,
)
_NUMBERED = re.compile(rb"(\d{1,10}) ([A-Za-z]+) ?")
_NAMED = re.compile(rb"([A-Za-z0-9.+-]+) ?")
_DATE = re.compile(rb"\s?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\Z")
_MONTHS = {
    name: number
    for number, name in enumerate(
        (
            b"jan",
            b"feb",
            b"mar",
            b"apr",
            b"may",
            b"jun",
            b"jul",
            b"aug",
            b"sep",
            b"oct",
            b"nov",
            b"dec",
        ),
        1,
    )
}


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string or a literal."""

    octets: bytes


Value: TypeAlias = bytes | Text | Large | list["Value"] | None
"""An atom, a string, a large literal that has been given out, NIL, or a list."""


@dataclass(frozen=True, slots=True)
class Status:
    """OK, NO, BAD, BYE, PREAUTH.

    tag   "" for an untagged one
    code  in capitals, "" without one; `arguments`: what stands after it
    """

    tag: str
    kind: str
    code: str = ""
    arguments: str = ""
    text: str = ""

    def __str__(self) -> str:
        code = f"[{self.code[:TOLD]}] " if self.code else ""
        return f"{self.kind} {code}{self.text[:TOLD]}".strip()


@dataclass(frozen=True, slots=True)
class Continuation:
    """The server waits for more of a command."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Data:
    """Untagged data: `name` in capitals, the number before it or None."""

    name: str
    number: int | None = None
    values: list[Value] = field(default_factory=list)


Response: TypeAlias = Status | Continuation | Data


def parse(pieces: Sequence[Piece]) -> Response:
    """One response. Raises Nonsense."""
    first = pieces[0]
    if not isinstance(first, bytes):
        raise Nonsense("a response begins with a literal")
    if first.startswith(b"+"):
        return Continuation(first[1:].lstrip(b" "))
    tag, space, rest = first.partition(b" ")
    if not tag or not space:
        raise Nonsense(f"no IMAP response: {_shown(first)}")
    if (match := _STATUS.match(rest)) and len(pieces) == 1:
        return _status("" if tag == b"*" else _text(tag), match)
    if tag != b"*":
        raise Nonsense(f"no IMAP response: {_shown(first)}")
    if match := _NUMBERED.match(rest):
        number, name = int(match[1]), match[2]
    elif match := _NAMED.match(rest):
        number, name = None, match[1]
    else:
        raise Nonsense(f"no IMAP response: {_shown(first)}")
    known = name.decode("ascii").upper()
    if known not in _NEEDED:
        return Data(known, number)  # whatever it is, nobody here has asked for it
    return Data(known, number, _Values([rest[match.end() :], *pieces[1:]]).all())


def _status(tag: str, match: re.Match[bytes]) -> Status:
    kind, code, arguments, text = (_text(part or b"") for part in match.groups())
    return Status(tag, kind.upper(), code.upper(), arguments, text)


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def _shown(octets: bytes) -> str:
    return repr(_text(octets[:60]))


class _Values:
    """Reads the values of a response, over the borders of its pieces."""

    def __init__(self, pieces: list[Piece]) -> None:
        self._pieces = pieces
        self._piece = 0
        self._at = 0

    def all(self) -> list[Value]:
        """To the end."""
        found: list[Value] = []
        stack: list[list[Value]] = []
        while True:
            piece = self._next()
            if piece is None:
                break
            if isinstance(piece, Large):
                found.append(piece)
            elif isinstance(piece, Literal):
                found.append(Text(piece.octets))
            elif piece == b"(":
                if len(stack) >= MAX_DEPTH:
                    raise Nonsense("lists too deep in a response")
                stack.append(found)
                found = []
            elif piece == b")":
                if not stack:
                    raise Nonsense("a list ends that has not begun")
                inner, found = found, stack.pop()
                found.append(inner)
            elif piece.startswith(b'"'):
                found.append(Text(_ESCAPE.sub(rb"\1", piece[1:-1])))
            else:
                found.append(None if piece.upper() == b"NIL" else piece)
        if stack:
            raise Nonsense("a list does not end in a response")
        return found

    def _next(self) -> Piece | None:
        """The next parenthesis, string or atom; None at the end."""
        while self._piece < len(self._pieces):
            piece = self._pieces[self._piece]
            if not isinstance(piece, bytes):
                self._piece, self._at = self._piece + 1, 0
                return piece
            while self._at < len(piece) and piece[self._at] == 0x20:
                self._at += 1
            if self._at == len(piece):
                self._piece, self._at = self._piece + 1, 0
                continue
            return self._token(piece)
        return None

    def _token(self, piece: bytes) -> bytes:
        one = piece[self._at : self._at + 1]
        if one in (b"(", b")"):
            self._at += 1
            return one
        match = (_QUOTED if one == b'"' else _ATOM).match(piece, self._at)
        if match is None:
            raise Nonsense(f"no value in a response: {_shown(piece[self._at :])}")
        self._at = match.end()
        return match[0]


# -- values of certain responses -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fetched:
    """What FETCH tells of a message; what it does not tell is None.

    date  seconds since the epoch
    zone  in which the date is told, minutes east of UTC
    size  octets
    body  its octets, or `Large`: they have been given out
    """

    uid: int | None = None
    flags: tuple[str, ...] | None = None
    date: float | None = None
    body: bytes | Large | None = None
    size: int | None = None
    zone: int = 0


def fetched(data: Data) -> Fetched:
    """A FETCH response. Raises Nonsense."""
    if len(data.values) != 1 or not isinstance(items := data.values[0], list) or len(items) % 2:
        raise Nonsense("a FETCH response without a list of pairs")
    uid: int | None = None
    flags: tuple[str, ...] | None = None
    date: float | None = None
    zone = 0
    body: bytes | Large | None = None
    size: int | None = None
    for name, value in zip(items[::2], items[1::2], strict=True):
        match name.upper() if isinstance(name, bytes) else name:
            case b"UID":
                uid = number(value)
            case b"RFC822.SIZE":
                size = number(value, MAX_SIZE)
            case b"FLAGS" if isinstance(value, list):
                flags = tuple(words(value))
            case b"INTERNALDATE" if isinstance(value, Text):
                date, zone = internal_date(value.octets) or (None, 0)
            case b"BODY[]" | b"RFC822":
                body = (
                    value.octets
                    if isinstance(value, Text)
                    else value
                    if isinstance(value, Large)
                    else None
                )
    return Fetched(uid, flags, date, body, size, zone)


def number(value: Value, most: int = MAX_NUMBER) -> int:
    """A number of 32 bits, or up to `most`. Raises Nonsense."""
    if isinstance(value, bytes) and value.isdigit() and len(value) <= 19:
        found = int(value)
        if found <= most:
            return found
    raise Nonsense("no number in a response")


def words(values: Sequence[Value]) -> list[str]:
    """Atoms and strings as texts; others are passed over."""
    found = []
    for value in values:
        if isinstance(value, bytes):
            found.append(_text(value))
        elif isinstance(value, Text):
            found.append(_text(value.octets))
    return found


def internal_date(octets: bytes) -> tuple[float, int] | None:
    """Seconds since the epoch and the zone, in minutes east of UTC; or None."""
    match = _DATE.match(octets)
    if match is None or match[2].lower() not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(match[place]) for place in (1, 3, 4, 5, 6))
    zone = (int(match[8]) * 60 + int(match[9])) * (-1 if match[7] == b"-" else 1)
    if not 1 <= day <= 31 or not 1970 <= year <= 9999:
        return None
    local = calendar.timegm((year, _MONTHS[match[2].lower()], day, hour, minute, second))
    return float(local - 60 * zone), zone


@dataclass(frozen=True, slots=True)
class Listed:
    """One name of LIST or LSUB. `name` as it came, for commands."""

    name: bytes
    delimiter: str | None
    attributes: frozenset[str]


def listed(data: Data) -> Listed:
    """A LIST or LSUB response. Raises Nonsense."""
    if len(data.values) < 3 or not isinstance(data.values[0], list):
        raise Nonsense(f"a {data.name} response without a name")
    delimiter, name = data.values[1], data.values[2]
    octets = name.octets if isinstance(name, Text) else name
    if not isinstance(octets, bytes):
        if name is not None:
            raise Nonsense(f"a {data.name} response without a name")
        octets = b"NIL"  # a mailbox may be called that
    text = _text(delimiter.octets) if isinstance(delimiter, Text) else None
    attributes = frozenset(word.lower() for word in words(data.values[0]))
    return Listed(octets, text, attributes)


def status(data: Data) -> tuple[bytes, int]:
    """A STATUS response: the mailbox's name, and MESSAGES, 0 where it is not told.

    Raises Nonsense.
    """
    if len(data.values) < 2:
        raise Nonsense("a STATUS response without a name")
    name, items = data.values[0], data.values[-1]
    octets = name.octets if isinstance(name, Text) else name
    if not isinstance(octets, bytes) or not isinstance(items, list):
        raise Nonsense("a STATUS response without a name")
    for word, value in zip(items[::2], items[1::2], strict=False):
        if isinstance(word, bytes) and word.upper() == b"MESSAGES":
            return octets, number(value)
    return octets, 0


def namespaces(data: Data) -> tuple[list[bytes], list[bytes]]:
    """Prefixes of the personal namespace, and of others (RFC 2342)."""
    found: list[list[bytes]] = []
    for group in data.values[:3]:
        rows = group if isinstance(group, list) else []
        found.append(
            [
                row[0].octets
                for row in rows
                if isinstance(row, list) and row and isinstance(row[0], Text)
            ]
        )
    found += [[]] * (3 - len(found))
    return found[0], found[1] + found[2]
