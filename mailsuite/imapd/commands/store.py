"""STORE and UID STORE (RFC 3501 §6.4.6): flags of many messages at once."""

from __future__ import annotations

from mailsuite.imapd.flags import check_flags
from mailsuite.imapd.reply import EXPUNGE_ISSUED, OK, No, Reply
from mailsuite.imapd.rights import scope, settable
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax.model import StoreArguments
from mailsuite.imapd.view import batches

BATCH = 5000
"""Answers written before other sessions get their turn."""


async def store(session: Session, arguments: StoreArguments) -> Reply:
    return await _store(session, arguments, by_uid=False)


async def uid_store(session: Session, arguments: StoreArguments) -> Reply:
    return await _store(session, arguments, by_uid=True)


async def _store(session: Session, arguments: StoreArguments, *, by_uid: bool) -> Reply:
    view = session.selected
    flags = check_flags(arguments.flags)
    ranges = view.resolve(arguments.numbers, by_uid=by_uid)
    uids = view.uids_in(ranges)
    operation = arguments.operation
    rights = view.rights
    if flags and not settable(flags, rights):
        # With a right to change any of them, the others are passed over (RFC 4314 §4).
        raise No("You have not the right to change these flags", "NOPERM")
    await view.mailbox.store_flags(
        uids, operation, flags, within=scope(rights), origin=view.attachment
    )
    session.write_all(view.new_keywords())
    gone = False
    for positions in batches(ranges, BATCH):
        told = []
        for position in positions:
            uid = view.uids[position]
            if view.mailbox.index(uid) is None:
                gone = True
            elif not arguments.silent:
                told.append(uid)
                item = b"UID %d FLAGS" % uid if by_uid else b"FLAGS"
                line = b"* %d FETCH (%b %b)\r\n" % (position + 1, item, view.flags(uid))
                session.write(line)
        view.told_flags(told)
        await session.breathe()
    return EXPUNGE_ISSUED if gone and not by_uid else OK
