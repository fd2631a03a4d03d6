"""SORT and THREAD (RFC 5256 §5, RFC 5267 §5)."""

from __future__ import annotations

import pytest

from mailsuite.imapd.syntax import grammar
from mailsuite.imapd.syntax.model import SearchAll, SearchArguments, SearchText, SortCriterion


def parsed(parser: grammar.Parser, text: bytes) -> tuple[object, ...]:
    cursor = grammar.command_head([b"a X " + text])[2]
    return grammar.parse(parser, cursor)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (
            b"(SUBJECT) UTF-8 ALL",
            SearchArguments(SearchAll(), None, "UTF-8", None, (SortCriterion("SUBJECT"),)),
        ),
        (
            b'(subject REVERSE Date) "us-ascii" TEXT x',
            SearchArguments(
                SearchText("x"),
                None,
                "US-ASCII",
                None,
                (SortCriterion("SUBJECT"), SortCriterion("DATE", reverse=True)),
            ),
        ),
        (
            b"RETURN () (DISPLAYFROM) UTF-8 ALL",
            SearchArguments(
                SearchAll(), frozenset({"ALL"}), "UTF-8", None, (SortCriterion("DISPLAYFROM"),)
            ),
        ),
        (
            b"RETURN (PARTIAL 1:9 COUNT) (ARRIVAL) UTF-8 ALL",
            SearchArguments(
                SearchAll(),
                frozenset({"PARTIAL", "COUNT"}),
                "UTF-8",
                (1, 9),
                (SortCriterion("ARRIVAL"),),
            ),
        ),
    ],
)
def test_sort(text: bytes, arguments: SearchArguments) -> None:
    assert parsed(grammar.sort, text) == (arguments,)


def test_every_key() -> None:
    keys = "ARRIVAL CC DATE DISPLAYFROM DISPLAYTO FROM SIZE SUBJECT TO"
    (arguments,) = parsed(grammar.sort, b"(%b) UTF-8 ALL" % keys.encode())
    assert isinstance(arguments, SearchArguments)
    assert " ".join(one.key for one in arguments.criteria) == keys


@pytest.mark.parametrize("name", [b"REFERENCES", b"OrderedSubject"])
def test_thread(name: bytes) -> None:
    expected = SearchArguments(SearchText("x"), None, "UTF-8")
    assert parsed(grammar.thread, name + b" UTF-8 TEXT x") == (name.decode().upper(), expected)


@pytest.mark.parametrize(
    ("parser", "text"),
    [
        (grammar.sort, b"() UTF-8 ALL"),
        (grammar.sort, b"SUBJECT UTF-8 ALL"),
        (grammar.sort, b"(COLOUR) UTF-8 ALL"),
        (grammar.sort, b"(REVERSE) UTF-8 ALL"),
        (grammar.sort, b"(REVERSE REVERSE DATE) UTF-8 ALL"),
        (grammar.sort, b"(RELEVANCY) UTF-8 ALL"),
        (grammar.sort, b"(DATE) UTF-8"),
        (grammar.sort, b"(DATE)(SIZE) UTF-8 ALL"),
        (grammar.sort, b"(" + b" ".join([b"DATE"] * 21) + b") UTF-8 ALL"),
        (grammar.sort, b"RETURN (NONSENSE) (DATE) UTF-8 ALL"),
        (grammar.thread, b"JWZ UTF-8 ALL"),
        (grammar.thread, b"REFERENCES UTF-8"),
        (grammar.thread, b"REFERENCES ALL"),
        (grammar.thread, b""),
    ],
)
def test_problems(parser: grammar.Parser, text: bytes) -> None:
    with pytest.raises((grammar.SyntaxProblem, grammar.BadCharset)):
        parsed(parser, text)


def test_charset_must_be_known() -> None:
    with pytest.raises(grammar.BadCharset):
        parsed(grammar.sort, b"(DATE) X-NONE ALL")
