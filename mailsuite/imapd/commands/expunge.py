r"""EXPUNGE, UID EXPUNGE (RFC 3501 §6.4.3, RFC 4315 §2.1): what is \Deleted goes for ever.

The session tells the client, as of all messages that have gone.
"""

from __future__ import annotations

from mailsuite.imapd.reply import HIGHESTMODSEQ, OK, Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax.model import SequenceSet


async def expunge(session: Session) -> Reply:
    view = session.selected
    return _reply(await view.mailbox.expunge(None, only_deleted=True, origin=view.attachment))


async def uid_expunge(session: Session, numbers: SequenceSet) -> Reply:
    view = session.selected
    uids = view.uids_in(view.resolve(numbers, by_uid=True))
    return _reply(await view.mailbox.expunge(uids, only_deleted=True, origin=view.attachment))


def _reply(gone: list[int]) -> Reply:
    """RFC 7162 §3.2.7, §3.2.9."""
    return Reply(code=HIGHESTMODSEQ) if gone else OK
