"""OBJECTID (RFC 8474): names that messages, conversations and mailboxes keep.

EMAILID goes with a message through copies and moves, restarts and rebuilt indexes: it is made of
what the file's name keeps. THREADID is made of the first message-id of a conversation (`facets`).
MAILBOXID is in the mailbox's sidecar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailsuite.imapd.fetching import Plan, Render
    from mailsuite.imapd.view import View
    from mailsuite.store import Row


def email_id(identity: str) -> bytes:
    """The objectid of a message."""
    return b"M" + identity.encode()


def email_id_item(plan: Plan) -> Render:
    column = plan.column("identity")

    def render(view: View, row: Row) -> bytes:
        return b"EMAILID (%b)" % email_id(row[column])

    return render


def thread_id_item(plan: Plan) -> Render:
    column = plan.column("thread")

    def render(view: View, row: Row) -> bytes:
        return b"THREADID (%b)" % row[column]

    return render


def mailbox_id(mailboxid: str) -> str:
    """For the response code of CREATE and SELECT, and for STATUS."""
    return f"MAILBOXID ({mailboxid})"
