"""STARTTLS: the rest of the session is encrypted (RFC 3207)."""

from mailsuite.base.log import get_logger
from mailsuite.smtpd.model import Command
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

log = get_logger("smtpd")

READY = reply(220, "2.0.0", "Ready to start TLS")
ALREADY = reply(503, "5.5.1", "TLS is on already")
NOT_OFFERED = reply(502, "5.5.1", "STARTTLS is not offered here")


def offered(session: SmtpSession) -> bool:
    """There is a certificate, and TLS is not on yet."""
    return session.context.starttls is not None and not session.tls


async def starttls(session: SmtpSession, argument: str) -> Reply | None:
    """Go over to TLS and forget all that the client has said before (§4.2)."""
    if session.tls:
        return ALREADY
    if session.context.starttls is None:
        return NOT_OFFERED
    await session.reset()
    try:
        await session.start_tls(session.context.starttls, READY.render())
    except OSError as error:
        log.info("TLS handshake failed", client=session.peer, why=str(error))
        session.end()
        return None
    session.context.counters.tls += 1
    session.forget()
    return None


COMMAND = Command(
    starttls,
    "STARTTLS",
    "Goes over to TLS; say EHLO again afterwards.",
    no_argument=True,
    in_clear=True,
    offered=offered,
)
