"""Pure. Commands on messages but FETCH and SEARCH: APPEND, STORE, COPY, MOVE, UID EXPUNGE.

(RFC 9051 §6.3.12, §6.4; several messages in one APPEND: RFC 3502.)
"""

from __future__ import annotations

from mailsuite.imapd.syntax.cursor import Cursor
from mailsuite.imapd.syntax.model import AppendMessage, SequenceSet, StoreArguments, StoredLiteral
from mailsuite.imapd.syntax.parse_mailbox import mailbox_name
from mailsuite.imapd.syntax.parse_values import (
    date_time,
    flag,
    flag_list,
    mod_sequence,
    sequence_set,
)

MAX_STORE_FLAGS = 1000


def append(cursor: Cursor) -> tuple[str, tuple[AppendMessage, ...]]:
    """(mailbox name, messages)"""
    cursor.sp()
    name = mailbox_name(cursor)
    messages = []
    while True:
        flags, date = _append_options(cursor)
        messages.append(AppendMessage(flags, date, _append_data(cursor)))
        if cursor.at_end:
            return name, tuple(messages)


def _append_options(cursor: Cursor) -> tuple[tuple[str, ...], float | None]:
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


def _append_data(cursor: Cursor) -> StoredLiteral | bytes:
    """`literal`, `literal8`, or RFC 6855 §4 `UTF8 (literal8)`."""
    wrapped = cursor.skip_word(b"UTF8")
    if wrapped:
        cursor.sp()
        cursor.expect(b"(")
    value = cursor.literal()
    if wrapped:
        if not value.binary:
            raise cursor.problem("UTF8 needs a literal8")
        cursor.expect(b")")
    return value if isinstance(value, StoredLiteral) else value.data


def append_before_literal(cursor: Cursor) -> str:
    """The mailbox of an APPEND that has been received up to a message's literal.

    Raises SyntaxProblem where the octets so far don't lead up to one.
    """
    cursor.sp()
    name = mailbox_name(cursor)
    while True:
        _append_options(cursor)
        if cursor.at_end or (cursor.skip(b"UTF8 (") and cursor.at_end):
            return name
        _append_data(cursor)


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
