"""Pure. GENURLAUTH, URLFETCH, RESETKEY (RFC 4467 §9)."""

from __future__ import annotations

from dataclasses import dataclass

from mailsuite.imapd.syntax.cursor import Cursor
from mailsuite.imapd.syntax.parse_mailbox import mailbox_name

MAX_URLS = 100
KNOWN = ("BODY", "BINARY", "BODYPARTSTRUCTURE")


@dataclass(frozen=True, slots=True)
class UrlRequest:
    """One URL of URLFETCH; `wanted` None for the simple form, else BODY, BINARY, … (RFC 5524).

    Other atoms may be asked for (§5) and are left out: () where there is nothing else.
    """

    url: str
    wanted: tuple[str, ...] | None = None


def genurlauth(cursor: Cursor) -> tuple[tuple[tuple[str, str], ...]]:
    """(((url-rump, mechanism upper-case), ...),)"""
    found: list[tuple[str, str]] = []
    while not found or not cursor.at_end:
        url = _url(cursor, len(found))
        cursor.sp()
        found.append((url, cursor.word("a mechanism")))
    return (tuple(found),)


def urlfetch(cursor: Cursor) -> tuple[tuple[UrlRequest, ...]]:
    """((UrlRequest, ...),)"""
    found: list[UrlRequest] = []
    while not found or not cursor.at_end:
        if len(found) >= MAX_URLS:
            raise cursor.problem(f"more than {MAX_URLS} URLs")
        cursor.sp()
        found.append(_request(cursor))
    return (tuple(found),)


def _request(cursor: Cursor) -> UrlRequest:
    """`url-full`, or `"(" url-full *(SP url-fetch-param) ")"` (RFC 5524 §5)"""
    if not cursor.skip(b"("):
        return UrlRequest(cursor.astring("a URL").decode("latin-1"))
    url = cursor.astring("a URL").decode("latin-1")
    wanted: dict[str, None] = {}
    while not cursor.skip(b")"):
        cursor.sp()
        wanted[cursor.word("what is wanted of the URL")] = None
    if {"BODY", "BINARY"} <= wanted.keys():
        raise cursor.problem("BODY and BINARY exclude each other")
    return UrlRequest(url, tuple(w for w in wanted if w in KNOWN) if wanted else None)


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
