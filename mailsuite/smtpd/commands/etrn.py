"""ETRN: a host that is not always there asks that its mail be sent now (RFC 1985).

The mail goes to where it always goes, never over this connection, so that nobody needs to sign in;
which domains may be asked for is a setting. Mail whose sender has it held is not let go.
"""

from mailsuite.base.log import get_logger
from mailsuite.message import among, normalise_domain
from mailsuite.smtpd.grammar import ascii_text
from mailsuite.smtpd.model import Command
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

log = get_logger("smtpd")
SYNTAX = "ETRN domain, or @domain for all below it too"

BAD_SYNTAX = reply(501, "5.5.4", f"Syntax: {SYNTAX}")
IN_TRANSACTION = reply(503, "5.5.1", "ETRN is not permitted during a mail transaction")
NOT_HERE = reply(502, "5.5.1", "ETRN is not offered here")
UNABLE = reply(458, "4.3.0", "Unable to start the queue now, try again later")


def offered(session: SmtpSession) -> bool:
    """There are domains that may be asked for; never on submission (RFC 6409 §7)."""
    settings = session.context.settings
    return bool(settings.etrn) and not settings.submission


async def etrn(session: SmtpSession, argument: str) -> Reply:
    """Start the queue run."""
    context = session.context
    if not offered(session):
        return NOT_HERE
    if session.envelope.mail_from is not None:
        return IN_TRANSACTION
    below = argument.startswith("@")
    try:
        domain = normalise_domain(argument.removeprefix("@").removesuffix("."))
    except ValueError:
        return BAD_SYNTAX
    if not among(domain, context.settings.etrn):
        log.info("ETRN refused", client=session.peer, domain=domain)
        return reply(459, "4.7.1", f"Node {ascii_text(domain)} not allowed: not in the settings")
    try:
        # Its mail waits because it was away: that nobody was there a moment ago counts no more.
        context.reach({domain, f".{domain}"} if below else {domain})
        waiting = await context.queue.retry_domain(domain, below=below)
    except Exception:
        log.exception("ETRN failed", client=session.peer, domain=domain)
        context.counters.failures += 1
        return UNABLE
    log.info("ETRN", client=session.peer, domain=domain, below=below, recipients=waiting)
    if not waiting:
        return reply(251, "2.0.0", f"OK, no messages waiting for node {ascii_text(domain)}")
    return reply(253, "2.0.0", f"OK, {waiting} pending messages for node {domain} started")


COMMAND = Command(
    etrn,
    SYNTAX,
    "Has the mail that waits for a domain sent now.",
    needs_hello=True,
    idle=True,
    offered=offered,
)
