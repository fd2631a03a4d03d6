"""Pure. GENURLAUTH, URLFETCH, RESETKEY (RFC 4467 §9)."""

from __future__ import annotations

from mailsuite.imapd.syntax.cursor import Cursor
from mailsuite.imapd.syntax.parse_mailbox import mailbox_name

MAX_URLS = 100


def genurlauth(cursor: Cursor) -> tuple[tuple[tuple[str, str], ...]]:
    """(((url-rump, mechanism upper-case), ...),)"""
    found: list[tuple[str, str]] = []
    while not found or not cursor.at_end:
        url = _url(cursor, len(found))
        cursor.sp()
        found.append((url, cursor.word("a mechanism")))
    return (tuple(found),)


def urlfetch(cursor: Cursor) -> tuple[tuple[str, ...]]:
    """((url, ...),)"""
    found: list[str] = []
    while not found or not cursor.at_end:
        found.append(_url(cursor, len(found)))
    return (tuple(found),)


def _url(cursor: Cursor, before: int) -> str:
    if before >= MAX_URLS:
        raise cursor.problem(f"more than {MAX_URLS} URLs")
    cursor.sp()
    return cursor.astring("a URL").decode("latin-1")


def resetkey(cursor: Cursor) -> tuple[str | None, tuple[str, ...]]:
    """(mailbox name or None for all, mechanisms upper-case)"""
    if cursor.at_end:
        return None, ()
    cursor.sp()
    name = mailbox_name(cursor)
    mechanisms: list[str] = []
    while cursor.skip(b" "):
        mechanisms.append(cursor.word("a mechanism"))
    return name, tuple(mechanisms)
