"""MAIL: begins a transaction, with the reverse-path (RFC 5321 §4.1.1.2, RFC 6409 §4, §6.1)."""

from mailsuite.base.log import get_logger
from mailsuite.smtpd import reply as replies
from mailsuite.smtpd.grammar import mail_arguments
from mailsuite.smtpd.model import Command, Transaction
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

log = get_logger("smtpd")

NESTED = reply(503, "5.5.1", "A transaction is open already, RSET ends it")
# RFC 6531 §3.5 has 550 for MAIL, 553 for RCPT.
NEEDS_SMTPUTF8 = reply(550, "5.6.7", "Non-ASCII address needs SMTPUTF8")
NOT_YOURS = reply(550, "5.7.1", "Sender address does not belong to your account")
NO_PARAMETERS = reply(555, "5.5.4", "Parameters need EHLO")


async def mail(session: SmtpSession, argument: str) -> Reply:
    """Check path and parameters, then open the transaction."""
    context = session.context
    if context.settings.sign_in and session.session.account is None:
        return replies.AUTH_REQUIRED
    if session.envelope.mail_from is not None:
        return NESTED
    if session.messages >= context.settings.max_messages:
        return replies.TOO_MANY_MESSAGES
    if session.lasts_too_long:
        return replies.SESSION_TOO_LONG
    sender, parameters = mail_arguments(argument)
    transaction = Transaction()
    refusal = _parameters(session, transaction, parameters)
    if refusal is None:
        refusal = _sender(session, transaction, sender, argument)
    if refusal is None and transaction.hold_until is not None:
        refusal = await _held(session, transaction)
    if refusal is not None:
        context.counters.senders_refused += 1
        log.info(
            "sender refused",
            client=session.peer,
            helo=session.session.host_name,
            account=session.session.account,
            sender=sender,
            reply=refusal.text,
        )
        return refusal
    transaction.mail_from = sender
    session.envelope = transaction
    return replies.SENDER_OK


def _parameters(
    session: SmtpSession, transaction: Transaction, given: dict[str, str | None]
) -> Reply | None:
    if given and not session.session.extended_smtp:
        return NO_PARAMETERS
    for keyword, value in given.items():
        note = session.context.mail_parameters.get(keyword)
        if note is None:
            return reply(555, "5.5.4", f"MAIL parameter {keyword} is not known here")
        refusal = note(session, transaction, value)
        if refusal is not None:
            return refusal
    return None


def _sender(
    session: SmtpSession, transaction: Transaction, sender: str, argument: str
) -> Reply | None:
    # Looked for in what was sent: a U-label domain is an A-label by now.
    if not argument.isascii() and not transaction.smtp_utf8:
        return NEEDS_SMTPUTF8
    account = session.session.account
    if account is not None and not session.context.router.may_send_as(account, sender):
        return NOT_YOURS
    return None


async def _held(session: SmtpSession, transaction: Transaction) -> Reply | None:
    """What waits here to be let go is bounded for each account (RFC 4865 §6)."""
    account = session.session.account
    if account is None:
        return None
    held = await session.context.queue.held(account)
    most = session.context.settings.max_hold_size
    return replies.TOO_MUCH_HELD if held + max(1, transaction.size) > most else None


COMMAND = Command(
    mail,
    "MAIL FROM:<address> [parameters]",
    "Begins a message; <> is the sender of notices that must not be answered.",
    needs_hello=True,
    grouped=True,
)
