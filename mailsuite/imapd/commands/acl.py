"""SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314).

The owner of a mailbox has all rights in it, always: that entry cannot be changed. Identifiers are
addresses of accounts (the domain may be left away where it is the owner's), `anyone` and
`authenticated`, each with "-" before it for rights that are taken away.
"""

from __future__ import annotations

from collections.abc import Container

from mailsuite.accounts import AccountRow
from mailsuite.imapd import rights as letters
from mailsuite.imapd.namespace import Place, made
from mailsuite.imapd.reply import OK, Bad, No, Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import response
from mailsuite.sasl.saslprep import saslprep
from mailsuite.store import EVERYBODY, RIGHTS, Acl, sharing


async def setacl(
    session: Session, name: str, identifier: bytes, operation: str, rights: str
) -> Reply:
    try:
        rights = letters.expanded(rights)
    except ValueError as unknown:
        raise Bad(f"The right {str(unknown)!r} is not supported") from None
    place = await _administered(session, name)
    who = _known(session, place, identifier)
    since = made(session.door.directory, who.removeprefix("-"))
    await session.door.store.sharing.change(
        place.store, place.name, who, operation, rights, since=since
    )
    return OK


async def deleteacl(session: Session, name: str, identifier: bytes) -> Reply:
    """Also of an account that is no longer there."""
    place = await _administered(session, name)
    lists = await sharing.lists(place.store)
    who = _canonical(session, place, identifier)
    if who not in lists.get(place.name, Acl()).entries:
        who = _known(session, place, identifier)
    await session.door.store.sharing.change(place.store, place.name, who, "", "")
    return OK


async def getacl(session: Session, name: str) -> Reply:
    place = await _administered(session, name)
    acl = (await sharing.lists(place.store)).get(place.name, Acl())
    entries = {place.store.address: RIGHTS}
    for who in acl.entries:  # as they count now
        entries[who] = acl.standing(who, made(session.door.directory, who.removeprefix("-")))
    pairs = b" ".join(
        response.astring(who.encode()) + b" " + letters.told(rights).encode()
        for who, rights in entries.items()
        if rights
    )
    session.write(b"* ACL %b %b\r\n" % (_mailbox(session, name), pairs))
    return OK


async def listrights(session: Session, name: str, identifier: bytes) -> Reply:
    """What can be granted: each right by itself, none to be had by all (§3.7)."""
    place = await _administered(session, name)
    who = _canonical(session, place, identifier)
    if who == place.store.address:
        rights = letters.told(RIGHTS).encode()
    else:
        _known(session, place, identifier)
        rights = b'"" ' + " ".join(letters.told(RIGHTS)).encode()
    given = response.astring(identifier)
    session.write(b"* LISTRIGHTS %b %b %b\r\n" % (_mailbox(session, name), given, rights))
    return OK


async def myrights(session: Session, name: str) -> Reply:
    """For whoever has any right but those of no use by themselves (§4)."""
    place = await session.store.place(name)
    if place.store is session.store.own or not place.rights & set("lrikxa"):
        place = await session.store.need(name, "l")
        await place.store.require(place.name)
    session.write(myrights_response(session, name, place.rights))
    return OK


def myrights_response(session: Session, name: str, rights: Container[str]) -> bytes:
    """Untagged MYRIGHTS (§3.8); also for LIST (RFC 8440)."""
    told = letters.told("".join(right for right in RIGHTS if right in rights)).encode()
    return b"* MYRIGHTS %b %b\r\n" % (_mailbox(session, name), told)


async def _administered(session: Session, name: str) -> Place:
    place = await session.store.need(name, "a")
    await place.store.require(place.name)
    return place


def _mailbox(session: Session, name: str) -> bytes:
    return response.mailbox(name, utf8=session.utf8)


def _canonical(session: Session, place: Place, identifier: bytes) -> str:
    """The identifier as it is kept. Raises Bad for what can be none."""
    try:
        text = saslprep(identifier.decode())  # §3
    except ValueError:
        raise Bad("The identifier is not UTF-8, or no name") from None
    sign = "-" if text.startswith("-") else ""
    who = text.removeprefix("-")
    if not who or not who.isprintable() or " " in who:
        raise Bad("This can be no identifier")
    if who.lower() in EVERYBODY:
        return sign + who.lower()
    if "@" not in who:
        who = f"{who}@{place.store.address.rpartition('@')[2]}"
    row = session.door.directory.lookup(who)
    return sign + (row.address if isinstance(row, AccountRow) else who)


def _known(session: Session, place: Place, identifier: bytes) -> str:
    """The identifier as it is kept, of somebody who can be given rights. Raises Bad, No."""
    who = _canonical(session, place, identifier)
    account = who.removeprefix("-")
    if account == place.store.address:
        raise No("The owner has all rights, always", "CANNOT")
    if account not in EVERYBODY and not isinstance(
        session.door.directory.lookup(account), AccountRow
    ):
        raise No("No such account here", "CANNOT")
    return who
