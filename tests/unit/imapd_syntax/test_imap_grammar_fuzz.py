"""Whatever comes, a parser gives arguments, SyntaxProblem or BadCharset: nothing else, ever."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsuite.imapd.syntax import grammar
from mailsuite.imapd.syntax.events import Chunk, Line, Literal, LiteralAnnounced
from mailsuite.imapd.syntax.model import StoredLiteral
from mailsuite.imapd.syntax.receiver import Limits, Receiver

PARSERS = [
    grammar.append,
    grammar.authenticate,
    grammar.cancel_update,
    grammar.copy,
    grammar.create,
    grammar.enable,
    grammar.esearch,
    grammar.fetch,
    grammar.genurlauth,
    grammar.getmetadata,
    grammar.getquota,
    grammar.id_,
    grammar.identified,
    grammar.list_,
    grammar.login,
    grammar.lsub,
    grammar.mailbox,
    grammar.no_arguments,
    grammar.notify,
    grammar.rename,
    grammar.replace,
    grammar.resetkey,
    grammar.search,
    grammar.select,
    grammar.setacl,
    grammar.setmetadata,
    grammar.setquota,
    grammar.sort,
    grammar.status,
    grammar.store,
    grammar.urlfetch,
    grammar.thread,
    grammar.uid_expunge,
]
WORDS = [
    b" ", b" ", b" ", b" ", b"(", b")", b"[", b"]", b'"', b"\\", b"*", b"%", b"<", b">", b".", b",",
    b":", b"+", b"-", b"$", b"~", b"{", b"}", b"&", b"=", b"0", b"1", b"12:*", b"99999999999",
    b'""', b'"a b"', b'"\\""', b"INBOX", b"&AOQ-", b"NIL", b"RETURN", b"(USE (\\Sent))", b"STATUS",
    b"SUBSCRIBED", b"RECURSIVEMATCH", b"MESSAGES", b"FLAGS", b"+FLAGS.SILENT", b"\\Seen",
    b"\\Recent", b"ALL", b"FAST", b"BODY", b"BODY[", b"BODY.PEEK[", b"BINARY.SIZE[", b"HEADER",
    b"HEADER.FIELDS", b"TEXT", b"MIME", b"1.2.", b"<0.5>", b"NOT", b"OR", b"UNSEEN", b"KEYWORD",
    b"SINCE", b"1-Feb-1994", b'" 7-Feb-1994 21:52:25 -0800"', b"CHARSET", b"UTF-8", b"utf-16",
    b"/private", b"/shared/a", b"MAXSIZE", b"DEPTH", b"infinity", b"METADATA", b"STORAGE",
    b"LARGER", b"UID", b"MODSEQ", b"(CHANGEDSINCE 1)", b"(UNCHANGEDSINCE 1)", b"(QRESYNC (1 2",
    b"CONDSTORE", b"SET", b"NONE", b"SUBTREE", b"SELECTED", b"MessageNew", b"MessageExpunge",
    b"SAVE", b"UTF8", b"PLAIN", b"YQ==", b"\xc3\xa4", b"\xff", b"\r", b"\x7f",
]  # fmt: skip

TEXT = st.lists(st.sampled_from(WORDS) | st.binary(max_size=4), max_size=25).map(b"".join)
LITERAL = st.one_of(
    st.builds(Literal, st.sampled_from(WORDS) | st.binary(max_size=6), st.booleans()),
    st.builds(StoredLiteral, st.just("sink"), st.integers(0, 99), st.booleans()),
)


@st.composite
def commands(draw: st.DrawFn) -> list[Chunk]:
    """A command's chunks: text, and perhaps literals with text after them."""
    chunks: list[Chunk] = [b"a X" + draw(TEXT)]
    for literal in draw(st.lists(LITERAL, max_size=3)):
        chunks += [literal, draw(TEXT)]
    return chunks


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.__name__)
@settings(max_examples=120)
@given(chunks=commands(), utf8=st.booleans())
def test_nothing_else_ever(parser: grammar.Parser, chunks: list[Chunk], utf8: bool) -> None:
    try:
        _, _, cursor = grammar.command_head(chunks, utf8=utf8)
        arguments = grammar.parse(parser, cursor)
    except grammar.SyntaxProblem as problem:
        text = str(problem)
        assert text.isascii()
        assert text.isprintable()
        assert len(text) < 200
    except (grammar.BadCharset, grammar.BadMailboxName) as problem:
        assert str(problem).isprintable()
    else:
        assert isinstance(arguments, tuple)
        hash(arguments)
    grammar.literal_target(chunks, utf8=utf8)


BY_NAME = {
    "LOGIN": grammar.login,
    "SELECT": grammar.mailbox,
    "LIST": grammar.list_,
    "APPEND": grammar.append,
    "SEARCH": grammar.search,
    "SORT": grammar.sort,
    "ESEARCH": grammar.esearch,
    "UID THREAD": grammar.thread,
    "FETCH": grammar.fetch,
    "STORE": grammar.store,
    "UID FETCH": grammar.fetch,
}
LITERALS = [b"{1+}\r\nx", b"{3}\r\nabc", b"~{2+}\r\n\0\0", b"{30+}\r\n" + b"z" * 30]


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([name.encode() for name in BY_NAME]),
            st.lists(st.sampled_from(WORDS + LITERALS) | st.binary(max_size=3), max_size=12),
        ),
        max_size=4,
    )
)
def test_receiver_and_grammar_together(session: list[tuple[bytes, list[bytes]]]) -> None:
    receiver = Receiver(Limits(line=200, memory=40, literals=4, literal=50, swallow=300))
    receiver.feed(b"".join(b"t %b %b\r\n" % (name, b"".join(rest)) for name, rest in session))
    while (event := receiver.next_event()) is not None:
        if isinstance(event, LiteralAnnounced):
            if grammar.literal_target(event.chunks) is not None:
                receiver.stream("sink")
            else:
                receiver.accept()
        if isinstance(event, Line):
            try:
                _, name, cursor = grammar.command_head(event.chunks)
                if name in BY_NAME:
                    grammar.parse(BY_NAME[name], cursor)
            except (grammar.SyntaxProblem, grammar.BadCharset, grammar.BadMailboxName):
                continue
