"""Dates: lenient in, strict out."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import format_date, parse_date
from mailsuite.message.date import is_date


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Fri, 21 Nov 1997 09:55:06 -0600", "1997-11-21T09:55:06-06:00"),
        (b" Tue, 1 Jul 2003 10:52:37 +0200 \r\n", "2003-07-01T10:52:37+02:00"),
        (b"Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n"
         b"               -0330 (Newfoundland Time)", "1969-02-13T23:32:00-03:30"),
        (b"Fri, 21 Nov 97 09(comment):   55  :  06 -0600", "1997-11-21T09:55:06-06:00"),
        (b"21 Nov 97 09:55:06 GMT", "1997-11-21T09:55:06+00:00"),
        (b"21 Nov 2097 9:5", "2097-11-21T09:05:00+00:00"),
        (b"1 Jan 49 00:00 UT", "2049-01-01T00:00:00+00:00"),
        (b"1 Jan 50 00:00 UT", "1950-01-01T00:00:00+00:00"),
        (b"1 Jan 101 00:00 UT", "2001-01-01T00:00:00+00:00"),
        (b"1 Jan 2001 00:00:60 UT", "2001-01-01T00:00:59+00:00"),
        (b"1 Jan 2001 12:00:00 EST", "2001-01-01T12:00:00-05:00"),
        (b"1 Jan 2001 12:00:00 PDT", "2001-01-01T12:00:00-07:00"),
        (b"1 Jan 2001 12:00:00 Q", "2001-01-01T12:00:00+00:00"),
        (b"1 Jan 2001 12:00:00 -0000", "2001-01-01T12:00:00+00:00"),
        (b"1 Jan 2001 12:00:00 +9999", "2001-01-01T12:00:00+00:00"),
        (b"1 Jan 2001 12:00:00 nonsense zone", "2001-01-01T12:00:00+00:00"),
        (b"1 Jan 2001 12:00:00.123 +0100", "2001-01-01T12:00:00+01:00"),
        (b"1 January 2001 12:00:00 +01:00", "2001-01-01T12:00:00+01:00"),
        (b"Mon, 1 Jan 2001 12:00:00 GMT+0100 (CET)", "2001-01-01T12:00:00+01:00"),
        (b"Monday, 01-Jan-01 12:00:00 +0100", "2001-01-01T12:00:00+01:00"),
        (b"Mon,1 Jan 2001 12.00.00 +0100", "2001-01-01T12:00:00+01:00"),
        (b"Mon Jan  1 12:00:00 2001", "2001-01-01T12:00:00+00:00"),
        (b"Mon Jan  1 12:00:00 EST 2001", "2001-01-01T12:00:00-05:00"),
        (b"Mon Jan  1 12:00:00 2001 +0100", "2001-01-01T12:00:00+01:00"),
        (b"Mon, 1 Jan 2001 01:00:00 PM", "2001-01-01T13:00:00+00:00"),
        (b"Mon, 1 Jan 2001 12:30 am", "2001-01-01T00:30:00+00:00"),
        (b"1 Jan 2001", "2001-01-01T00:00:00+00:00"),
        (b"2001-01-01T12:00:00Z", "2001-01-01T12:00:00+00:00"),
        (b"2001-01-01 12:00:00 +0100", "2001-01-01T12:00:00+01:00"),
        (b"", None),
        (b"now", None),
        (b"Mon, 32 Jan 2001 12:00:00 +0100", None),
        (b"Mon, 30 Feb 2001 12:00:00 +0100", None),
        (b"Mon, 1 Foo 2001 12:00:00 +0100", None),
        (b"Mon, 1 Jan 0000 12:00:00 +0100", None),
        (b"Mon, 1 Jan 9999 12:00:00 +0100", None),
        (b"Mon, 1 Jan 2001 25:00:00 +0100", None),
        (b"\xff\xfe", None),
    ],
)  # fmt: skip
def test_parse_date(value: bytes, expected: str | None) -> None:
    found = parse_date(value)
    assert (found.isoformat() if found else None) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Mon, 1 Jan 2001 25:00:00 +0100", "2001-01-01T00:00:00+01:00"),
        (b"Mon, 1 Jan 2001 12:61 pm", "2001-01-01T00:00:00+00:00"),
        (b"Mon, 1 Jan 2001 11:00:00 +0100", "2001-01-01T11:00:00+01:00"),
        (b"Mon, 32 Jan 2001 25:00:00 +0100", None),
    ],
)
def test_a_time_that_there_is_not(value: bytes, expected: str | None) -> None:
    """RFC 5256 §2.2."""
    found = parse_date(value, any_time=True)
    assert (found.isoformat() if found else None) == expected


def test_format_date() -> None:
    assert format_date(1795424400.9) == b"Mon, 23 Nov 2026 09:00:00 +0000"
    assert format_date(0) == b"Thu, 01 Jan 1970 00:00:00 +0000"


@given(st.integers(0, 4_000_000_000))
def test_what_is_written_is_read(epoch: int) -> None:
    text = format_date(epoch)
    found = parse_date(text)
    assert found is not None
    assert found == datetime.fromtimestamp(epoch, UTC)
    assert parsedate_to_datetime(text.decode()) == found


pieces = st.one_of(
    st.integers(0, 99).map(str),
    st.sampled_from(["Jan", "Mon", "EST", "Z", "T", "am", "2001", "1999", "0600", " "]),
    st.sampled_from("+-:,.()"),
)


@given(st.lists(pieces, max_size=25).map("".join))
def test_any_date_is_usable(text: str) -> None:
    """Never raises, and what it gives can be compared and turned into a timestamp."""
    found = parse_date(text.encode())
    if found is not None:
        assert found.tzinfo is not None
        assert isinstance(found.timestamp(), float)
        assert found.astimezone(UTC) == found


CFWS = st.sampled_from(["", "", " ", "\t", "\r\n ", "(c)", " (a(b\\))c)\r\n "])
SPACE = st.sampled_from([" ", "  ", "\t", "\r\n "])
ZONES = {
    "UT": 0, "GMT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8,
    "PDT": -7, "A": 0, "m": 0, "Z": 0, "XYZ": 0,
}  # fmt: skip


@st.composite
def date_times(draw: st.DrawFn) -> tuple[str, datetime]:
    """date-time of RFC 5322 §3.3 or with what §4.3 adds, and the moment that it names."""
    moment = draw(st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31)))
    moment = moment.replace(microsecond=0, second=draw(st.integers(0, 59)))
    year = f"{moment:%Y}"
    if 1950 <= moment.year < 2050 and draw(st.booleans()):
        year = year[2:]
    elif 2000 <= moment.year < 2100 and draw(st.booleans()):
        year = f"{moment.year - 1900}"
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(ZONES)))
        hours, minutes, zone = ZONES[name], 0, draw(CFWS) + name
    else:
        hours, minutes = draw(st.integers(-13, 13)), draw(st.integers(0, 59))
        zone = f"{draw(SPACE)}{'-' if hours < 0 else '+'}{abs(hours):02}{minutes:02}"
    offset = timedelta(minutes=abs(hours) * 60 + minutes) * (-1 if hours < 0 else 1)
    between = iter(draw(st.lists(CFWS, min_size=12, max_size=12)))
    tokens = [f"{moment.day}", f"{moment:%b}", year, draw(SPACE), f"{moment:%H}", ":"]
    tokens += [f"{moment:%M}", ":", f"{moment:%S}"]
    if draw(st.booleans()):
        tokens = [f"{moment:%a}", ",", *tokens]
    written = "".join(token + next(between) for token in tokens) + zone + draw(CFWS)
    return draw(CFWS) + written, moment.replace(tzinfo=timezone(offset))


@given(date_times())
def test_what_the_grammar_makes_is_read_as_it_is_meant(made: tuple[str, datetime]) -> None:
    written, meant = made
    assert parse_date(written.encode()) == meant
    assert is_date(written.encode())
