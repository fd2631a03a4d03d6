"""ESEARCH (RFC 7377 §3) and CANCELUPDATE (RFC 5267 §5)."""

from __future__ import annotations

import pytest

from mailsuite.imapd.syntax import grammar
from mailsuite.imapd.syntax.model import SearchAll, SearchArguments, Source


def parsed(parser: grammar.Parser, text: bytes) -> tuple[object, ...]:
    cursor = grammar.command_head([b"a X " + text])[2]
    return grammar.parse(parser, cursor)


SELECTED = (Source("SELECTED"),)
ALL = SearchArguments(SearchAll(), frozenset({"ALL"}))


@pytest.mark.parametrize(
    ("text", "sources", "arguments"),
    [
        (b"ALL", SELECTED, ALL),
        (b"RETURN () ALL", SELECTED, ALL),
        (b"IN (selected) ALL", SELECTED, ALL),
        (
            b"IN (personal Subscribed inboxes) RETURN (COUNT) ALL",
            (Source("PERSONAL"), Source("SUBSCRIBED"), Source("INBOXES")),
            SearchArguments(SearchAll(), frozenset({"COUNT"})),
        ),
        (
            b'IN (mailboxes one subtree ("two" inbox) subtree-one "&AOQ-") CHARSET UTF-8 ALL',
            (
                Source("MAILBOXES", ("one",)),
                Source("SUBTREE", ("two", "INBOX")),
                Source("SUBTREE-ONE", ("ä",)),
            ),
            SearchArguments(SearchAll(), frozenset({"ALL"}), "UTF-8"),
        ),
    ],
)
def test_esearch(text: bytes, sources: tuple[Source, ...], arguments: SearchArguments) -> None:
    assert parsed(grammar.esearch, text) == (sources, arguments)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"IN (personal)",
        b"IN () ALL",
        b"IN personal ALL",
        b"IN (selected-delayed) ALL",
        b"IN (mailboxes) ALL",
        b"IN (mailboxes ()) ALL",
        b"IN (personal ()) ALL",
        b"IN (personal)ALL",
        b"RETURN (COUNT) IN (personal) ALL",
        b"IN (" + b" ".join([b"personal"] * 1001) + b") ALL",
    ],
)
def test_problems(text: bytes) -> None:
    with pytest.raises(grammar.SyntaxProblem):
        parsed(grammar.esearch, text)


def test_cancel_update() -> None:
    assert parsed(grammar.cancel_update, b'"B01" "B02"') == (("B01", "B02"),)
    assert parsed(grammar.cancel_update, b"B01") == (("B01",),)


@pytest.mark.parametrize("text", [b"", b'"B01""B02"', b"(B01)"])
def test_cancel_update_problems(text: bytes) -> None:
    with pytest.raises(grammar.SyntaxProblem):
        parsed(grammar.cancel_update, text)
