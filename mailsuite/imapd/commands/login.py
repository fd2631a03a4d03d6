"""STARTTLS, LOGIN, AUTHENTICATE (RFC 3501 §6.2, RFC 4959, RFC 5530).

Promises: no password is taken over a connection that others can read; a failed sign-in tells
nothing but that it failed, and takes longer each time.
"""

from __future__ import annotations

import asyncio

from mailsuite import sasl
from mailsuite.accounts import DirectoryUnavailable
from mailsuite.base.log import get_logger
from mailsuite.imapd.reply import Bad, No, Reply
from mailsuite.imapd.session import Goodbye, Session

log = get_logger("imapd")


async def starttls(session: Session) -> None:
    if session.connection.tls:
        raise Bad("TLS is active already")
    if session.door.tls is None:
        raise Bad("TLS is not available here")
    await session.start_tls(session.door.tls)


async def login(session: Session, name: str, password: str) -> Reply:
    if not session.secure:
        raise No("Start TLS first", "PRIVACYREQUIRED")
    return await _sign_in(session, sasl.Credentials("", name, password))


async def authenticate(session: Session, mechanism: str, initial: bytes | None) -> Reply:
    if mechanism not in sasl.mechanisms(secure=session.secure):
        if mechanism in sasl.mechanisms(secure=True):
            raise No("Start TLS first", "PRIVACYREQUIRED")
        raise No("No such authentication mechanism", "CANNOT")
    machine = sasl.start(mechanism)
    if machine is None:
        raise No("No such authentication mechanism", "CANNOT")
    outcome = machine.step(initial)
    while isinstance(outcome, sasl.Challenge):
        session.write(b"+ " + sasl.encode(outcome.data) + b"\r\n")
        line = await session.read_line(session.patience)
        if line == sasl.CANCEL:
            raise Bad("AUTHENTICATE cancelled")
        try:
            outcome = machine.step(sasl.decode(line))
        except ValueError:
            raise Bad("This is not base64") from None
    if isinstance(outcome, sasl.Failure):
        raise await _failed(session, outcome.text)
    return await _sign_in(session, outcome)


async def _sign_in(session: Session, given: sasl.Credentials) -> Reply:
    try:
        account = await session.door.directory.verify(given.authcid, given.password)
    except DirectoryUnavailable:
        log.exception("directory is not available")
        raise No("Cannot check passwords now, try again later", "UNAVAILABLE") from None
    if account is None:
        log.warning("sign-in failed", name=given.authcid, peer=session.connection.peer)
        raise await _failed(session, "Wrong name or password")
    if not given.acts_as(account):
        raise No("Nobody can act as somebody else", "AUTHORIZATIONFAILED")
    await session.sign_in(account)
    return Reply("Signed in", "CAPABILITY " + session.capabilities().decode())


async def _failed(session: Session, text: str) -> No:
    """The refusal, after a while that grows; ends the session when there were too many."""
    settings = session.door.settings
    session.failed_sign_ins += 1
    await asyncio.sleep(settings.failure_delay * 2 ** (session.failed_sign_ins - 1))
    if session.failed_sign_ins >= settings.sign_ins:
        raise Goodbye("Too many failed sign-ins")
    return No(text, "AUTHENTICATIONFAILED")
