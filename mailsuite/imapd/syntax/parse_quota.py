"""Pure. GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208 §7)."""

from __future__ import annotations

from mailsuite.imapd.syntax.cursor import MAX_NUMBER64, Cursor


def getquota(cursor: Cursor) -> tuple[str]:
    """(quota root,)"""
    cursor.sp()
    return (_root(cursor),)


def setquota(cursor: Cursor) -> tuple[str, tuple[tuple[str, int], ...]]:
    """(quota root, (resource upper-case, limit) …)"""
    cursor.sp()
    root = _root(cursor)
    cursor.sp()
    cursor.expect(b"(")
    limits: dict[str, int] = {}
    while not cursor.skip(b")"):
        if limits:
            cursor.sp()
        resource = cursor.word("a resource")
        cursor.sp()
        limits[resource] = cursor.number("a limit", high=MAX_NUMBER64)
    return root, tuple(limits.items())


def _root(cursor: Cursor) -> str:
    return cursor.astring("a quota root").decode("utf-8", "replace")
