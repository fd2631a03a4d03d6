"""Responses as servers send them into values, and whatever else may come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.remote import Nonsense
from mailsuite.remote.imap.command import MAX_SET, sets, string
from mailsuite.remote.imap.receiver import Large, Literal, Receiver, Whole
from mailsuite.remote.imap.response import (
    Continuation,
    Data,
    Fetched,
    Listed,
    Status,
    Text,
    fetched,
    internal_date,
    listed,
    namespaces,
    parse,
    status,
)


def one(octets: bytes):
    (event,) = Receiver().feed(octets + b"\r\n")
    assert isinstance(event, Whole)
    return parse(event.pieces)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"* OK [CAPABILITY IMAP4rev1 SASL-IR] Dovecot ready.",
         Status("", "OK", "CAPABILITY", "IMAP4rev1 SASL-IR", "Dovecot ready.")),
        (b"A1 no [AUTHENTICATIONFAILED] Wrong",
         Status("A1", "NO", "AUTHENTICATIONFAILED", "", "Wrong")),
        (b"* BYE", Status("", "BYE")),
        (b"a2 OK", Status("a2", "OK")),
        (b"* OK [UIDNEXT 12]", Status("", "OK", "UIDNEXT", "12")),
        (b"* OK [PERMANENTFLAGS (\\Seen \\*)] Flags",
         Status("", "OK", "PERMANENTFLAGS", "(\\Seen \\*)", "Flags")),
        (b"+ idling", Continuation(b"idling")),
        (b"+", Continuation(b"")),
        (b"* 23 EXISTS", Data("EXISTS", 23)),
        (b"* CAPABILITY IMAP4rev1 AUTH=PLAIN",
         Data("CAPABILITY", None, [b"IMAP4rev1", b"AUTH=PLAIN"])),
        (b"* XYZ ((unheard \"of", Data("XYZ")),
    ],
)  # fmt: skip
def test_responses(octets, expected):
    assert one(octets) == expected


def test_fetch():
    data = one(
        b'* 5 FETCH (FLAGS (\\Seen $Forwarded) INTERNALDATE " 7-Jul-2019 10:00:00 +0200"'
        b" UID 77 BODY[] {6}\r\nA: b\r\n)"
    )
    flags = ("\\Seen", "$Forwarded")
    assert fetched(data) == Fetched(77, flags, 1562486400.0, b"A: b\r\n", zone=120)
    assert fetched(one(b"* 5 FETCH (UID 7 BODY[] NIL MODSEQ (12))")) == Fetched(7)
    assert fetched(one(b'* 5 FETCH (UID 7 BODY[] "a\\"b")')) == Fetched(7, body=b'a"b')
    pieces = (b"* 5 FETCH (UID 7 BODY[] ", Large(200_000), b")")
    assert fetched(parse(pieces)) == Fetched(7, body=Large(200_000))


@pytest.mark.parametrize("octets", [b"* 1 FETCH", b"* 1 FETCH (UID)", b"* 1 FETCH (UID x)"])
def test_fetch_that_is_none(octets):
    with pytest.raises(Nonsense):
        fetched(one(octets))


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b'* LIST (\\HasNoChildren \\Sent) "/" "Sent Items"',
         Listed(b"Sent Items", "/", frozenset({"\\hasnochildren", "\\sent"}))),
        (b"* LIST () NIL INBOX", Listed(b"INBOX", None, frozenset())),
        (b'* LSUB () "." {5}\r\na"b.c', Listed(b'a"b.c', ".", frozenset())),
        (b'* LIST () "/" nil', Listed(b"NIL", "/", frozenset())),
        (b'* LIST () "\\\\" Gr&APw-n', Listed(b"Gr&APw-n", "\\", frozenset())),
    ],
)  # fmt: skip
def test_list(octets, expected):
    assert listed(one(octets)) == expected


def test_namespace_and_status():
    data = one(b'* NAMESPACE (("INBOX." ".")) NIL (("shared." ".")("#news." "."))')
    assert namespaces(data) == ([b"INBOX."], [b"shared.", b"#news."])
    assert status(one(b'* STATUS "a b" (MESSAGES 12 UIDNEXT 3)')) == (b"a b", 12)


def test_dates():
    assert internal_date(b"01-Jan-1970 00:00:00 -0100") == (3600.0, -60)
    assert internal_date(b"32-Jan-1970 00:00:00 +0000") is None
    assert internal_date(b"yesterday") is None


ATOM = st.text("abcXYZ0189.+\\[]$", min_size=1, max_size=6).filter(lambda text: text != "NIL")
LEAF = (
    ATOM.map(str.encode)
    | st.none()
    | st.binary(max_size=20).map(Text)
    | st.integers(0, 1 << 32).map(lambda number: b"%d" % number)
)
VALUES = st.lists(st.recursive(LEAF, lambda inner: st.lists(inner, max_size=4), max_leaves=12))


def written(value: object) -> bytes:
    match value:
        case None:
            return b"NIL"
        case bytes():
            return value
        case Text(octets):
            return string(octets) or b"{%d}\r\n%s" % (len(octets), octets)
        case list():
            return b"(" + b" ".join(map(written, value)) + b")"
    raise TypeError(value)


@given(VALUES)
def test_values_there_and_back(values):
    data = one(b" ".join([b"* 12 FETCH", *map(written, values)]))
    assert data == Data("FETCH", 12, values)


PIECE = st.binary(max_size=40) | st.sampled_from(
    [b"* 1 FETCH (", b"* LIST ", b"* OK [", b'"', b")"]
)


@given(st.lists(PIECE | PIECE.map(Literal) | st.just(Large(9)), min_size=1, max_size=6))
def test_nothing_else_is_raised(pieces):
    try:
        data = parse(pieces)
        if isinstance(data, Data):
            for read in (fetched, listed, status, namespaces):
                try:
                    read(data)
                except Nonsense:
                    continue
    except Nonsense:
        return


def test_lists_are_bounded():
    with pytest.raises(Nonsense):
        one(b"* LIST " + b"(" * 1000 + b")" * 1000)


@given(st.sets(st.integers(1, 1 << 32)), st.integers(1, 50))
def test_sets(uids, most):
    groups = list(sets(sorted(uids), most))
    assert [uid for group, _ in groups for uid in group] == sorted(uids)
    for group, text in groups:
        read: list[int] = []
        for part in text.split(b","):
            first, _, last = part.partition(b":")
            read += range(int(first), int(last or first) + 1)
        assert read == group
        assert len(group) <= most and len(text) < MAX_SET + 30


def test_what_a_server_says_at_length_is_told_in_short():
    """It goes into logs, lists and notes."""
    status = parse([b"A1 NO [" + b"x" * 100_000 + b"] " + b"y" * 500_000])
    assert len(str(status)) < 1100
