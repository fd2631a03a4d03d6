"""Pure. Commands on messages but FETCH and SEARCH: APPEND, STORE, COPY, MOVE, UID EXPUNGE.

(RFC 9051 §6.3.12, §6.4; several messages in one APPEND: RFC 3502; REPLACE: RFC 8508.)
"""

from __future__ import annotations

from collections.abc import Sequence

from mailsuite.imapd.syntax.cursor import Cursor
from mailsuite.imapd.syntax.events import Literal
from mailsuite.imapd.syntax.model import (
    AppendMessage,
    LiteralTarget,
    SequenceSet,
    StoreArguments,
    StoredLiteral,
    UrlPart,
)
from mailsuite.imapd.syntax.parse_mailbox import mailbox_name
from mailsuite.imapd.syntax.parse_values import (
    date_time,
    flag,
    flag_list,
    mod_sequence,
    sequence_set,
)

MAX_STORE_FLAGS = 1000
MAX_PARTS = 1000
"""Parts of one CATENATE."""


_Part = StoredLiteral | bytes | UrlPart


class _LiteralComes(Exception):
    """The octets end where a message's literal is to come; `parts`: of CATENATE, before it."""

    def __init__(self, parts: Sequence[_Part] | None) -> None:
        self.parts = parts


def append(cursor: Cursor) -> tuple[str, tuple[AppendMessage, ...]]:
    """(mailbox name, messages)"""
    cursor.sp()
    name = mailbox_name(cursor)
    messages = []
    while True:
        messages.append(_whole_message(cursor))
        if cursor.at_end:
            return name, tuple(messages)


def replace(cursor: Cursor) -> tuple[SequenceSet, str, AppendMessage]:
    """REPLACE, UID REPLACE (RFC 8508): (the one number, mailbox name, message)"""
    number = _number(cursor)
    cursor.sp()
    name = mailbox_name(cursor)
    return number, name, _whole_message(cursor)


def _number(cursor: Cursor) -> SequenceSet:
    """`SP seq-number`"""
    cursor.sp()
    numbers = sequence_set(cursor)
    if numbers.saved or len(numbers.ranges) != 1 or len(set(numbers.ranges[0])) != 1:
        raise cursor.problem("one message, not several")
    return numbers


def _whole_message(cursor: Cursor) -> AppendMessage:
    try:
        return _message(cursor)
    except _LiteralComes:
        raise cursor.unexpected("a literal") from None


def _message(cursor: Cursor) -> AppendMessage:
    """`append-message`: `append-opts SP append-data` (RFC 4466 §6)"""
    flags, date = _append_options(cursor)
    return AppendMessage(flags, date, _append_data(cursor))


def _append_options(cursor: Cursor) -> tuple[tuple[str, ...], tuple[float, int] | None]:
    """`SP [flag-list SP] [date-time SP]`"""
    cursor.sp()
    flags: tuple[str, ...] = ()
    date = None
    if cursor.next_is(b"("):
        # \Recent is the server's to give; clients that copy a message's flags send it along.
        flags = tuple(each for each in flag_list(cursor) if each != r"\Recent")
        cursor.sp()
    if cursor.next_is(b'"'):
        date = date_time(cursor)
        cursor.sp()
    return flags, date


def _append_data(cursor: Cursor) -> StoredLiteral | bytes | tuple[_Part, ...]:
    """`literal`, `literal8`, RFC 4469 `CATENATE (...)`.

    And `UTF8 (literal8)`, which is gone from RFC 9755 (appendix B.1): clients of RFC 6855 send it.
    """
    if cursor.skip_word(b"CATENATE"):
        return _parts(cursor)
    if cursor.skip_word(b"UTF8"):
        cursor.sp()
        return _utf8_literal(cursor)
    return _octets(_literal(cursor))


def _utf8_literal(cursor: Cursor, after: Sequence[_Part] | None = None) -> StoredLiteral | bytes:
    """The end of `utf8-literal`: `"(" literal8 ")"` (RFC 6855 §4)"""
    cursor.expect(b"(")
    value = _literal(cursor, after)
    if not value.binary:
        raise cursor.problem("UTF8 needs a literal8")
    cursor.expect(b")")
    return _octets(value)


def _parts(cursor: Cursor) -> tuple[_Part, ...]:
    """`SP "(" cat-part *(SP cat-part) ")"` (RFC 4469 §5)"""
    cursor.sp()
    cursor.expect(b"(")
    parts: list[_Part] = []
    while True:
        kind = cursor.word("TEXT, UTF8 or URL")
        if kind not in ("TEXT", "UTF8", "URL"):
            raise cursor.problem(f"unknown kind of part '{kind[:40]}'")
        cursor.sp()
        if kind == "TEXT":
            parts.append(_octets(_literal(cursor, parts)))
        elif kind == "UTF8":
            parts.append(_utf8_literal(cursor, parts))
        else:
            parts.append(UrlPart(cursor.astring("a URL").decode("latin-1")))
        if cursor.skip(b")"):
            return tuple(parts)
        cursor.sp()
        if len(parts) >= MAX_PARTS:
            raise cursor.problem(f"more than {MAX_PARTS} parts")


def _literal(cursor: Cursor, after: Sequence[_Part] | None = None) -> Literal | StoredLiteral:
    if cursor.at_end:
        raise _LiteralComes(after)
    return cursor.literal()


def _octets(value: Literal | StoredLiteral) -> StoredLiteral | bytes:
    return value if isinstance(value, StoredLiteral) else value.data


def before_literal(cursor: Cursor) -> LiteralTarget | None:
    """Of a command that has been received up to a message's literal: where that belongs.

    None where the octets so far don't lead up to one, and for other commands. Raises SyntaxProblem.
    """
    if cursor.command not in ("APPEND", "REPLACE", "UID REPLACE"):
        return None
    if cursor.command != "APPEND":
        _number(cursor)
    cursor.sp()
    name = mailbox_name(cursor)
    try:
        while True:
            _message(cursor)
    except _LiteralComes as coming:
        if coming.parts is None:
            return LiteralTarget(cursor.command, name)
        before = sum(part.size for part in coming.parts if isinstance(part, StoredLiteral))
        return LiteralTarget(cursor.command, name, catenates=True, before=before)


def store(cursor: Cursor) -> tuple[StoreArguments]:
    """STORE, UID STORE: (StoreArguments,)"""
    cursor.sp()
    numbers = sequence_set(cursor)
    cursor.sp()
    unchanged_since = _unchanged_since(cursor)
    operation = "+" if cursor.skip(b"+") else "-" if cursor.skip(b"-") else ""
    item = cursor.word("FLAGS")
    if item not in ("FLAGS", "FLAGS.SILENT"):
        raise cursor.problem(f"unknown item '{operation}{item[:40]}'")
    cursor.sp()
    if cursor.next_is(b"("):
        flags = flag_list(cursor)
    else:
        bare = [flag(cursor)]
        while cursor.skip(b" "):
            bare.append(flag(cursor))
        flags = tuple(bare)
    if r"\Recent" in flags:
        raise cursor.problem(r"\Recent cannot be changed")
    if len(flags) > MAX_STORE_FLAGS:
        raise cursor.problem(f"more than {MAX_STORE_FLAGS} flags")
    silent = item == "FLAGS.SILENT"
    return (StoreArguments(numbers, operation, silent, flags, unchanged_since),)


def _unchanged_since(cursor: Cursor) -> int | None:
    """`store-modifiers`: there is only this one, which may stand once (RFC 7162 §7)."""
    if not cursor.skip(b"("):
        return None
    name = cursor.word("a modifier")
    if name != "UNCHANGEDSINCE":
        raise cursor.problem(f"unknown modifier '{name[:40]}'")
    cursor.sp()
    value = mod_sequence(cursor)
    cursor.expect(b")")
    cursor.sp()
    return value


def copy(cursor: Cursor) -> tuple[SequenceSet, str]:
    """COPY, MOVE and their UID forms: (SequenceSet, mailbox name)"""
    cursor.sp()
    numbers = sequence_set(cursor)
    cursor.sp()
    return numbers, mailbox_name(cursor)


def uid_expunge(cursor: Cursor) -> tuple[SequenceSet]:
    """UID EXPUNGE: (SequenceSet,) (RFC 4315)"""
    cursor.sp()
    return (sequence_set(cursor),)
