"""Modified UTF-7 and LIST wildcards."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.imapd.syntax.mailbox_pattern import MailboxPattern, join_reference
from mailsuite.message import mutf7

KNOWN = [
    ("INBOX", b"INBOX"),
    ("", b""),
    ("R&D", b"R&-D"),
    ("&-", b"&--"),
    ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),  # RFC 3501 §5.1.3
    ("Entwürfe", b"Entw&APw-rfe"),
    ("☺!", b"&Jjo-!"),
    ("Отправленные", b"&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-"),
    ("\U0001f4e7", b"&2D3c5w-"),
    ("a\tb", b"a&AAk-b"),
    ("ä&ö", b"&AOQ-&-&APY-"),
]


@pytest.mark.parametrize(("name", "octets"), KNOWN)
def test_known_names(name: str, octets: bytes) -> None:
    assert mutf7.encode(name) == octets
    assert mutf7.decode(octets) == name


@pytest.mark.parametrize(
    "octets",
    [
        b"&",
        b"a&b",
        b"&Jjo!",  # RFC 3501 §5.1.3: no shift back
        b"&U,BTFw-&ZeVnLIqe-",  # superfluous shift
        b"&AGE-",  # a printable character in base64
        b"&Jj-",  # half a character
        b"&JjoA-",
        b"&Jjp-",  # set bits in the padding
        b"&2D0-",  # half a surrogate pair
        b"&3OfYPQ-",
        b"&J,/o-",
        b"\xc3\xa4",
        b"\xff",
    ],
)
def test_what_is_not_modified_utf7(octets: bytes) -> None:
    with pytest.raises(ValueError):
        mutf7.decode(octets)
    assert mutf7.decode_tolerant(octets) == octets.decode(
        "latin-1" if octets == b"\xff" else "utf-8"
    )


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_round_trip(name: str) -> None:
    octets = mutf7.encode(name)
    assert all(0x20 <= octet < 0x7F for octet in octets)
    assert mutf7.decode(octets) == name
    assert mutf7.decode_tolerant(octets) == name


@given(st.binary() | st.text(alphabet="&-,/+AQJjo3Y").map(str.encode))
def test_any_octets(octets: bytes) -> None:
    name = mutf7.decode_tolerant(octets)
    try:
        assert mutf7.encode(mutf7.decode(octets)) == octets
    except ValueError:
        assert name in (octets.decode("utf-8", "replace"), octets.decode("latin-1"))


MATCHES = [
    ("*", "INBOX", True),
    ("*", "a/b/c", True),
    ("%", "a", True),
    ("%", "a/b", False),
    ("%/%", "a/b", True),
    ("%/%", "a", False),
    ("%/%", "a/b/c", False),
    ("a/%", "a/b", True),
    ("a/%", "a", False),
    ("a/*", "a/b/c", True),
    ("a*", "a/b", True),
    ("a*c", "a/b/c", True),
    ("a%c", "a/b/c", False),
    ("a%c", "abc", True),
    ("a%c", "ac", True),
    ("*%", "a/b", True),
    ("%*", "a/b", True),
    ("%*%", "a/b", True),
    ("*b%d*", "a/bxd/c", True),
    ("*b%d*", "a/b/d/c", False),
    ("*/b%", "a/x/bc", True),
    ("", "", True),
    ("", "a", False),
    ("*", "", True),
    ("inbox", "INBOX", True),
    ("InB*", "INBOX", True),
    ("inbox/%", "INBOX/a", True),
    ("inbox/A", "INBOX/a", False),
    ("%box", "INBOX", True),
    ("ınbox", "INBOX", False),
    ("inboxes", "INBOXES", False),
    ("work", "Work", False),
    ("日%", "日本語", True),
    ("a.c", "abc", False),
    ("[a]", "a", False),
]


@pytest.mark.parametrize(("pattern", "name", "expected"), MATCHES)
def test_patterns(pattern: str, name: str, expected: bool) -> None:
    assert MailboxPattern(pattern).matches(name) is expected


@given(st.text(alphabet="ab/*%", max_size=10), st.text(alphabet="ab/", max_size=10))
def test_patterns_as_a_regular_expression_has_them(pattern: str, name: str) -> None:
    spelled = "".join({"*": ".*", "%": "[^/]*"}.get(c, re.escape(c)) for c in pattern)
    expected = re.fullmatch(spelled, name) is not None
    assert MailboxPattern(pattern).matches(name) is expected


@pytest.mark.parametrize("piece", ["*a", "%a", "*%a", "a*%*", "*a%"])
def test_no_pattern_takes_more_than_a_step_for_a_character(piece: str) -> None:
    pattern = MailboxPattern(piece * 5000 + "b")
    for length in (10, 1000, 4999, 5000):
        before = pattern.steps
        assert not pattern.matches("a" * length)
        assert pattern.steps - before <= length
    pattern = MailboxPattern(piece * 30 + "b")
    before = pattern.steps
    assert not pattern.matches("a/" * 2000)
    assert pattern.steps - before <= 4000


def test_a_pattern_longer_than_the_name_costs_nothing() -> None:
    pattern = MailboxPattern("*a" * 30000)
    assert not pattern.matches("a" * 200)
    assert pattern.steps == 0


def test_join_reference() -> None:
    assert join_reference("a/", "%") == "a/%"
    assert join_reference("", "INBOX") == "INBOX"
