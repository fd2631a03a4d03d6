"""AUTH: the mechanisms, and MAIL's AUTH parameter (RFC 4954 §3, §5)."""

import re

from mailsuite.smtpd.commands.auth import offered
from mailsuite.smtpd.model import Extension, Transaction
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-Fa-f]{2})+")
BAD_VALUE = reply(501, "5.5.4", "AUTH wants an address as xtext, or <>")


def _announce(session: SmtpSession) -> str | None:
    names = offered(session)
    return f"AUTH {' '.join(names)}" if names else None


def _auth(session: SmtpSession, transaction: Transaction, value: str | None) -> Reply | None:
    # Who a relaying client says has written the message. No user is trusted to say that for
    # others, so it is as if it said <> (§5), and nothing is passed on.
    if not session.context.settings.sign_in:
        return reply(555, "5.5.4", "MAIL parameter AUTH is not known here")
    if value is None or not _XTEXT.fullmatch(value):
        return BAD_VALUE
    return None


EXTENSION = Extension(_announce, mail={"AUTH": _auth})
