"""SEARCH: keys, charsets, return options, bounds."""

from __future__ import annotations

from datetime import date

import pytest

from mailsuite.imapd.syntax import grammar
from mailsuite.imapd.syntax.events import Literal
from mailsuite.imapd.syntax.grammar import BadCharset, SyntaxProblem
from mailsuite.imapd.syntax.model import (
    STAR,
    SearchAll,
    SearchAnd,
    SearchArguments,
    SearchDate,
    SearchFlag,
    SearchFuzzy,
    SearchHeader,
    SearchKey,
    SearchModseq,
    SearchNot,
    SearchObjectId,
    SearchOr,
    SearchSaved,
    SearchSequence,
    SearchSize,
    SearchText,
    SearchUid,
    SearchWithin,
    SequenceSet,
)
from mailsuite.imapd.syntax.parse_search import CHARSETS, KEYS


def search(*chunks: bytes | Literal) -> SearchArguments:
    first = chunks[0]
    assert isinstance(first, bytes)
    _, _, cursor = grammar.command_head([b"a SEARCH " + first, *chunks[1:]])
    (arguments,) = grammar.parse(grammar.search, cursor)
    assert isinstance(arguments, SearchArguments)
    return arguments


DAY = date(1994, 2, 1)
UNSEEN = SearchFlag(r"\Seen", negate=True)
KEYS_AND_VALUES: list[tuple[bytes, SearchKey]] = [
    (b"ALL", SearchAll()),
    (b"ANSWERED", SearchFlag(r"\Answered")),
    (b"DELETED", SearchFlag(r"\Deleted")),
    (b"DRAFT", SearchFlag(r"\Draft")),
    (b"FLAGGED", SearchFlag(r"\Flagged")),
    (b"seen", SearchFlag(r"\Seen")),
    (b"RECENT", SearchFlag(r"\Recent")),
    (b"UNANSWERED", SearchFlag(r"\Answered", True)),
    (b"UNDELETED", SearchFlag(r"\Deleted", True)),
    (b"UNDRAFT", SearchFlag(r"\Draft", True)),
    (b"UNFLAGGED", SearchFlag(r"\Flagged", True)),
    (b"UNSEEN", UNSEEN),
    (b"OLD", SearchFlag(r"\Recent", True)),
    (b"NEW", SearchAnd((SearchFlag(r"\Recent"), UNSEEN))),
    (b"KEYWORD $Junk", SearchFlag("$Junk")),
    (b"UNKEYWORD $Junk", SearchFlag("$Junk", True)),
    (b"BCC a", SearchHeader("Bcc", "a", addresses=True)),
    (b"CC a", SearchHeader("Cc", "a", addresses=True)),
    (b'FROM "Smith"', SearchHeader("From", "Smith", addresses=True)),
    (b'SUBJECT ""', SearchHeader("Subject", "")),
    (b"TO a]", SearchHeader("To", "a]", addresses=True)),
    (b'SUBJECT "gr\xc3\xbc\xc3\x9fe"', SearchHeader("Subject", "grüße")),
    (b"HEADER Message-ID <1@x>", SearchHeader("Message-ID", "<1@x>")),
    (b'HEADER X-A ""', SearchHeader("X-A", "")),
    (b"BODY x", SearchText("x", body_only=True)),
    ('TEXT "äö"'.encode(), SearchText("äö")),
    (b"BEFORE 1-Feb-1994", SearchDate("before", DAY)),
    (b'ON "01-feb-1994"', SearchDate("on", DAY)),
    (b"SINCE 01-FEB-1994", SearchDate("since", DAY)),
    (b"SENTBEFORE 1-Feb-1994", SearchDate("before", DAY, True)),
    (b"SENTON 1-Feb-1994", SearchDate("on", DAY, True)),
    (b"SENTSINCE 1-Feb-1994", SearchDate("since", DAY, True)),
    (b"SAVEDBEFORE 1-Feb-1994", SearchSaved("before", DAY)),
    (b"SAVEDON 1-Feb-1994", SearchSaved("on", DAY)),
    (b'SAVEDSINCE "1-Feb-1994"', SearchSaved("since", DAY)),
    (b"SAVEDATESUPPORTED", SearchAll()),
    (b"EMAILID Mx_-1", SearchObjectId("EMAILID", "Mx_-1")),
    (b"THREADID Tx", SearchObjectId("THREADID", "Tx")),
    (b"LARGER 0", SearchSize("larger", 0)),
    (b"OLDER 86400", SearchWithin(older=True, seconds=86400)),
    (b"YOUNGER 1", SearchWithin(older=False, seconds=1)),
    (b"SMALLER 9223372036854775807", SearchSize("smaller", 9223372036854775807)),
    (b"MODSEQ 0", SearchModseq(0)),
    (rb'MODSEQ "/flags/\\draft" all 620162338', SearchModseq(620162338)),
    (b"UID 1,5:*", SearchUid(SequenceSet(((1, 1), (5, STAR))))),
    (b"UID $", SearchUid(SequenceSet((), True))),
    (b"$", SearchSequence(SequenceSet((), True))),
    (b"2:4", SearchSequence(SequenceSet(((2, 4),)))),
    (b"*", SearchSequence(SequenceSet(((STAR, STAR),)))),
    (b"NOT SEEN", SearchNot(SearchFlag(r"\Seen"))),
    (b"FUZZY (SEEN ALL)", SearchFuzzy(SearchAnd((SearchFlag(r"\Seen"), SearchAll())))),
    (b"OR SEEN ALL", SearchOr(SearchFlag(r"\Seen"), SearchAll())),
    (b"(SEEN)", SearchFlag(r"\Seen")),
    (b"(SEEN ALL)", SearchAnd((SearchFlag(r"\Seen"), SearchAll()))),
    (b"ALL (UNSEEN) 1", SearchAnd((SearchAll(), UNSEEN, SearchSequence(SequenceSet(((1, 1),)))))),
    (
        b'FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith"',  # RFC 3501 §6.4.4
        SearchAnd(
            (
                SearchFlag(r"\Flagged"),
                SearchDate("since", DAY),
                SearchNot(SearchHeader("From", "Smith", addresses=True)),
            )
        ),
    ),
    (
        b"OR (FROM a UNSEEN) NOT OR TO b CC c",
        SearchOr(
            SearchAnd((SearchHeader("From", "a", addresses=True), UNSEEN)),
            SearchNot(
                SearchOr(
                    SearchHeader("To", "b", addresses=True), SearchHeader("Cc", "c", addresses=True)
                )
            ),
        ),
    ),
]


@pytest.mark.parametrize(("text", "key"), KEYS_AND_VALUES)
def test_keys(text: bytes, key: SearchKey) -> None:
    assert search(text) == SearchArguments(key)


def test_every_key_is_tested() -> None:
    tested = {text.split(b" ")[0].strip(b"()").decode().upper() for text, _ in KEYS_AND_VALUES}
    assert set(KEYS) <= tested


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (b"RETURN () ALL", {"ALL"}),
        (b"RETURN (MIN max) ALL", {"MIN", "MAX"}),
        (b"RETURN (COUNT ALL SAVE) ALL", {"COUNT", "ALL", "SAVE"}),
    ],
)
def test_return_options(text: bytes, options: set[str]) -> None:
    assert search(text) == SearchArguments(SearchAll(), frozenset(options))


@pytest.mark.parametrize(
    ("text", "partial"), [(b"1:100", (1, 100)), (b"9:3", (9, 3)), (b"-5:-1", (-5, -1))]
)
def test_partial(text: bytes, partial: tuple[int, int]) -> None:
    arguments = search(b"RETURN (MIN PARTIAL " + text + b") ALL")
    assert arguments == SearchArguments(SearchAll(), frozenset({"MIN", "PARTIAL"}), None, partial)


def test_relevancy_needs_a_fuzzy_key_anywhere() -> None:
    arguments = search(b"RETURN (RELEVANCY) NOT FUZZY ALL")
    assert arguments.returns == {"RELEVANCY"}
    assert arguments.key == SearchNot(SearchFuzzy(SearchAll()))


def test_charsets() -> None:
    def text(arguments: SearchArguments) -> tuple[str | None, str]:
        assert isinstance(arguments.key, SearchText)
        return arguments.charset, arguments.key.value

    russian = "Привет"
    assert text(search(b"CHARSET KOI8-R TEXT ", Literal(russian.encode("koi8-r")), b"")) == (
        "KOI8-R",
        russian,
    )
    assert text(search(b'CHARSET "utf-8" TEXT ', Literal(russian.encode()), b"")) == (
        "UTF-8",
        russian,
    )
    assert text(search(b"RETURN () CHARSET us-ascii TEXT abc")) == ("US-ASCII", "abc")
    assert text(search(b"CHARSET iso-8859-1 TEXT ", Literal(b"\xe4"), b"")) == ("ISO-8859-1", "ä")
    assert text(search(b"CHARSET Windows-1252 TEXT ", Literal(b"\x80"), b"")) == (
        "WINDOWS-1252",
        "€",
    )
    assert text(search(b"TEXT ", Literal("ä".encode()), b"")) == (None, "ä")


@pytest.mark.parametrize("name", CHARSETS)
def test_charsets_that_are_told_are_known(name: str) -> None:
    assert search(f"CHARSET {name} ALL".encode()).charset == name


@pytest.mark.parametrize(
    "name",
    [b"FOO", b"idna", b"punycode", b"unicode_escape", b"base64", b"rot13", b"zlib", b"undefined",
     b"mbcs", b'"a b"', b'""', b'"\xc3\xa4"', b"../utf-8", b"hex", b"aliases",
     b"raw-unicode-escape"],
)  # fmt: skip
def test_unknown_charsets(name: bytes) -> None:
    with pytest.raises(BadCharset) as caught:
        search(b"CHARSET " + name + b" TEXT x")
    assert "UTF-8" in caught.value.supported


@pytest.mark.parametrize(
    ("chunks", "problem"),
    [
        ([b""], "argument|search key"),
        ([b"FOO"], "unknown key 'FOO'"),
        ([b"SEEN "], "a search key"),
        ([b"(SEEN"], "expected"),
        ([b"SEEN)"], "too many"),
        ([b"()"], "a search key"),
        ([b"NOT"], "expected"),
        ([b"OR SEEN"], "expected"),
        ([b"FROM"], "expected"),
        ([b"KEYWORD \\Seen"], "a keyword"),
        ([b'KEYWORD "x"'], "a keyword"),
        ([b"HEADER x"], "expected"),
        ([b"LARGER x"], "a size"),
        ([b"OLDER 0"], "an interval"),
        ([b"YOUNGER -1"], "an interval"),
        ([b"RETURN (PARTIAL 1:2 ALL) ALL"], "exclude"),
        ([b"RETURN (PARTIAL 1:2 PARTIAL 3:4) ALL"], "twice"),
        ([b"RETURN (PARTIAL 0:2) ALL"], "a result's number"),
        ([b"RETURN (PARTIAL 1:*) ALL"], "a result's number"),
        ([b"RETURN (PARTIAL -1:2) ALL"], "expected"),
        ([b"RETURN (PARTIAL 1:-2) ALL"], "a result's number"),
        ([b"RETURN (PARTIAL 1) ALL"], "expected"),
        ([b"RETURN (PARTIAL) ALL"], "expected"),
        ([b"LARGER 9223372036854775808"], "out of range"),
        ([b"UID x"], "sequence set"),
        ([b"UID 0"], "sequence set"),
        ([b"1:x"], "sequence set"),
        ([b"SINCE 30-Feb-2026"], "no such date"),
        ([b"SINCE 1-Foo-2026"], "no such date"),
        ([b"SINCE 0-Jan-2026"], "no such date"),
        ([b"SINCE 1-Jan-0000"], "no such date"),
        ([b"SINCE 1-Jan-26"], "a date"),
        ([b"SINCE 001-Jan-2026"], "a date"),
        ([b'SINCE "1-Jan-2026'], "a date"),
        ([b"SINCE 1-Jan-20261"], "a date"),
        ([b"SINCE 2026-01-01"], "a date"),
        ([b"RETURN ALL"], "expected"),
        ([b"RETURN (RELEVANCY) ALL"], "RELEVANCY without FUZZY"),
        ([b"RETURN (FOO) ALL"], "unknown return option 'FOO'"),
        ([b"RETURN (ALL)"], "argument"),
        ([b"CHARSET UTF-8"], "argument"),
        ([b"ALL CHARSET UTF-8"], "unknown key"),
        ([b"TEXT ", Literal(b"\xff"), b""], "not UTF-8"),
        ([b"CHARSET US-ASCII TEXT ", Literal(b"\xe4"), b""], "not ASCII"),
        ([b"CHARSET UTF-16 TEXT ", Literal(b"\x00"), b""], "not UTF_16"),
    ],
)
def test_problems(chunks: list[bytes | Literal], problem: str) -> None:
    with pytest.raises(SyntaxProblem, match=f"^SEARCH: .*({problem})"):
        search(*chunks)


@pytest.mark.parametrize("piece", [b"NOT ", b"(", b"OR ", b"NOT ("])
def test_depth_is_bounded(piece: bytes) -> None:
    with pytest.raises(SyntaxProblem, match="nested too deeply"):
        search(piece * 10000 + b"ALL")


def test_depth_that_clients_use_is_not() -> None:
    addresses = [b"FROM a%d@example.test" % n for n in range(90)]
    key = search(b"OR " * 89 + b" ".join(addresses)).key
    for _ in range(89):
        assert isinstance(key, SearchOr)
        key = key.left


def test_count_is_bounded() -> None:
    assert isinstance(search(b"ALL " * 1999 + b"ALL").key, SearchAnd)
    with pytest.raises(SyntaxProblem, match="too many keys"):
        search(b"ALL " * 2000 + b"ALL")
