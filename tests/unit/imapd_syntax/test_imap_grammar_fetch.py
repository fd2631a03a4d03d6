"""FETCH: items, sections, partials."""

from __future__ import annotations

import pytest

from mailsuite.imapd.syntax import grammar
from mailsuite.imapd.syntax.events import Literal
from mailsuite.imapd.syntax.grammar import SyntaxProblem
from mailsuite.imapd.syntax.model import (
    STAR,
    FetchArguments,
    FetchItem,
    Section,
    SequenceSet,
)


def fetch(*chunks: bytes | Literal) -> FetchArguments:
    first = chunks[0]
    assert isinstance(first, bytes)
    _, _, cursor = grammar.command_head([b"a FETCH " + first, *chunks[1:]])
    (arguments,) = grammar.parse(grammar.fetch, cursor)
    assert isinstance(arguments, FetchArguments)
    return arguments


def body(part: tuple[int, ...] = (), text: str = "", *fields: str) -> FetchItem:
    return FetchItem("BODY[", False, Section(part, text, fields))


FAST = [FetchItem("FLAGS"), FetchItem("INTERNALDATE"), FetchItem("RFC822.SIZE")]
ITEMS = [
    (b"FAST", FAST),
    (b"all", [*FAST, FetchItem("ENVELOPE")]),
    (b"FULL", [*FAST, FetchItem("ENVELOPE"), FetchItem("BODY")]),
    (b"flags", [FetchItem("FLAGS")]),
    (b"(FLAGS)", [FetchItem("FLAGS")]),
    (b"(UID Flags BODYSTRUCTURE)", [FetchItem(n) for n in ("UID", "FLAGS", "BODYSTRUCTURE")]),
    (
        b"(RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE)",
        [FetchItem(n) for n in ("RFC822", "RFC822.HEADER", "RFC822.TEXT", "RFC822.SIZE")],
    ),
    (b"BODY", [FetchItem("BODY")]),
    (b"(BODY BODY[])", [FetchItem("BODY"), body()]),
    (b"BODY.PEEK[]", [FetchItem("BODY[", True, Section())]),
    (b"body[header]", [body((), "HEADER")]),
    (b"BODY[TEXT]", [body((), "TEXT")]),
    (b"BODY[1]", [body((1,))]),
    (b"BODY[4.2.2.1]", [body((4, 2, 2, 1))]),
    (b"BODY[1.MIME]", [body((1,), "MIME")]),
    (b"BODY[4.2.HEADER]", [body((4, 2), "HEADER")]),
    (b"BODY[3.TEXT]", [body((3,), "TEXT")]),
    (b"BODY[HEADER.FIELDS (DATE From)]", [body((), "HEADER.FIELDS", "DATE", "From")]),
    (b'BODY[2.HEADER.FIELDS.NOT ("X-A")]', [body((2,), "HEADER.FIELDS.NOT", "X-A")]),
    (b"BODY[]<0.2048>", [FetchItem("BODY[", False, Section(), (0, 2048))]),
    (b"BODY.PEEK[1]<5.1>", [FetchItem("BODY[", True, Section((1,)), (5, 1))]),
    (
        b"BODY[]<9223372036854775807.1>",
        [FetchItem("BODY[", False, Section(), (9223372036854775807, 1))],
    ),
    (b"BINARY[1.2]", [FetchItem("BINARY[", False, Section((1, 2)))]),
    (b"BINARY[]", [FetchItem("BINARY[", False, Section())]),
    (b"BINARY.PEEK[1]<0.7>", [FetchItem("BINARY[", True, Section((1,)), (0, 7))]),
    (b"BINARY[1]<7>", [FetchItem("BINARY[", False, Section((1,)), (7, (1 << 63) - 1))]),
    (b"BINARY[1.MIME]", [FetchItem("BINARY[", False, Section((1,), "MIME"))]),
    (b"BINARY.SIZE[1]", [FetchItem("BINARY.SIZE[", False, Section((1,)))]),
]


@pytest.mark.parametrize(("text", "items"), ITEMS)
def test_items(text: bytes, items: list[FetchItem]) -> None:
    numbers = SequenceSet(((2, 4), (9, STAR)))
    assert fetch(b"2:4,9:* " + text) == FetchArguments(numbers, tuple(items))


def test_modifiers() -> None:
    found = fetch(b"1 (FLAGS) (CHANGEDSINCE 12345 VANISHED)")
    assert (found.changed_since, found.vanished) == (12345, True)
    assert fetch(b"1 FAST (changedsince 0)").changed_since == 0


def test_header_names_in_literals() -> None:
    found = fetch(b"1 BODY[HEADER.FIELDS (", Literal(b"X Y"), b" b)]")
    assert found.items == (body((), "HEADER.FIELDS", "X Y", "b"),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"1", "argument"),
        (b"1 ", "an item"),
        (b"1 ()", "an item"),
        (b"1 (FLAGS", "a space|argument"),
        (b"1 FLAGS UID", '"\\(" is expected'),
        (b"1 FLAGS ()", "a modifier"),
        (b"1 FLAGS (CHANGEDSINCE)", "argument|space"),
        (b"1 FLAGS (CHANGEDSINCE -1)", "a mod-sequence"),
        (b"1 FLAGS (CHANGEDSINCE 9223372036854775808)", "out of range"),
        (b"1 FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 1)", "twice"),
        (b"1 FLAGS (SURPRISE)", "unknown modifier"),
        (b"1 FLAGZ", "unknown item 'FLAGZ'"),
        (b"1 (FLAGS ALL)", "a macro stands alone"),
        (b"1 FAST[]", "unknown item"),
        (b"1 BODY.PEEK", "expected"),
        (b"1 BODY.PEEKS[]", "unknown item"),
        (b"1 BODY[", "unknown section"),
        (b"1 BODY[HEADER", "expected"),
        (b"1 BODY[MIME]", "MIME needs"),
        (b"1 BODY[1.]", "unknown section"),
        (b"1 BODY[.1]", "unknown section"),
        (b"1 BODY[1..2]", "unknown section"),
        (b"1 BODY[0]", "out of range"),
        (b"1 BODY[01]", "leading zero"),
        (b"1 BODY[4294967296]", "out of range"),
        (b"1 BODY[1.FOO]", "unknown section 'FOO'"),
        (b"1 BODY[HEADER.FIELDS]", "a space"),
        (b"1 BODY[HEADER.FIELDS ()]", "a header name"),
        (b"1 BODY[HEADER.FIELDS (a ]", "expected|too many"),
        (b"1 BODY[HEADER (a)]", "expected"),
        (b"1 BODY[] <0.1>", '"\\(" is expected'),
        (b"1 BODY[]<0.0>", "out of range"),
        (b"1 BODY[]<0>", "expected"),
        (b"1 BODY[]<-1.5>", "an offset"),
        (b"1 BODY[]<9223372036854775808.1>", "out of range"),
        (b"1 BODY[]<0.99999999999999999999999>", "out of range"),
        (b"1 BODYSTRUCTURE[]", "too many"),
        (b"1 BINARY", "expected"),
        (b"1 BINARY.SIZE[1]<0.1>", "too many"),
        (b"0 FLAGS", "sequence set"),
        (b"1 BODY[" + b"1." * 101 + b"1]", "more than 100 part"),
        (b"1 (" + b" ".join([b"UID"] * 1001) + b")", "more than 1000 items"),
        (b"1 BODY[HEADER.FIELDS (" + b" ".join([b"a"] * 1001) + b")]", "more than 1000 header"),
    ],
)
def test_problems(text: bytes, problem: str) -> None:
    with pytest.raises(SyntaxProblem, match=f"^FETCH: .*({problem})"):
        fetch(text)
