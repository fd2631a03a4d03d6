"""Spaces that the grammar does not have: passed over where they can mean nothing."""

import pytest

from mailsuite.imapd.syntax import grammar
from mailsuite.imapd.syntax.events import Chunk, Literal
from mailsuite.imapd.syntax.grammar import SyntaxProblem


def parse(parser: grammar.Parser, *chunks: Chunk) -> tuple[object, ...]:
    _, _, cursor = grammar.command_head(chunks, whole=True)
    return grammar.parse(parser, cursor)


@pytest.mark.parametrize(
    ("parser", "text", "tidy"),
    [
        (grammar.no_arguments, b"a  NOOP ", b"a NOOP"),
        (grammar.no_arguments, b"a NOOP   ", b"a NOOP"),
        (grammar.fetch, b"a  UID   FETCH  1:*  ( FLAGS  UID ) ", b"a UID FETCH 1:* (FLAGS UID)"),
        (
            grammar.fetch,
            b"a FETCH 1 (BODY[HEADER.FIELDS ( Date  From )] )",
            b"a FETCH 1 (BODY[HEADER.FIELDS (Date From)])",
        ),
        (grammar.store, b"a STORE 1  +FLAGS  ( \\Seen  x )", b"a STORE 1 +FLAGS (\\Seen x)"),
        (grammar.store, b"a STORE 1 FLAGS (  )", b"a STORE 1 FLAGS ()"),
        (grammar.status, b"a STATUS INBOX  (  MESSAGES  ) ", b"a STATUS INBOX (MESSAGES)"),
        (grammar.search, b"a SEARCH  SEEN   ( ( ALL ) ) ", b"a SEARCH SEEN ((ALL))"),
        (grammar.list_, b'a LIST  ""  *  ', b'a LIST "" *'),
        (grammar.login, b'a LOGIN  "a  b"  "( c ) \\"  " ', b'a LOGIN "a  b" "( c ) \\"  "'),
    ],
)
def test_spare_spaces(parser: grammar.Parser, text: bytes, tidy: bytes) -> None:
    assert parse(parser, text) == parse(parser, tidy)


def test_spare_spaces_beside_literals() -> None:
    search = parse(
        grammar.search,
        b"a SEARCH  ( SUBJECT  ",
        Literal(b" x  y "),
        b"  BODY ",
        Literal(b"( "),
        b" ) ",
    )
    assert search == parse(
        grammar.search,
        b"a SEARCH (SUBJECT ",
        Literal(b" x  y "),
        b" BODY ",
        Literal(b"( "),
        b")",
    )


@pytest.mark.parametrize("text", [b"a NOOP\t", b"a FETCH 1 (FLAGS)UID", b'a LOGIN "a  b  ', b"a  "])
def test_what_stays_wrong(text: bytes) -> None:
    with pytest.raises(SyntaxProblem):
        parse(grammar.login if b"LOGIN" in text else grammar.fetch, text)


@pytest.mark.parametrize("piece", [b'\\"', b'"', b'" ', b" ", b"( ", b" )", b'"\\'])
def test_hostile_lines_cost_no_more_than_their_length(piece: bytes) -> None:
    line = b'a LOGIN  "' + piece * (1_000_000 // len(piece))
    with pytest.raises(SyntaxProblem):  # the square of this would take longer than a test may
        parse(grammar.login, line)
