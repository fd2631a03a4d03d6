"""Mailboxes as such: CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS.

RFC 3501 §6.3.3-6.3.7, §6.3.10, RFC 6154 §3, RFC 8438, RFC 8474 §4.
"""

from __future__ import annotations

from mailsuite.imapd.object_id import mailbox_id
from mailsuite.imapd.reply import OK, No, Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import response
from mailsuite.store import CannotChange, Status

STATUS_ITEMS = {
    "MESSAGES": "messages",
    "RECENT": "recent",
    "UIDNEXT": "uidnext",
    "UIDVALIDITY": "uidvalidity",
    "UNSEEN": "unseen",
    "DELETED": "deleted",
    "DELETED-STORAGE": "deleted_size",
    "SIZE": "size",
    "HIGHESTMODSEQ": "highestmodseq",
}


async def create(session: Session, name: str, special_uses: tuple[str, ...]) -> Reply:
    """A trailing "/" only says that levels below are to come (RFC 3501 §6.3.3)."""
    if len(special_uses) > 1:
        raise No("A mailbox has one special use", "USEATTR")
    use = special_uses[0] if special_uses else None
    try:
        made = await session.store.create(name.removesuffix("/"), special_use=use)
    except CannotChange:
        if use is None:
            raise
        raise No("This special use is not to be had", "USEATTR") from None
    return Reply(code=mailbox_id(made))


async def delete(session: Session, name: str) -> Reply:
    view = session.view
    await session.store.delete(name)
    if view is not None and view.deleted:
        # Its own selected mailbox: nothing is selected any more (RFC 9051 §3, event 6).
        session.deselect()
        session.write(b"* OK [CLOSED] The selected mailbox is gone\r\n")
    return OK


async def rename(session: Session, old: str, new: str) -> Reply:
    new = new.removesuffix("/")
    await session.store.rename(old, new)
    if session.enabled.rev2:  # RFC 9051 §6.3.9.7
        names = [response.mailbox(name, utf8=True) for name in (new, old)]
        session.write(b'* LIST () "/" %b ("OLDNAME" (%b))\r\n' % tuple(names))
    return OK


async def subscribe(session: Session, name: str) -> Reply:
    """Whether the mailbox exists or not (RFC 3501 §6.3.6 leaves it to the server)."""
    await session.store.subscribe(name.removesuffix("/"))
    return OK


async def unsubscribe(session: Session, name: str) -> Reply:
    await session.store.unsubscribe(name.removesuffix("/"))
    return OK


async def status(session: Session, name: str, items: tuple[str, ...]) -> Reply:
    if "HIGHESTMODSEQ" in items:
        session.enable_condstore()
    found = await session.store.status(name)
    session.write(status_response(session, name, items, found))
    return OK


def status_response(session: Session, name: str, items: tuple[str, ...], found: Status) -> bytes:
    """Untagged STATUS."""
    values = " ".join([_status_value(session, item, found) for item in items])
    mailbox = response.mailbox(name, utf8=session.utf8)
    return b"* STATUS %b (%b)\r\n" % (mailbox, values.encode())


def _status_value(session: Session, item: str, found: Status) -> str:
    if item == "MAILBOXID":
        return mailbox_id(found.mailboxid)
    if item == "APPENDLIMIT":  # RFC 7889; the same for all mailboxes
        return f"APPENDLIMIT {session.door.settings.limits.literal}"
    return f"{item} {getattr(found, STATUS_ITEMS[item])}"
