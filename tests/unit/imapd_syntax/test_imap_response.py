"""Rendering of responses."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.cursor import Cursor
from mailsuite.imapd.syntax.events import Chunk, Literal
from mailsuite.imapd.syntax.model import FetchItem, Section
from mailsuite.imapd.syntax.parse_values import date_time, sequence_set

STRINGS = [
    (b"", b'""'),
    (b"abc", b'"abc"'),
    (b'a"b\\c', b'"a\\"b\\\\c"'),
    (b"a\tb\x01", b'"a\tb\x01"'),
    (b"a\r\nb", b"{4}\r\na\r\nb"),
    (b"a\rb", b"{3}\r\na\rb"),
    (b"a\nb", b"{3}\r\na\nb"),
    (b"\0", b"{1}\r\n\0"),
    (b"\xc3\xa4", b"{2}\r\n\xc3\xa4"),
    (b"\xe4", b"{1}\r\n\xe4"),
]


@pytest.mark.parametrize(("value", "octets"), STRINGS)
def test_string(value: bytes, octets: bytes) -> None:
    assert response.string(value) == octets
    assert response.nstring(value) == octets


def test_string_with_utf8_enabled() -> None:
    assert response.string('ä"'.encode(), utf8=True) == 'ä\\"'.encode().join([b'"', b'"'])
    assert response.string(b"\xe4", utf8=True) == b"{1}\r\n\xe4"


def test_nil() -> None:
    assert response.nstring(None) == b"NIL"


@given(st.binary())
def test_strings_are_read_back(value: bytes) -> None:
    octets = response.string(value)
    chunks: list[Chunk] = [octets]
    if octets.startswith(b"{"):
        head, _, data = octets.partition(b"\r\n")
        assert int(head[1:-1]) == len(data)
        chunks = [b"", Literal(data), b""]
    cursor = Cursor(chunks)
    assert cursor.string() == value
    cursor.end()


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        (b"abc]", b"abc]"),
        (b"", b'""'),
        (b"NIL", b'"NIL"'),
        (b"nil", b'"nil"'),
        (b"nils", b"nils"),
        (b"a b", b'"a b"'),
        (b"a*", b'"a*"'),
        (b"a%", b'"a%"'),
        (b"a(b", b'"a(b"'),
        (b"a{b", b'"a{b"'),
        (b"a\n", b"{2}\r\na\n"),
        (b"\x7f", b'"\x7f"'),
    ],
)
def test_astring(value: bytes, octets: bytes) -> None:
    assert response.astring(value) == octets


def test_literals() -> None:
    assert response.literal(b"ab") == b"{2}\r\nab"
    assert response.literal(b"\0", binary=True) == b"~{1}\r\n\0"
    assert response.literal_head(7) == b"{7}\r\n"


def test_text() -> None:
    assert response.text("no\r\n* BYE\0ä") == b"no * BYE ?"


def test_mailbox() -> None:
    assert response.mailbox("INBOX") == b"INBOX"
    assert response.mailbox("Entwürfe") == b"Entw&APw-rfe"
    assert response.mailbox("Entwürfe", utf8=True) == '"Entwürfe"'.encode()
    assert response.mailbox("R&D", utf8=True) == b"R&D"
    assert response.mailbox("R&D x") == b'"R&-D x"'


def test_flag_list() -> None:
    assert response.flag_list(frozenset()) == b"()"
    flags = frozenset({"zeta", r"\Seen", "$Forwarded", r"\Recent", r"\Answered", "alpha"})
    assert response.flag_list(flags) == rb"(\Answered \Seen \Recent $Forwarded alpha zeta)"


@pytest.mark.parametrize(
    ("epoch", "octets"),
    [
        (0, b'" 1-Jan-1970 00:00:00 +0000"'),
        (837596605.9, b'"17-Jul-1996 09:43:25 +0000"'),
        (-1, b'"31-Dec-1969 23:59:59 +0000"'),
        (-0.5, b'"31-Dec-1969 23:59:59 +0000"'),
        (951782400, b'"29-Feb-2000 00:00:00 +0000"'),
        (1e15, b'"31-Dec-9999 01:46:40 +0000"'),
    ],
)
def test_internal_date(epoch: float, octets: bytes) -> None:
    assert response.internal_date(epoch) == octets


def test_internal_date_in_a_zone() -> None:
    assert response.internal_date(0, -480) == b'"31-Dec-1969 16:00:00 -0800"'
    assert response.internal_date(86399, 330) == b'" 2-Jan-1970 05:29:59 +0530"'


@given(st.integers(-62135510400, 253402214399), st.integers(-1439, 1439))
def test_internal_date_is_read_back(epoch: int, zone: int) -> None:
    cursor = Cursor([response.internal_date(epoch, zone)])
    assert date_time(cursor) == (epoch, zone)
    cursor.end()


@pytest.mark.parametrize(
    ("numbers", "octets"),
    [
        ([1], b"1"),
        ([1, 2], b"1:2"),
        ([1, 3], b"1,3"),
        ([1, 2, 3, 4, 5, 7, 9, 10, 11, 12], b"1:5,7,9:12"),
        ([4294967294, 4294967295], b"4294967294:4294967295"),
    ],
)
def test_sequence_set(numbers: list[int], octets: bytes) -> None:
    assert response.sequence_set(numbers) == octets
    assert response.sequence_set(array("I", numbers)) == octets


@given(st.sets(st.integers(1, 60), min_size=1) | st.sets(st.integers(1, 4294967295), min_size=1))
def test_sequence_sets_are_read_back(numbers: set[int]) -> None:
    ordered = array("I", sorted(numbers))
    cursor = Cursor([response.sequence_set(ordered)])
    ranges = sequence_set(cursor).ranges
    cursor.end()
    assert [n for low, high in ranges for n in range(low, high + 1)] == ordered.tolist()
    # As short as can be: no two ranges touch.
    assert all(a[1] + 1 < b[0] for a, b in pairwise(ranges))


class Counted(Sequence[int]):
    """The numbers from 1 on; counts how often one is looked at."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.looks = 0

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, key: Any) -> Any:
        self.looks += 1
        return range(1, self.size + 1)[key]


def test_long_runs_cost_little() -> None:
    numbers = Counted(1_000_000)
    assert response.sequence_set(numbers) == b"1:1000000"
    assert numbers.looks < 200


@pytest.mark.parametrize(
    ("item", "octets"),
    [
        (FetchItem("FLAGS"), b"FLAGS"),
        (FetchItem("BODY[", True, Section()), b"BODY[]"),
        (FetchItem("BODY[", True, Section((1, 2), "MIME")), b"BODY[1.2.MIME]"),
        (FetchItem("BODY[", False, Section((), "TEXT"), (5, 10)), b"BODY[TEXT]<5>"),
        (
            FetchItem("BODY[", False, Section((3,), "HEADER.FIELDS.NOT", ("From", "x y"))),
            b'BODY[3.HEADER.FIELDS.NOT (From "x y")]',
        ),
        (FetchItem("BINARY[", False, Section((1,)), (0, 9)), b"BINARY[1]<0>"),
        (FetchItem("BINARY.SIZE[", False, Section((1,))), b"BINARY.SIZE[1]"),
    ],
)
def test_item_name(item: FetchItem, octets: bytes) -> None:
    assert response.item_name(item) == octets
