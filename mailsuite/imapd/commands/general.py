"""In any state: CAPABILITY, NOOP, LOGOUT, ID, ENABLE, NAMESPACE, CHECK.

RFC 3501 §6.1, §6.4.1, RFC 2971, RFC 5161, RFC 2342.
"""

from __future__ import annotations

from mailsuite.base.log import get_logger
from mailsuite.imapd.namespace import PREFIX
from mailsuite.imapd.reply import OK, Reply, from_store
from mailsuite.imapd.row import State
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import response
from mailsuite.store import StoreUnavailable

log = get_logger("imapd")
ID_FIELDS = 30
"""RFC 2971 §3.3: a client sends no more."""


async def capability(session: Session) -> Reply:
    session.write(b"* CAPABILITY " + session.capabilities() + b"\r\n")
    return OK


async def noop(session: Session) -> Reply:
    """What has happened is told by the session, as after every command. It always succeeds."""
    await look(session)
    return OK


async def look(session: Session) -> None:
    """See what other programs have done to the selected mailbox.

    Where nothing can be seen of the disk now, that is a warning: NOOP always succeeds (RFC 3501
    §6.1.2), and IDLE ends when the client says so.
    """
    if session.view is None:
        return
    try:
        await session.view.refresh()
    except StoreUnavailable as error:
        log.error("store unavailable", account=session.account, why=str(error))
        reply = from_store(error, try_create=False)
        session.write(f"* NO [{reply.code}] {reply.text}\r\n".encode())


check = noop
"""CHECK: everything is on the disk already when a command is answered."""


async def logout(session: Session) -> Reply:
    session.deselect()
    session.write(b"* BYE Goodbye\r\n")
    session.state = State.LOGOUT
    return OK


async def id_(session: Session, fields: tuple[tuple[str, str | None], ...] | None) -> Reply:
    """Says what we are; what the client says of itself helps whoever reads the log."""
    if fields:
        session.note_client({name.lower(): value for name, value in fields[:ID_FIELDS] if value})
    version = session.door.settings.version
    ours = b'"name" "mailsuite"'
    if version:
        ours += b' "version" ' + response.string(version.encode())
    session.write(b"* ID (" + ours + b")\r\n")
    return OK


async def enable(session: Session, names: tuple[str, ...]) -> Reply:
    """What is unknown is ignored (RFC 5161 §3.1).

    Tells what of its list is on now, also what was on before: to leave that out would say that it
    could not be switched on (§3.2).
    """
    can = [c.name for c in session.door.capabilities if c.can_enable and c.when(session)]
    known = {name.upper(): name for name in can}
    found = [name for name in dict.fromkeys(names) if name in known]
    if set(found) & {"CONDSTORE", "QRESYNC"}:
        session.enable_condstore()
    session.enabled.update(found)
    if session.enabled & {"METADATA", "METADATA-SERVER"}:
        session.door.announcer.join(session)
    session.write(" ".join(["* ENABLED", *map(known.__getitem__, found)]).encode() + b"\r\n")
    return OK


async def namespace(session: Session) -> Reply:
    """One personal namespace, with an empty prefix, and what others share."""
    prefix = response.string(PREFIX.encode())
    session.write(b'* NAMESPACE (("" "/")) ((%b "/")) NIL\r\n' % prefix)
    return OK
