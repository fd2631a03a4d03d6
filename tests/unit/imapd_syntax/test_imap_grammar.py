"""The grammar of commands but FETCH and SEARCH, with the RFCs' own examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from mailsuite.imapd.syntax import grammar
from mailsuite.imapd.syntax.events import Chunk, Literal
from mailsuite.imapd.syntax.grammar import SyntaxProblem
from mailsuite.imapd.syntax.model import (
    STAR,
    AppendMessage,
    ListArguments,
    LiteralTarget,
    Resync,
    SelectArguments,
    SequenceSet,
    StoreArguments,
    StoredLiteral,
)


def parse(parser: grammar.Parser, *chunks: Chunk, utf8: bool = False) -> Any:
    """The arguments of a command whose text behind the tag is `chunks`."""
    _, _, cursor = grammar.command_head([b"a " + as_text(chunks[0]), *chunks[1:]], utf8=utf8)
    return grammar.parse(parser, cursor)


def as_text(chunk: Chunk) -> bytes:
    assert isinstance(chunk, bytes)
    return chunk


# -- tag and name --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tag", "name"),
    [
        (b"A001 NOOP", "A001", "NOOP"),
        (b"a]b.1 noop", "a]b.1", "NOOP"),
        (b". uid fetch 1 FLAGS", ".", "UID FETCH"),
        (b"a UID", "a", "UID"),
        (b"a X-foo bar", "a", "X-FOO"),
    ],
)
def test_command_head(text: bytes, tag: str, name: str) -> None:
    found = grammar.command_head([text])
    assert found[:2] == (tag, name)
    assert grammar.tag_of([text]) == tag


@pytest.mark.parametrize("text", [b"", b" NOOP", b"a+ NOOP", b"+ NOOP", b"(a NOOP", b"a\xe4 NOOP"])
def test_no_tag(text: bytes) -> None:
    assert grammar.tag_of([text]) is None
    with pytest.raises(SyntaxProblem):
        grammar.command_head([text])


@pytest.mark.parametrize("text", [b"a", b"a ", b"a  ", b"a (", b"a UID ", b"a UID  "])
def test_no_command(text: bytes) -> None:
    with pytest.raises(SyntaxProblem):
        grammar.command_head([text])


def test_no_arguments() -> None:
    assert parse(grammar.no_arguments, b"NOOP") == ()
    for text in (b"NOOP ", b"NOOP x"):
        with pytest.raises(SyntaxProblem):
            parse(grammar.no_arguments, text)


# -- session -------------------------------------------------------------------------------------


def test_login() -> None:
    assert parse(grammar.login, b"LOGIN SMITH SESAME") == ("SMITH", "SESAME")
    assert parse(grammar.login, rb'LOGIN "a\"b\\c" ""') == ('a"b\\c', "")
    assert parse(grammar.login, b"LOGIN ", Literal(b"FRED FOOBAR"), b" ", Literal(b"a\r\nb"), b"")
    assert parse(grammar.login, b"LOGIN a]b}+ NIL") == ("a]b}+", "NIL")
    assert parse(grammar.login, 'LOGIN "jö" x'.encode()) == ("jö", "x")


@pytest.mark.parametrize(
    "text",
    [
        b"LOGIN",
        b"LOGIN a",
        b"LOGIN a ",
        b"LOGIN a b c",
        b'LOGIN "a b',
        rb'LOGIN "a\b" c',
        b'LOGIN "a\rb" c',
        b'LOGIN "a\xe4b" c',
        b"LOGIN a{ b",
        b"LOGIN a% b",
        b"LOGIN (a b",
        b"LOGIN \xc3\xa4 b",
        b'LOGIN "a""b"',
    ],
)
def test_login_problems(text: bytes) -> None:
    with pytest.raises(SyntaxProblem, match=r"^LOGIN: "):
        parse(grammar.login, text)


def test_literals_where_they_may_not_be() -> None:
    with pytest.raises(SyntaxProblem, match="literal8"):
        parse(grammar.login, b"LOGIN ", Literal(b"a", True), b" b")
    with pytest.raises(SyntaxProblem, match="literal too long"):
        parse(grammar.login, b"LOGIN ", StoredLiteral("sink", 9), b" b")
    with pytest.raises(SyntaxProblem, match="found a literal"):
        parse(grammar.login, b"LOGIN", Literal(b"a"), b" b")
    with pytest.raises(SyntaxProblem):
        parse(grammar.login, b"LOGIN a b", Literal(b"c"), b"")


def test_authenticate() -> None:
    assert parse(grammar.authenticate, b"AUTHENTICATE gssapi") == ("GSSAPI", None)
    assert parse(grammar.authenticate, b"AUTHENTICATE PLAIN =") == ("PLAIN", b"")
    text = b"AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q="
    assert parse(grammar.authenticate, text) == ("PLAIN", b"test\0test\0test")
    for bad in (b" ", b" PLAIN ", b" PLAIN ===", b" PLAIN YQ", b" PLAIN YQ= =", b" PLAIN a*b="):
        with pytest.raises(SyntaxProblem):
            parse(grammar.authenticate, b"AUTHENTICATE" + bad)


def test_id() -> None:
    assert parse(grammar.id_, b"ID NIL") == (None,)
    assert parse(grammar.id_, b"ID ()") == ((),)
    text = b'ID ("name" "sodr" "version" "19.34" "vendor" NIL)'
    assert parse(grammar.id_, text) == ((("name", "sodr"), ("version", "19.34"), ("vendor", None)),)
    for bad in (b" (name x)", b' ("a")', b' ("a" "b"', b" NILL", b""):
        with pytest.raises(SyntaxProblem):
            parse(grammar.id_, b"ID" + bad)
    with pytest.raises(SyntaxProblem, match="more than 30"):
        parse(grammar.id_, b"ID (" + b" ".join([b'"a" "b"'] * 31) + b")")


def test_enable() -> None:
    assert parse(grammar.enable, b"ENABLE condstore UTF8=ACCEPT") == (("CONDSTORE", "UTF8=ACCEPT"),)
    with pytest.raises(SyntaxProblem):
        parse(grammar.enable, b"ENABLE")


# -- mailboxes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        (b"inbox", "INBOX"),
        (b'"InBox"', "INBOX"),
        (b"inbox/Sub", "INBOX/Sub"),
        (b"inboxes", "inboxes"),
        (b"&ATE-nbox", "ınbox"),
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
        (b'"R&D"', "R&D"),
        (b"R&-D", "R&D"),
        ('"Entwürfe"'.encode(), "Entwürfe"),
        (b'""', ""),
        (b'"a b"', "a b"),
        (b"a]", "a]"),
        (b"../x", "../x"),
    ],
)
def test_mailbox(argument: bytes, name: str) -> None:
    assert parse(grammar.mailbox, b"SELECT " + argument) == (name,)


def test_mailbox_names_are_utf8_once_enabled() -> None:
    assert parse(grammar.mailbox, b'SELECT "&AOQ-"', utf8=True) == ("&AOQ-",)
    assert parse(grammar.mailbox, b"SELECT R&-D", utf8=True) == ("R&-D",)
    assert parse(grammar.mailbox, 'SELECT "ä&ö"'.encode(), utf8=True) == ("ä&ö",)
    assert parse(grammar.mailbox, b"SELECT &AOQ-") == ("ä",)


@pytest.mark.parametrize("text", [b"", b" ", b" a b", b" a*", b" %", b" (a)", b" \xc3\xa4"])
def test_mailbox_problems(text: bytes) -> None:
    with pytest.raises(SyntaxProblem):
        parse(grammar.mailbox, b"SELECT" + text)


def test_create() -> None:
    assert parse(grammar.create, b"CREATE owatagusiam/") == ("owatagusiam/", ())
    text = rb"CREATE MySpecial (USE (\drafts \Sent))"
    assert parse(grammar.create, text) == ("MySpecial", (r"\Drafts", r"\Sent"))
    assert parse(grammar.create, b"CREATE x (USE ())") == ("x", ())
    for bad in (
        b" x ()",
        b" x (FOO (a))",
        b" x (USE (All))",
        b" x (USE \\All)",
        b" x (USE (\\All)",
    ):
        with pytest.raises(SyntaxProblem):
            parse(grammar.create, b"CREATE" + bad)


def test_rename() -> None:
    assert parse(grammar.rename, b'RENAME inbox "old mail"') == ("INBOX", "old mail")
    with pytest.raises(SyntaxProblem):
        parse(grammar.rename, b"RENAME a")


def test_status() -> None:
    text = b"STATUS blurdybloop (UIDNEXT messages Unseen UIDNEXT)"
    assert parse(grammar.status, text) == ("blurdybloop", ("UIDNEXT", "MESSAGES", "UNSEEN"))
    with pytest.raises(SyntaxProblem, match="STATUS: unknown status item 'FOO'"):
        parse(grammar.status, b"STATUS x (MESSAGES foo)")
    for bad in (b" x", b" x ()", b" x MESSAGES", b" x (MESSAGES"):
        with pytest.raises(SyntaxProblem):
            parse(grammar.status, b"STATUS" + bad)


LISTS = [
    (b'"" ""', ListArguments("", ("",))),
    (b'"" *', ListArguments("", ("*",))),
    (b"~/Mail/ %", ListArguments("~/Mail/", ("%",))),
    (b'"" "a b*"', ListArguments("", ("a b*",))),
    (b'"" a]%', ListArguments("", ("a]%",))),
    (b'inbox/ "&AOQ-*"', ListArguments("INBOX/", ("ä*",))),
    # RFC 5258 §5
    (
        b'(SUBSCRIBED RECURSIVEMATCH) "" "%"',
        ListArguments("", ("%",), frozenset({"SUBSCRIBED", "RECURSIVEMATCH"}), extended=True),
    ),
    (b'() "" ("INBOX" Drafts %)', ListArguments("", ("INBOX", "Drafts", "%"), extended=True)),
    (b'"" ("a*")', ListArguments("", ("a*",), extended=True)),
    (
        b'(remote) "" "%" return (children subscribed special-use)',
        ListArguments(
            "",
            ("%",),
            frozenset({"REMOTE"}),
            frozenset({"CHILDREN", "SUBSCRIBED", "SPECIAL-USE"}),
            extended=True,
        ),
    ),
    (
        b'"" % RETURN (STATUS (MESSAGES UNSEEN) CHILDREN)',
        ListArguments(
            "",
            ("%",),
            returns=frozenset({"STATUS", "CHILDREN"}),
            status_items=("MESSAGES", "UNSEEN"),
            extended=True,
        ),
    ),
    (
        b'(RECURSIVEMATCH SPECIAL-USE) "" *',  # RFC 6154 §6
        ListArguments("", ("*",), frozenset({"RECURSIVEMATCH", "SPECIAL-USE"}), extended=True),
    ),
    (b'"" % RETURN ()', ListArguments("", ("%",), extended=True)),
]


@pytest.mark.parametrize(("text", "arguments"), LISTS)
def test_list(text: bytes, arguments: ListArguments) -> None:
    assert parse(grammar.list_, b"LIST " + text) == (arguments,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b'""', "expected"),
        (b'"" ()', "a mailbox pattern"),
        (b'(RECURSIVEMATCH) "" *', "RECURSIVEMATCH needs"),
        (b'(RECURSIVEMATCH REMOTE) "" *', "RECURSIVEMATCH needs"),
        (b'(FOO) "" *', "unknown selection option 'FOO'"),
        (b'"" * RETURN (FOO)', "unknown return option 'FOO'"),
        (b'"" * RETURN', "expected"),
        (b'"" * RETURNS ()', "RETURN is expected"),
        (b'"" * RETURN (STATUS)', "expected"),
        (b'"" * RETURN (STATUS ())', "expected"),
        (b'"" ' + b"(" + b" ".join([b"x"] * 101) + b")", "more than 100"),
    ],
)
def test_list_problems(text: bytes, problem: str) -> None:
    with pytest.raises(SyntaxProblem, match="LIST: .*" + problem.replace("(", r"\(")):
        parse(grammar.list_, b"LIST " + text)


def test_lsub() -> None:
    assert parse(grammar.lsub, b'LSUB "#news." "comp.mail.*"') == ("#news.", "comp.mail.*")
    with pytest.raises(SyntaxProblem):
        parse(grammar.lsub, b'LSUB (SUBSCRIBED) "" *')


# -- messages ------------------------------------------------------------------------------------

SINK = object()
STORED = StoredLiteral(SINK, 310)


def test_append() -> None:
    text = rb"APPEND saved-messages (\Seen \recent $Junk) "
    assert parse(grammar.append, text, STORED, b"") == (
        "saved-messages",
        (AppendMessage((r"\Seen", "$Junk"), None, STORED),),
    )
    text = b'APPEND "x" () " 7-Feb-1994 21:52:25 -0800" '
    assert parse(grammar.append, text, Literal(b"\0", True), b"") == (
        "x",
        (AppendMessage((), (760686745.0, -480), b"\0"),),
    )


def test_append_into_a_mailbox_named_by_a_literal() -> None:
    found = parse(grammar.append, b"APPEND ", Literal(b"inbox"), b" ", Literal(b"x"), b"")
    assert found == ("INBOX", (AppendMessage((), None, b"x"),))


def test_append_of_several_messages() -> None:
    found = parse(
        grammar.append,
        rb"APPEND x (\Seen) ",
        Literal(b"1"),
        b' "01-Jan-2026 00:00:00 +0000" ',
        STORED,
        b" UTF8 (",
        Literal(b"3", True),
        b") ",
        Literal(b"4"),
        b"",
    )
    assert found[1] == (
        AppendMessage((r"\Seen",), None, b"1"),
        AppendMessage((), (1767225600.0, 0), STORED),
        AppendMessage((), None, b"3"),
        AppendMessage((), None, b"4"),
    )


@pytest.mark.parametrize(
    "chunks",
    [
        [b"APPEND x"],
        [b"APPEND x "],
        [b"APPEND x ()"],
        [b"APPEND x () abc"],
        [b'APPEND x "abc"'],
        [b"APPEND x", Literal(b"a"), b""],
        [b"APPEND x ()", Literal(b"a"), b""],
        [b"APPEND x ", Literal(b"a"), b" "],
        [b"APPEND x ", Literal(b"a"), b" ()"],
        [b"APPEND x ", Literal(b"a"), b"", Literal(b"b"), b""],
        [b"APPEND x UTF8 (", Literal(b"a"), b")"],
        [b"APPEND x UTF8 (", Literal(b"a", True), b""],
        [b'APPEND x "30-Feb-2026 00:00:00 +0000" ', Literal(b"a"), b""],
    ],
)
def test_append_problems(chunks: Sequence[Chunk]) -> None:
    with pytest.raises(SyntaxProblem, match=r"^APPEND: "):
        parse(grammar.append, *chunks)


def test_literal_target() -> None:
    def target(*chunks: Chunk) -> str | None:
        found = grammar.literal_target(chunks)
        return None if found is None else found.mailbox

    assert target(b"a APPEND x ") == "x"
    assert target(b"a append inbox (\\Seen) ") == "INBOX"
    assert target(b'a APPEND "x y" (\\Seen) "01-Jan-2026 00:00:00 +0000" ') == "x y"
    assert target(b"a APPEND x UTF8 (") == "x"
    assert target(b"a APPEND ", Literal(b"box"), b" ") == "box"
    assert target(b"a APPEND x ", STORED, b" (\\Seen) ") == "x"
    utf8 = grammar.literal_target([b"a APPEND &AOQ- "], utf8=True)
    assert utf8 == LiteralTarget("APPEND", "&AOQ-")
    assert target(b"a UID REPLACE 4 x (\\Seen) ") == "x"
    assert target(b"a REPLACE * x ") == "x"
    catenate = grammar.literal_target([b'a APPEND x CATENATE (URL "/x/;UID=1" TEXT '])
    assert catenate == LiteralTarget("APPEND", "x", catenates=True)
    second = grammar.literal_target(
        [b"a APPEND x ", STORED, b" CATENATE (TEXT ", STORED, b" TEXT "]
    )
    assert second == LiteralTarget("APPEND", "x", catenates=True, before=STORED.size)
    assert target(b"a APPEND x CATENATE (URL ") is None
    assert target(b"a REPLACE 4:5 x ") is None
    for other in (b"a APPEND ", b"a APPEND x", b"a APPEND x ()", b"a APPEND x (a ", b"a LOGIN x "):
        assert target(other) is None
    assert target(b"") is None
    assert target(b"a APPEND x ", Literal(b"1"), b"") is None


SETS = [
    (b"1", [(1, 1)]),
    (b"2,4:7,9,12:*", [(2, 2), (4, 7), (9, 9), (12, STAR)]),  # RFC 3501 §9
    (b"*:4,5:7", [(4, STAR), (5, 7)]),
    (b"7:5", [(5, 7)]),
    (b"*", [(STAR, STAR)]),
    (b"4294967295", [(4294967295, 4294967295)]),
]


@pytest.mark.parametrize(("text", "ranges"), SETS)
def test_sequence_sets(text: bytes, ranges: list[tuple[int, int]]) -> None:
    assert parse(grammar.uid_expunge, b"UID EXPUNGE " + text) == (SequenceSet(tuple(ranges)),)


def test_saved_result() -> None:
    assert parse(grammar.copy, b"COPY $ x") == (SequenceSet((), saved=True), "x")


@pytest.mark.parametrize(
    "text",
    [b"0", b"01", b"4294967296", b"99999999999", b"1,", b",1", b"1:", b":1", b"1:2:3", b"a", b"1-2",
     b"$,1", b"1,$", b"", b"**", b"1:0"],
)  # fmt: skip
def test_malformed_sequence_sets(text: bytes) -> None:
    with pytest.raises(SyntaxProblem):
        parse(grammar.uid_expunge, b"UID EXPUNGE " + text)


def test_a_long_sequence_set() -> None:
    text = b",".join(b"%d" % n for n in range(1, 20001, 2))
    (numbers,) = parse(grammar.uid_expunge, b"UID EXPUNGE " + text)
    assert len(numbers.ranges) == 10000


KNOWN = SequenceSet(((41, 211), (214, 541)))
SELECTS = [
    (b"INBOX", SelectArguments("INBOX")),
    (b"inbox (condstore)", SelectArguments("INBOX", True)),
    (
        b"x (QRESYNC (67890007 90060115194045000))",
        SelectArguments("x", False, Resync(67890007, 90060115194045000)),
    ),
    (b"x (QRESYNC (1 2 41:211,214:541))", SelectArguments("x", False, Resync(1, 2, KNOWN))),
    (
        b"x (QRESYNC (1 2 41:211,214:541 (1,2:3 4,5:6)) CONDSTORE)",
        SelectArguments(
            "x",
            True,
            Resync(1, 2, KNOWN, (SequenceSet(((1, 1), (2, 3))), SequenceSet(((4, 4), (5, 6))))),
        ),
    ),
    (
        b"x (QRESYNC (1 0 (1 4)))",
        SelectArguments(
            "x", False, Resync(1, 0, None, (SequenceSet(((1, 1),)), SequenceSet(((4, 4),))))
        ),
    ),
]


@pytest.mark.parametrize(("text", "arguments"), SELECTS)
def test_select(text: bytes, arguments: SelectArguments) -> None:
    assert parse(grammar.select, b"SELECT " + text) == (arguments,)


@pytest.mark.parametrize(
    "text",
    [
        b"x ()",
        b"x (SURPRISE)",
        b"x CONDSTORE",
        b"x (CONDSTORE",
        b"x (QRESYNC)",
        b"x (QRESYNC (1))",
        b"x (QRESYNC (0 1))",
        b"x (QRESYNC (1 9223372036854775808))",
        b"x (QRESYNC (1 1 1:*))",
        b"x (QRESYNC (1 1 $))",
        b"x (QRESYNC (1 1 1 1))",
        b"x (QRESYNC (1 1 1 (1:2 1)))",
        b"x (QRESYNC (1 1 1 (2,1 1,2)))",
        b"x (QRESYNC (1 1 1 (1 1) 1))",
        b"x (QRESYNC (1 1) QRESYNC (1 1))",
    ],
)
def test_select_problems(text: bytes) -> None:
    with pytest.raises(SyntaxProblem, match=r"^SELECT: "):
        parse(grammar.select, b"SELECT " + text)


ONE = SequenceSet(((1, 1),))
STORES = [
    (rb"1 +FLAGS (\Deleted)", StoreArguments(ONE, "+", False, (r"\Deleted",))),
    (rb"1 -flags.silent (\SEEN $X)", StoreArguments(ONE, "-", True, (r"\Seen", "$X"))),
    (b"1 (unchangedsince 0) FLAGS ()", StoreArguments(ONE, "", False, (), 0)),
    (b"1 FLAGS ()", StoreArguments(ONE, "", False, ())),
    (rb"1 FLAGS \Seen kw", StoreArguments(ONE, "", False, (r"\Seen", "kw"))),
    (rb"1 +FLAGS \Custom", StoreArguments(ONE, "+", False, (r"\Custom",))),
]


@pytest.mark.parametrize(("text", "arguments"), STORES)
def test_store(text: bytes, arguments: StoreArguments) -> None:
    assert parse(grammar.store, b"STORE " + text) == (arguments,)


@pytest.mark.parametrize(
    "text",
    [
        b"1 FLAGS",
        b"1 FLAGS ",
        b"1 FLAG (a)",
        b"1 () FLAGS (a)",
        b"1 (UNCHANGEDSINCE) FLAGS (a)",
        b"1 (UNCHANGEDSINCE 1 UNCHANGEDSINCE 1) FLAGS (a)",
        b"1 (CHANGEDSINCE 1) FLAGS (a)",
        b"1 ++FLAGS (a)",
        b"1 FLAGS (a",
        b"1 FLAGS (a b) c",
        b"1 FLAGS ((a))",
        b"1 FLAGS (\\)",
        b"1 FLAGS (\\*)",
        b"1 FLAGS (a])",
        b'1 FLAGS ("a")',
        b"1 FLAGS (\\Recent)",
        b"1 FLAGS " + b" ".join([b"x"] * 1001),
    ],
)
def test_store_problems(text: bytes) -> None:
    with pytest.raises(SyntaxProblem, match=r"^STORE: "):
        parse(grammar.store, b"STORE " + text)


def test_copy() -> None:
    numbers = SequenceSet(((2, 4),))
    assert parse(grammar.copy, b"COPY 2:4 MEETING") == (numbers, "MEETING")
    assert parse(grammar.copy, b"UID MOVE 2:4 inbox") == (numbers, "INBOX")
    for bad in (b"2:4", b"x MEETING", b"2:4 a b"):
        with pytest.raises(SyntaxProblem):
            parse(grammar.copy, b"COPY " + bad)


def test_problems_are_printable() -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse(grammar.store, b"STORE 1 FLAGS\x01\xff" + b"x" * 1000)
    text = str(caught.value)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 120
