"""DELIVERBY: what is not delivered by then goes back, or its sender is told (RFC 2852)."""

import re

from mailsuite.mail import DeliverBy
from mailsuite.smtpd.model import Extension, Transaction
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

_VALUE = re.compile(r"([+-]?[0-9]{1,9});([NR])(T?)", re.IGNORECASE)

BAD_VALUE = reply(501, "5.5.4", "BY wants seconds, a semicolon, N or R, and perhaps T")
PASSED = reply(501, "5.5.4", "BY in mode R wants more than 0 seconds")


def _by(session: SmtpSession, transaction: Transaction, value: str | None) -> Reply | None:
    found = _VALUE.fullmatch(value or "")
    if found is None:
        return BAD_VALUE
    seconds, mode = int(found[1]), found[2].upper()
    if mode == "R" and seconds <= 0:
        return PASSED  # §4: by-time MUST be greater than zero then
    transaction.deliver_by = DeliverBy(session.context.clock.now() + seconds, mode, bool(found[3]))
    return transaction.contradiction()


EXTENSION = Extension(lambda session: "DELIVERBY", mail={"BY": _by})
