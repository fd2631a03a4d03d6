"""RCPT: adds a forward-path to the transaction (RFC 5321 §4.1.1.3).

Mail for other domains is taken on submission only, whoever the client is and whatever network it
comes from: the smtp listener never relays, but for the domains that the settings name because their
hosts fetch their mail here. There a mailbox that is plainly full is refused for now
(RFC 3463 X.2.2), so that the sender's own server keeps the message and tries again; our users' mail
is taken, and waits in our queue.
"""

from dataclasses import replace

from mailsuite.base.log import get_logger
from mailsuite.mail import Remote, Route, Unknown
from mailsuite.message import among, domain_of
from mailsuite.smtpd import reply as replies
from mailsuite.smtpd.grammar import ascii_text, rcpt_arguments
from mailsuite.smtpd.lmtp import is_full
from mailsuite.smtpd.model import Command
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession
from mailsuite.smtpd.settings import Settings

log = get_logger("smtpd")

NO_MAIL = reply(503, "5.5.1", "MAIL comes first")
TOO_LATE = reply(503, "5.5.1", "The message has begun, RSET drops it")
TOO_MANY = reply(452, "4.5.3", "Too many recipients, send the message to the others again")
# RFC 5321 §4.5.3.1.10: a client may name all its recipients, and sends again to those that were too
# many. It must not lose the message because there were many of those.
EXCUSED = replace(TOO_MANY, blamed=False)
NEEDS_SMTPUTF8 = reply(553, "5.6.7", "Non-ASCII address needs SMTPUTF8")
NO_RELAY = reply(550, "5.7.1", "Relaying denied: that domain is not ours")
NO_PARAMETERS = reply(555, "5.5.4", "Parameters need EHLO")


async def rcpt(session: SmtpSession, argument: str) -> Reply:
    """Check path and parameters, then add the recipient."""
    transaction = session.envelope
    if transaction.mail_from is None:
        return NO_MAIL
    if transaction.chunks is not None:
        return TOO_LATE
    address, parameters = rcpt_arguments(argument)
    transaction.notify, transaction.orcpt = (), ""
    refusal = _parameters(session, parameters)
    if refusal is None:
        found = _recipient(session, address, argument)
        refusal = found if isinstance(found, Reply) else await _full(session, address, found)
    if refusal is not None:
        transaction.refused += 1
        session.context.counters.recipients_refused += 1
        log.info(
            "recipient refused",
            client=session.peer,
            helo=session.session.host_name,
            sender=transaction.mail_from,
            recipient=address,
            reply=refusal.text,
        )
        return refusal
    transaction.add(address)
    return replies.RECIPIENT_OK


def _parameters(session: SmtpSession, given: dict[str, str | None]) -> Reply | None:
    if given and not session.session.extended_smtp:
        return NO_PARAMETERS
    for keyword, value in given.items():
        note = session.context.rcpt_parameters.get(keyword)
        if note is None:
            return reply(555, "5.5.4", f"RCPT parameter {keyword} is not known here")
        refusal = note(session, session.envelope, value)
        if refusal is not None:
            return refusal
    return None


def _recipient(session: SmtpSession, address: str, argument: str) -> Reply | Route:
    """Where the address leads, or why it is refused."""
    context = session.context
    if not argument.isascii() and not session.envelope.smtp_utf8:
        return NEEDS_SMTPUTF8
    # Every RCPT counts (RCPTMAX, RFC 9422), of an address named twice as well: all are remembered.
    if len(session.envelope.accepted) >= context.settings.max_recipients:
        return EXCUSED if session.envelope.refused < context.settings.max_recipients else TOO_MANY
    route = context.router.accept(address)
    if isinstance(route, Unknown):
        return reply(550, "5.1.1", f"<{ascii_text(address)}>: no such mailbox here")
    if isinstance(route, Remote) and not _may_relay(context.settings, address):
        return NO_RELAY
    return route


def _may_relay(settings: Settings, address: str) -> bool:
    if settings.submission:
        return True
    # LMTP never relays, whosever mail waits here to be asked for.
    return not settings.lmtp and among(domain_of(address), settings.relayed)


async def _full(session: SmtpSession, address: str, route: Route) -> Reply | None:
    context = session.context
    if context.settings.submission:
        return None
    if await is_full(context, route, session.envelope.size):
        return reply(452, "4.2.2", f"<{ascii_text(address)}>: the mailbox is full, try again later")
    return None


COMMAND = Command(
    rcpt,
    "RCPT TO:<address> [parameters]",
    "Names one recipient of the message; give it once for each.",
    needs_hello=True,
    grouped=True,
)
