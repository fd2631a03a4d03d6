"""GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208).

An account's mailboxes have one quota root, named after the account. Without limits it is there all
the same, with an empty list (§4.2.1). Of others' mailboxes no root is told: what their owners keep
in all is confidential (§8). Only the operator sets limits, at the command line; so QUOTASET is not
announced, and SETQUOTA tells why it fails.
"""

from __future__ import annotations

from mailsuite.imapd.reply import OK, No, Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import response
from mailsuite.store import AccountStore

UNIT = 1024
"""Octets that STORAGE counts in (§5.1)."""


async def getquota(session: Session, root: str) -> Reply:
    if root != session.account:
        raise No("No such quota root", "NONEXISTENT")
    session.write(await _quota(session.store.own))
    return OK


async def getquotaroot(session: Session, name: str) -> Reply:
    """The mailbox need not exist (§4.1.2). Another account's: right "r" (§6)."""
    store = (await session.store.need(name, "r")).store
    mailbox = response.mailbox(name, utf8=session.utf8)
    if store is not session.store.own:
        session.write(b"* QUOTAROOT %b\r\n" % mailbox)
        return OK
    session.write(b"* QUOTAROOT %b %b\r\n" % (mailbox, _root(store)))
    session.write(await _quota(store))
    return OK


async def setquota(session: Session, root: str, limits: tuple[tuple[str, int], ...]) -> Reply:
    raise No("Only the operator sets limits", "NOPERM")


def _root(store: AccountStore) -> bytes:
    return response.string(store.address.encode())


async def _quota(store: AccountStore) -> bytes:
    limits, usage = store.quota(), await store.usage()
    resources = []
    if limits.storage is not None:
        used = -(-usage.storage // UNIT)
        resources.append(b"STORAGE %d %d" % (used, limits.storage // UNIT))
    if limits.messages is not None:
        resources.append(b"MESSAGE %d %d" % (usage.messages, limits.messages))
    return b"* QUOTA %b (%b)\r\n" % (_root(store), b" ".join(resources))
