"""SMTPUTF8: internationalised addresses and headers (RFC 6531)."""

from mailsuite.smtpd.model import Extension, Transaction
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

NO_VALUE = reply(501, "5.5.4", "SMTPUTF8 takes no value")


def _smtputf8(session: SmtpSession, transaction: Transaction, value: str | None) -> Reply | None:
    if value is not None:
        return NO_VALUE
    transaction.smtp_utf8 = True
    return None


EXTENSION = Extension(lambda session: "SMTPUTF8", mail={"SMTPUTF8": _smtputf8})
