"""Pure. Values that several commands share: sequence sets, dates, flags (RFC 9051 §9)."""

from __future__ import annotations

import re
from datetime import date

from mailsuite.imapd.syntax.cursor import MAX_NUMBER, MAX_NUMBER64, Cursor, show
from mailsuite.imapd.syntax.model import STAR, SequenceSet

_SET = re.compile(rb"[0-9*:,]++")
_NAMES = b"JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}
_DATE = re.compile(rb'("?)([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})\1(?=[ )]|\Z)')
_DATE_TIME = re.compile(
    rb'"( [0-9]|[0-9]{2})-([A-Za-z]{3})-([0-9]{4}) '
    rb'([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"'
)
_EPOCH = date(1970, 1, 1).toordinal()

SYSTEM_FLAGS = (r"\Answered", r"\Flagged", r"\Deleted", r"\Seen", r"\Draft", r"\Recent")
_CANONICAL = {flag.lower(): flag for flag in SYSTEM_FLAGS}


def sequence_set(cursor: Cursor) -> SequenceSet:
    """`sequence-set`, or `$` (RFC 5182 §2.1)."""
    if cursor.skip(b"$"):
        return SequenceSet((), saved=True)
    found = cursor.match(_SET)
    if found is None:
        raise cursor.unexpected("a sequence set")
    ranges = []
    for part in found[0].split(b","):
        low, colon, high = part.partition(b":")
        first = _seq_number(cursor, low)
        last = _seq_number(cursor, high) if colon else first
        ranges.append((first, last) if first <= last else (last, first))
    return SequenceSet(tuple(ranges))


def _seq_number(cursor: Cursor, octets: bytes) -> int:
    if octets == b"*":
        return STAR
    if octets.isdigit() and len(octets) <= 10 and not octets.startswith(b"0"):
        value = int(octets)
        if value <= MAX_NUMBER:
            return value
    raise cursor.problem(f"malformed sequence set, no valid number: {show(octets)}")


def mod_sequence(cursor: Cursor) -> int:
    """`mod-sequence-valzer` (RFC 7162 §7). 0 also where only `mod-sequence-value` may stand:

    clients that know nothing yet say CHANGEDSINCE 0, and it can mean nothing else.
    """
    return cursor.number("a mod-sequence", high=MAX_NUMBER64)


def partial_range(cursor: Cursor) -> tuple[int, int]:
    """SP and `partial-range`: both ends count from the first result, or (-) from the last.

    RFC 9394 §4; 4:2 is the same as 2:4, -100:-1 as -1:-100, but answered as it was requested.
    """
    cursor.sp()
    sign = -1 if cursor.skip(b"-") else 1
    first = cursor.number("a result's number", low=1)
    cursor.expect(b":-" if sign < 0 else b":")
    last = cursor.number("a result's number", low=1)
    return sign * first, sign * last


def date_(cursor: Cursor) -> date:
    """`date`: 1-Feb-1994, with or without quotes."""
    found = cursor.match(_DATE)
    if found is None:
        raise cursor.unexpected("a date like 1-Feb-1994")
    return _calendar(cursor, found[2], found[3], found[4])


def date_time(cursor: Cursor) -> tuple[float, int]:
    """`date-time`: " 7-Feb-1994 21:52:25 -0800" in quotes: (seconds since the epoch, its zone).

    The zone in minutes east of UTC.
    """
    found = cursor.match(_DATE_TIME)
    if found is None:
        raise cursor.unexpected('a date-time like "17-Jul-1996 02:44:25 -0700"')
    day = _calendar(cursor, found[1], found[2], found[3])
    hour, minute, second = int(found[4]), int(found[5]), int(found[6])
    zone_hour, zone_minute = int(found[8]), int(found[9])
    # 60 is a leap second.
    if hour > 23 or minute > 59 or second > 60 or zone_hour > 23 or zone_minute > 59:
        raise cursor.problem(f"no such time: {show(found[0])}")
    zone = (zone_hour * 60 + zone_minute) * (-1 if found[7] == b"-" else 1)
    days = day.toordinal() - _EPOCH
    return float(days * 86400 + hour * 3600 + (minute - zone) * 60 + second), zone


def _calendar(cursor: Cursor, day: bytes, month: bytes, year: bytes) -> date:
    try:
        return date(int(year), _MONTHS[month.upper()], int(day))
    except (KeyError, ValueError) as error:
        raise cursor.problem(f"no such date: {show(day + b'-' + month + b'-' + year)}") from error


def flag(cursor: Cursor) -> str:
    r"""`flag`, or \Recent; the system flags in their canonical case, keywords as written."""
    if not cursor.skip(b"\\"):
        return cursor.atom("a flag")
    written = "\\" + cursor.atom("a flag")
    return _CANONICAL.get(written.lower(), written)


def flag_list(cursor: Cursor) -> tuple[str, ...]:
    """`flag-list`: flags in parentheses, none perhaps."""
    cursor.expect(b"(")
    flags: list[str] = []
    while not cursor.skip(b")"):
        if flags:
            cursor.sp()
        flags.append(flag(cursor))
    return tuple(flags)
