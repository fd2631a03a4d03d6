"""SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3501 §6.3.1, §6.3.2, §6.4.2, RFC 3691).

With CONDSTORE and QRESYNC as parameters (RFC 7162 §3.1.8, §3.2.5).
"""

from __future__ import annotations

from mailsuite.base import ranges
from mailsuite.imapd.commands.list_ import selected_response
from mailsuite.imapd.object_id import mailbox_id
from mailsuite.imapd.reply import OK, Bad, Reply, uid_required
from mailsuite.imapd.resync import earlier, known, unmoved
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax.model import Resync, SelectArguments
from mailsuite.imapd.view import View, batches

BATCH = 5000
"""Answers written before other sessions get their turn."""


async def select(session: Session, arguments: SelectArguments) -> Reply:
    return await _select(session, arguments, read_only=False)


async def examine(session: Session, arguments: SelectArguments) -> Reply:
    return await _select(session, arguments, read_only=True)


async def _select(session: Session, arguments: SelectArguments, *, read_only: bool) -> Reply:
    if arguments.resync is not None:
        if not session.enabled.qresync:
            raise Bad("ENABLE QRESYNC first")
        if arguments.resync.matches is not None and session.enabled.uid_only:
            raise uid_required()
    # Also when the new one can't be selected, the old one no longer is (RFC 3501 §6.3.1).
    if session.view is not None:
        session.deselect()
        session.write(b"* OK [CLOSED] Previous mailbox closed\r\n")
    if arguments.condstore:
        session.enable_condstore()
    listed = b""
    if session.enabled.rev2:
        listed = await selected_response(session, arguments.mailbox, arguments.given)
    chosen = await session.store.open(arguments.mailbox, claim=not read_only)
    who = session.store.view_of(chosen)
    view = View(chosen, read_only=read_only, who=who, enabled=session.enabled)
    session.select(view)
    _introduce(session, view)
    session.write(listed)
    if arguments.resync is not None and arguments.resync.uidvalidity == chosen.uidvalidity:
        await _resync(session, view, arguments.resync)
    return Reply(code="READ-ONLY" if view.read_only else "READ-WRITE")


def _introduce(session: Session, view: View) -> None:
    mailbox = view.mailbox
    known_flags, permanent_flags = view.known_flags()
    session.write(known_flags)
    session.write(b"* %d EXISTS\r\n" % view.exists)
    if not session.enabled.rev2:
        session.write(b"* %d RECENT\r\n" % len(view.attachment.recent))
    if not (session.enabled.rev2 or session.enabled.uid_only) and (unseen := view.first_unseen()):
        session.write(b"* OK [UNSEEN %d] First unseen message\r\n" % unseen)
    session.write(permanent_flags)
    session.write(b"* OK [UIDVALIDITY %d] UIDs valid\r\n" % mailbox.uidvalidity)
    session.write(b"* OK [UIDNEXT %d] Predicted next UID\r\n" % mailbox.uidnext)
    session.write(b"* OK [HIGHESTMODSEQ %d] Highest\r\n" % mailbox.highestmodseq)
    session.write(b"* OK [%b] Ok\r\n" % mailbox_id(mailbox.mailboxid).encode())
    session.write(b"* OK [URLMECH INTERNAL] Ok\r\n")  # RFC 4467 §8


async def _resync(session: Session, view: View, client: Resync) -> None:
    """What the client has missed: as UID FETCH known (FLAGS) (CHANGEDSINCE n VANISHED) tells it."""
    uids = known(view, client.known)
    gone = uids
    if client.matches is not None:
        above = unmoved(view, *client.matches)
        gone = ranges.both(uids, [range(above + 1, view.mailbox.uidnext + 1)])
    session.write_all(await earlier(view, client.modseq, gone))
    places = (range(*map(view.place, (piece.start, piece.stop))) for piece in uids)
    since = view.mailbox.known_since(client.modseq)
    for positions in batches(view.changed_since(places, since), BATCH):
        session.write_all(view.flags_line(p + 1, view.uids[p]) for p in positions)
        await session.breathe()


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
