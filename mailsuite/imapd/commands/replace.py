"""REPLACE and UID REPLACE: a new message for an old one, in one step (RFC 8508).

Promises: the old message goes only when the new one is durable; the client hears of neither before
both is done. Only the difference counts for the quota.
"""

from __future__ import annotations

from mailsuite.imapd.commands import append
from mailsuite.imapd.reply import HIGHESTMODSEQ, No, Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax.model import AppendMessage, SequenceSet


async def replace(
    session: Session, number: SequenceSet, target: str, message: AppendMessage
) -> Reply:
    return await _replace(session, number, target, message, by_uid=False)


async def uid_replace(
    session: Session, number: SequenceSet, target: str, message: AppendMessage
) -> Reply:
    return await _replace(session, number, target, message, by_uid=True)


async def _replace(
    session: Session, number: SequenceSet, target: str, message: AppendMessage, *, by_uid: bool
) -> Reply:
    """APPENDUID comes first (§4.3), then EXISTS, as in §3.2; EXPUNGE is the session's to write."""
    view = session.selected
    uids = view.uids_in(view.resolve(number, by_uid=by_uid))
    if not uids:
        raise No("No such message", "NONEXISTENT")
    async with append.prepared(session, target, (message,)) as (new,):
        appended = await session.store.replace(
            view.mailbox, uids[0], target, new, origin=view.attachment
        )
    await session.note_own(target, appended.uids)
    if code := await append.appenduid(session, target, appended):
        session.write(f"* OK [{code}] Replacement message ready\r\n".encode())
    if session.watch is None:  # which wants to tell more of what arrives
        session.write_all(view.arrivals())
    return Reply(code=HIGHESTMODSEQ)  # as after UID EXPUNGE (§4.5, RFC 7162 §3.2.9)
