"""EHLO, HELO and LHLO: the client says its name (RFC 5321 §4.1.1.1, RFC 2033 §4.1)."""

from dataclasses import replace

from mailsuite.smtpd.model import Command
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

MAX_NAME = 255
# RFC 2034 §4: no enhanced code in any reply to a hello.
WANTS_NAME = reply(501, "", "A hello wants one domain name or address literal")


async def ehlo(session: SmtpSession, argument: str) -> Reply:
    """Begin anew and announce the service extensions."""
    if not await _greet(session, argument, extended=True):
        return WANTS_NAME
    hostname = session.context.settings.hostname
    offered = (extension.announce(session) for extension in session.context.extensions)
    return Reply(250, "", (hostname, *(line for line in offered if line is not None)))


async def helo(session: SmtpSession, argument: str) -> Reply:
    """Begin anew, without extensions."""
    if not await _greet(session, argument, extended=False):
        return WANTS_NAME
    return reply(250, "", session.context.settings.hostname)


async def _greet(session: SmtpSession, name: str, *, extended: bool) -> bool:
    # Names that are no domain are common (Windows hosts) and must not be refused for not being
    # true either (§4.1.4): the name is only kept for Received and the log. Behind an address
    # literal some say more of themselves, as RFC 2821 had it (§4.1.1.1).
    if name.startswith("["):
        name = name.partition(" ")[0]
    if not name or len(name) > MAX_NAME or " " in name or not name.isprintable():
        return False
    await session.reset()
    session.session.host_name = name
    session.session.extended_smtp = extended
    return True


EHLO = Command(
    ehlo, "EHLO hostname", "Says hello and lists the extensions.", idle=True, in_clear=True
)
LHLO = replace(EHLO, syntax="LHLO hostname")
HELO = Command(helo, "HELO hostname", "Says hello as of old, without extensions.", idle=True)
