"""BODY: octets above 127 (8BITMIME, RFC 6152), octets that form no lines (BINARYMIME, RFC 3030).

The former are taken without BODY=8BITMIME too: to refuse them helps nobody. Either way they are
kept as they are. The latter come by BDAT only.
"""

from mailsuite.smtpd.model import Extension, Transaction
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

VALUES = ("7BIT", "8BITMIME", "BINARYMIME")
BAD_VALUE = reply(501, "5.5.4", "BODY is 7BIT, 8BITMIME or BINARYMIME")


def _body(session: SmtpSession, transaction: Transaction, value: str | None) -> Reply | None:
    body = (value or "").upper()
    if body not in VALUES:
        return BAD_VALUE
    transaction.body = body
    return None


EXTENSION = Extension(lambda session: "8BITMIME", mail={"BODY": _body})
