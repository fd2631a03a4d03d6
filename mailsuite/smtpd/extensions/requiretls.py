"""REQUIRETLS: over authenticated TLS all the way, or not at all (RFC 8689).

Offered only where TLS is on: a promise about the way begins with this hop (§4.1, §4.2.1).
"""

from mailsuite.smtpd.model import Extension, Transaction
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

NO_VALUE = reply(501, "5.5.4", "REQUIRETLS takes no value")
NEEDS_TLS = reply(530, "5.7.0", "REQUIRETLS is for connections with TLS")


def _announce(session: SmtpSession) -> str | None:
    return "REQUIRETLS" if session.tls else None


def _require(session: SmtpSession, transaction: Transaction, value: str | None) -> Reply | None:
    if value is not None:
        return NO_VALUE
    if not session.tls:
        return NEEDS_TLS
    transaction.require_tls = True
    return None


EXTENSION = Extension(_announce, mail={"REQUIRETLS": _require})
