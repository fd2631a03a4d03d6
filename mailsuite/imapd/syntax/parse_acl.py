"""Pure. SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314 §7)."""

from __future__ import annotations

from mailsuite.imapd.syntax.cursor import Cursor
from mailsuite.imapd.syntax.parse_mailbox import mailbox_name


def setacl(cursor: Cursor) -> tuple[str, bytes, str, str]:
    """(mailbox name, identifier, operation "+", "-" or "", rights as written)"""
    name, identifier = identified(cursor)
    cursor.sp()
    rights = cursor.astring("rights").decode("utf-8", "replace")
    operation = rights[:1] if rights[:1] in ("+", "-") else ""
    return name, identifier, operation, rights[len(operation) :]


def identified(cursor: Cursor) -> tuple[str, bytes]:
    """DELETEACL, LISTRIGHTS: (mailbox name, identifier)"""
    cursor.sp()
    name = mailbox_name(cursor)
    cursor.sp()
    return name, cursor.astring("an identifier")
