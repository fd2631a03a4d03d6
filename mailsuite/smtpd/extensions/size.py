"""SIZE: the largest message, and the size that the client expects to send (RFC 1870)."""

from mailsuite.smtpd import reply as replies
from mailsuite.smtpd.model import Extension, Transaction
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

BAD_VALUE = reply(501, "5.5.4", "SIZE wants a number of octets")


def _announce(session: SmtpSession) -> str:
    return f"SIZE {session.context.settings.max_message_size}"


def _size(session: SmtpSession, transaction: Transaction, value: str | None) -> Reply | None:
    # size-value is 1*20DIGIT (§4)
    if value is None or len(value) > 20 or not (value.isascii() and value.isdigit()):
        return BAD_VALUE
    if int(value) > session.context.settings.max_message_size:
        return replies.TOO_LARGE
    transaction.size = int(value)
    return None


EXTENSION = Extension(_announce, mail={"SIZE": _size})
