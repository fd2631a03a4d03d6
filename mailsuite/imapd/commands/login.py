"""STARTTLS, LOGIN, AUTHENTICATE (RFC 3501 §6.2, RFC 4959, RFC 5530).

Promises: no password is taken over a connection that others can read; a failed sign-in tells
nothing but that it failed, and takes longer each time.
"""

from __future__ import annotations

import asyncio

from mailsuite import sasl
from mailsuite.imapd.reply import Bad, No, Reply
from mailsuite.imapd.session import Goodbye, Session
from mailsuite.signin import Outcome, Refused, Why


async def starttls(session: Session) -> None:
    if session.connection.tls:
        raise Bad("TLS is active already")
    if session.door.tls is None:
        raise Bad("TLS is not available here")
    await session.start_tls(session.door.tls)


async def login(session: Session, name: str, password: str) -> Reply:
    if not session.secure:
        raise No("Start TLS first", "PRIVACYREQUIRED")
    given = sasl.Credentials("", name, password)
    return await _admit(session, await session.door.sign_in.password(session.client, given))


async def authenticate(session: Session, mechanism: str, initial: bytes | None) -> Reply:
    exchange = session.door.sign_in.start(mechanism, session.client)
    if exchange is None:
        if session.door.sign_in.needs_tls(mechanism, session.client):
            raise No("Start TLS first", "PRIVACYREQUIRED")
        raise No("No such authentication mechanism", "CANNOT")
    if initial is not None and not sasl.takes_initial(mechanism):
        raise Bad(f"{mechanism} takes no initial response")  # RFC 9051 §6.2.2, RFC 4959 §3
    outcome = await exchange.step(initial)
    while isinstance(outcome, bytes):
        session.write(b"+ " + sasl.encode(outcome) + b"\r\n")
        line = await session.read_line(session.patience)
        if line == sasl.CANCEL:
            raise Bad("AUTHENTICATE cancelled")
        try:
            response = sasl.decode(line)
        except ValueError:
            raise Bad("This is not base64") from None
        outcome = await exchange.step(response)
    return await _admit(session, outcome)


async def _admit(session: Session, outcome: Outcome) -> Reply:
    if isinstance(outcome, Refused):
        raise await _refuse(session, outcome)
    await session.sign_in(outcome.account)
    return Reply("Signed in", "CAPABILITY " + session.capabilities().decode())


async def _refuse(session: Session, outcome: Refused) -> No:
    """The refusal with its response code (RFC 5530 §3); ends the session after too many."""
    match outcome.why:
        case Why.UNAVAILABLE:
            return No(outcome.text, "UNAVAILABLE")
        case Why.BANNED:
            session.answer(session.tag, Reply(outcome.text, "LIMIT", "NO"))
            raise Goodbye("Too many failed sign-ins")
        case Why.FORBIDDEN:
            return No(outcome.text, "AUTHORIZATIONFAILED")
        case Why.WRONG | Why.MALFORMED:
            session.failed_sign_ins += 1
            await asyncio.sleep(outcome.wait)
            if session.failed_sign_ins >= session.door.settings.sign_ins:
                raise Goodbye("Too many failed sign-ins")
            return No(outcome.text, "AUTHENTICATIONFAILED")
