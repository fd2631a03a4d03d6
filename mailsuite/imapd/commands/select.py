"""SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3501 §6.3.1, §6.3.2, §6.4.2, RFC 3691)."""

from __future__ import annotations

from mailsuite.imapd.reply import OK, Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.view import View


async def select(session: Session, name: str) -> Reply:
    return await _select(session, name, read_only=False)


async def examine(session: Session, name: str) -> Reply:
    return await _select(session, name, read_only=True)


async def _select(session: Session, name: str, *, read_only: bool) -> Reply:
    # Also when the new one can't be selected, the old one no longer is (RFC 3501 §6.3.1).
    if session.view is not None:
        session.deselect()
        if session.enabled & {"IMAP4REV2", "QRESYNC"}:
            session.write(b"* OK [CLOSED] Previous mailbox closed\r\n")
    chosen = await session.store.open(name)
    view = View(chosen, read_only=read_only, who=session.store.view_of(chosen))
    session.select(view)
    mailbox = view.mailbox
    known_flags, permanent_flags = view.known_flags()
    session.write(known_flags)
    session.write(b"* %d EXISTS\r\n" % view.exists)
    session.write(b"* %d RECENT\r\n" % len(view.attachment.recent))
    if (unseen := view.first_unseen()) is not None:
        session.write(b"* OK [UNSEEN %d] First unseen message\r\n" % unseen)
    session.write(permanent_flags)
    session.write(b"* OK [UIDVALIDITY %d] UIDs valid\r\n" % mailbox.uidvalidity)
    session.write(b"* OK [UIDNEXT %d] Predicted next UID\r\n" % mailbox.uidnext)
    return Reply(code="READ-ONLY" if view.read_only else "READ-WRITE")


async def close(session: Session) -> Reply:
    r"""Removes what is \Deleted without a word; nothing after EXAMINE (RFC 3501 §6.4.2).

    Nor without the right "e" (RFC 4314 §4).
    """
    view = session.selected
    if not view.read_only and not view.deleted and "e" in view.rights:
        await view.mailbox.expunge(None, only_deleted=True, origin=view.attachment)
    session.deselect()
    return OK


async def unselect(session: Session) -> Reply:
    session.deselect()
    return OK
