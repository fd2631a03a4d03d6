"""Pure. Values into the octets of responses (RFC 9051 §7, §9)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import lru_cache

from mailsuite.base import ranges
from mailsuite.imapd.syntax.model import FetchItem
from mailsuite.imapd.syntax.parse_values import SYSTEM_FLAGS
from mailsuite.message import mutf7

_PLAIN = re.compile(rb"[^\x00\r\n\"\\\x80-\xff]*+\Z")
_NOT_QUOTED = re.compile(rb"[\x00\r\n]")
_ASTRING = re.compile(rb"(?!NIL\Z)[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]++\Z", re.IGNORECASE)
_UNSAFE_TEXT = re.compile(r"[\x00-\x1f\x7f]+")
_EPOCH = date(1970, 1, 1).toordinal()
_MINUTES = [b"%02d:%02d" % divmod(minute, 60) for minute in range(24 * 60)]
_SECONDS = [b":%02d " % second for second in range(60)]
_MONTHS = b" Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(b" ")
_SYSTEM_RANK = {flag: rank for rank, flag in enumerate(SYSTEM_FLAGS)}


# -- strings -------------------------------------------------------------------------------------


def string(value: bytes, *, utf8: bool = False) -> bytes:
    """`string`: quoted where possible, else literal.

    8-bit octets make it a literal, unless the session has enabled UTF-8 (`utf8`) and they are that.
    """
    if _PLAIN.match(value):
        return b'"%b"' % value
    if _NOT_QUOTED.search(value) or not (value.isascii() or (utf8 and _is_utf8(value))):
        return literal(value)
    return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def nstring(value: bytes | None, *, utf8: bool = False) -> bytes:
    """`nstring`: NIL for None."""
    return b"NIL" if value is None else string(value, utf8=utf8)


def astring(value: bytes, *, utf8: bool = False) -> bytes:
    """`astring`: as it is where its characters allow, else a string."""
    return value if _ASTRING.match(value) else string(value, utf8=utf8)


def literal(value: bytes, *, binary: bool = False) -> bytes:
    """`literal` or `literal8`: `{n}` CRLF octets."""
    return literal_head(len(value), binary=binary) + value


def literal_head(size: int, *, binary: bool = False) -> bytes:
    """`{n}` CRLF, for octets that follow on their own."""
    return b"~{%d}\r\n" % size if binary else b"{%d}\r\n" % size


@lru_cache(maxsize=256)
def text(value: str) -> bytes:
    """A `text` safe for a response line: control characters become spaces, non-ASCII ones "?".

    RFC 3501 §9 has 7-bit characters only; UTF-8 may come after ENABLE IMAP4rev2 (RFC 9051 §9).
    """
    return _UNSAFE_TEXT.sub(" ", value).encode("ascii", "replace")


def mailbox(name: str, *, utf8: bool = False) -> bytes:
    """A mailbox name: modified UTF-7, or UTF-8 when the session has enabled it."""
    if utf8:
        return astring(name.encode("utf-8", "replace"), utf8=True)
    return astring(mutf7.encode(name))


# -- flags, dates, numbers -----------------------------------------------------------------------


def flag_list(flags: Iterable[str]) -> bytes:
    r"""(\Seen $Forwarded): system flags first, in the RFC's order, then the others, sorted."""
    last = len(_SYSTEM_RANK)
    ordered = sorted(flags, key=lambda flag: (_SYSTEM_RANK.get(flag, last), flag))
    return b"(%b)" % " ".join(ordered).encode("utf-8")


def internal_date(epoch: float, zone: int = 0) -> bytes:
    """`date-time` in quotes: "23-Nov-2026 09:00:00 +0000". Years 1 to 9999, nearest otherwise.

    zone  minutes east of UTC
    """
    # As many as a mailbox has messages: pieces that are there already, put together.
    days, seconds = divmod(int(epoch // 1) + 60 * zone, 86400)
    value = _day(days) + _MINUTES[seconds // 60] + _SECONDS[seconds % 60]
    return value + _zone(zone) if zone else value + b'+0000"'


def _zone(minutes: int) -> bytes:
    return b'%c%02d%02d"' % (b"-" if minutes < 0 else b"+", *divmod(abs(minutes), 60))


@lru_cache(maxsize=4096)
def _day(days: int) -> bytes:
    day = date.fromordinal(min(max(days + _EPOCH, 1), date.max.toordinal()))
    return b'"%2d-%b-%04d ' % (day.day, _MONTHS[day.month], day.year)


def sequence_set(numbers: Sequence[int]) -> bytes:
    """Ascending numbers, none twice, as 1:5,7,9:12. `numbers` must not be empty."""
    return b",".join(runs(numbers))


def runs(numbers: Sequence[int]) -> Iterator[bytes]:
    """The pieces of a sequence set."""
    return spans(ranges.runs(numbers))


def spans(pieces: Iterable[range]) -> Iterator[bytes]:
    """The same of ranges."""
    for piece in pieces:
        last = piece.stop - 1
        yield b"%d" % last if piece.start == last else b"%d:%d" % (piece.start, last)


def runs_in_order(numbers: Iterable[int]) -> Iterator[bytes]:
    """The pieces of a sequence set that keeps an order: only what ascends is a range (RFC 5267).

    §3.2: a range from a greater to a smaller number would be read as ascending.
    """
    first = last = 0
    for number in numbers:
        if first and number == last + 1:
            last = number
            continue
        if first:
            yield _run(first, last)
        first = last = number
    if first:
        yield _run(first, last)


def _run(first: int, last: int) -> bytes:
    return b"%d" % first if first == last else b"%d:%d" % (first, last)


# -- FETCH ---------------------------------------------------------------------------------------


def item_name(item: FetchItem) -> bytes:
    """The name of a FETCH item as its answer repeats it: BODY[1.HEADER.FIELDS (FROM)]<0>.

    Without .PEEK, and with the first octet of a partial only (RFC 9051 §7.5.2).
    """
    section = item.section
    if section is None:
        return item.name.encode("ascii")
    spec = ".".join(map(str, section.part)).encode("ascii")
    if section.text:
        spec += (b"." if spec else b"") + section.text.encode("ascii")
    if section.text.startswith("HEADER.FIELDS"):
        names = (astring(name.encode("latin-1", "replace")) for name in section.fields)
        spec += b" (%b)" % b" ".join(names)
    origin = b"<%d>" % item.partial[0] if item.partial is not None else b""
    return b"%b%b]%b" % (item.name.encode("ascii"), spec, origin)
