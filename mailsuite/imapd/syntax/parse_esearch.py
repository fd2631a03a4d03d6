"""Pure. ESEARCH: several mailboxes at once (RFC 7377 §2, §3)."""

from __future__ import annotations

from mailsuite.imapd.syntax.cursor import Cursor
from mailsuite.imapd.syntax.model import SearchArguments, Source
from mailsuite.imapd.syntax.parse_mailbox import MAX_NAMES, mailbox_names
from mailsuite.imapd.syntax.parse_search import charset_, program, return_options

PLAIN = {"SELECTED", "INBOXES", "PERSONAL", "SUBSCRIBED"}
NAMED = {"SUBTREE", "SUBTREE-ONE", "MAILBOXES"}


def esearch(cursor: Cursor) -> tuple[tuple[Source, ...], SearchArguments]:
    """(where, what); where: the selected mailbox when nothing is said of it."""
    cursor.sp()
    sources: tuple[Source, ...] = (Source("SELECTED"),)
    if cursor.skip_word(b"IN"):
        cursor.sp()
        sources = _sources(cursor)
        cursor.sp()
    returns, partial, fetch = return_options(cursor)
    charset = codec = None
    if cursor.skip_word(b"CHARSET"):
        cursor.sp()
        charset, codec = charset_(cursor, returns)
        cursor.sp()
    returns = returns or frozenset({"ALL"})
    key = program(cursor, codec or "utf-8", relevancy="RELEVANCY" in returns)
    return sources, SearchArguments(key, returns, charset, partial, fetch=fetch)


def _sources(cursor: Cursor) -> tuple[Source, ...]:
    """`"(" source-mbox [SP "(" scope-options ")"] ")"`; there are no scope options so far."""
    cursor.expect(b"(")
    sources = [_source(cursor)]
    while not cursor.skip(b")"):
        cursor.sp()
        sources.append(_source(cursor))
        if sum(map(len, (source.names for source in sources))) + len(sources) > MAX_NAMES:
            raise cursor.problem(f"more than {MAX_NAMES} mailboxes")
    return tuple(sources)


def _source(cursor: Cursor) -> Source:
    """`filter-mailboxes` (RFC 5465 §8, RFC 7377 §3)"""
    kind = cursor.word("a kind of mailboxes")
    if kind in PLAIN:
        return Source(kind)
    if kind not in NAMED:
        raise cursor.problem(f"unknown kind of mailboxes '{kind[:40]}'")
    cursor.sp()
    return Source(kind, mailbox_names(cursor))
