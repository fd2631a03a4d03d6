"""COPY, MOVE and their UID forms (RFC 3501 §6.4.7, RFC 6851, RFC 4315 COPYUID)."""

from __future__ import annotations

from mailsuite.imapd.reply import EXPUNGE_ISSUED, HIGHESTMODSEQ, OK, Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.model import SequenceSet
from mailsuite.store import Copied


async def copy(session: Session, numbers: SequenceSet, target: str) -> Reply:
    return await _copy(session, numbers, target, by_uid=False)


async def uid_copy(session: Session, numbers: SequenceSet, target: str) -> Reply:
    return await _copy(session, numbers, target, by_uid=True)


async def move(session: Session, numbers: SequenceSet, target: str) -> Reply:
    return await _move(session, numbers, target, by_uid=False)


async def uid_move(session: Session, numbers: SequenceSet, target: str) -> Reply:
    return await _move(session, numbers, target, by_uid=True)


async def _copy(session: Session, numbers: SequenceSet, target: str, *, by_uid: bool) -> Reply:
    """By numbers all of them, or none where one is gone that the client has not been told of."""
    view = session.selected
    uids = view.uids_in(view.resolve(numbers, by_uid=by_uid))
    copied = await session.store.copy(view.mailbox, uids, target, all_or_none=not by_uid)
    await session.note_own(target, copied.target_uids)
    if not copied.source_uids:
        return OK
    return Reply(code=await _copyuid(session, target, copied))


async def _move(session: Session, numbers: SequenceSet, target: str, *, by_uid: bool) -> Reply:
    """COPYUID comes before the EXPUNGE responses, which the session writes (RFC 6851 §4.3)."""
    view = session.selected
    uids = view.uids_in(view.resolve(numbers, by_uid=by_uid))
    moved = await session.store.move(view.mailbox, uids, target, origin=view.attachment)
    await session.note_own(target, moved.target_uids)
    if not moved.source_uids:
        return OK if by_uid or not uids else EXPUNGE_ISSUED
    if code := await _copyuid(session, target, moved):
        session.write(f"* OK [{code}] Moved\r\n".encode())
    return Reply(code=HIGHESTMODSEQ)


async def _copyuid(session: Session, target: str, copied: Copied) -> str:
    """The response code; none where UIDs are not to be known (RFC 4315 §5)."""
    if not await session.store.may_know(target):
        return ""
    source = response.sequence_set(copied.source_uids).decode()
    target = response.sequence_set(copied.target_uids).decode()
    return f"COPYUID {copied.uidvalidity} {source} {target}"
