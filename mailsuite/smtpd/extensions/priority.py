"""MT-PRIORITY: which message is attempted before which (RFC 6710).

What is more urgent than others comes from our users only: a stranger's priority above 0 becomes 0,
and the reply to the message says so (§4.2, §7: X.3.6).
"""

import re

from mailsuite.smtpd.model import Extension, Transaction
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

_VALUE = re.compile(r"0|-?[1-9]")
BAD_VALUE = reply(501, "5.5.4", "MT-PRIORITY wants a number from -9 to 9")


def _priority(session: SmtpSession, transaction: Transaction, value: str | None) -> Reply | None:
    if not _VALUE.fullmatch(value or ""):
        return BAD_VALUE
    asked = int(value or "")
    transaction.priority = asked if session.context.settings.submission else min(asked, 0)
    transaction.priority_changed = transaction.priority != asked
    return None


EXTENSION = Extension(lambda session: "MT-PRIORITY", mail={"MT-PRIORITY": _priority})
