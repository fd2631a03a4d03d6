"""DSN: what the sender wants to be told, and by what name (RFC 3461 §4; RFC 6533 §3 for ORCPT).

The values are kept as they were given, so that they can be passed on as they are.
"""

import re

from mailsuite.mail import decode_xtext
from mailsuite.smtpd.model import Extension, Transaction
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

MAX_ENVID = 100  # characters (§4.4)
MAX_ORCPT = 500  # characters (§4.2)
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+")
_PRINTABLE = re.compile(r"[ -~]+")
# RFC 6533 §3: utf-8-addr-xtext and, where the client asked for SMTPUTF8, utf-8-addr-unitext.
_UTF8_ADDRESS = re.compile(r"(?:[!-*,-<>-\[\]-~\u0080-\U0010ffff]|\\x\{[0-9A-Fa-f]{2,6}\})+")

BAD_RET = reply(501, "5.5.4", "RET is FULL or HDRS")
BAD_ENVID = reply(501, "5.5.4", "ENVID wants up to 100 characters of xtext, printable ASCII")
BAD_NOTIFY = reply(501, "5.5.4", "NOTIFY is NEVER, or a list of SUCCESS, FAILURE and DELAY")
BAD_ORCPT = reply(501, "5.5.4", "ORCPT wants a type, a semicolon and an address as xtext")
NEEDS_SMTPUTF8 = reply(553, "5.6.7", "Non-ASCII address needs SMTPUTF8")


def _ret(session: SmtpSession, transaction: Transaction, value: str | None) -> Reply | None:
    asked = (value or "").upper()
    if asked not in ("FULL", "HDRS"):
        return BAD_RET
    transaction.ret = asked
    return None


def _envid(session: SmtpSession, transaction: Transaction, value: str | None) -> Reply | None:
    if value is None or len(value) > MAX_ENVID or not _is_printable_xtext(value):
        return BAD_ENVID
    transaction.envid = value
    return None


def _notify(session: SmtpSession, transaction: Transaction, value: str | None) -> Reply | None:
    asked = tuple(dict.fromkeys((value or "").upper().split(",")))
    if asked != ("NEVER",) and not set(asked) <= {"SUCCESS", "FAILURE", "DELAY"}:
        return BAD_NOTIFY
    transaction.notify = asked
    return None


def _orcpt(session: SmtpSession, transaction: Transaction, value: str | None) -> Reply | None:
    kind, semicolon, address = (value or "").partition(";")
    if not semicolon or len(value or "") > MAX_ORCPT or not _ATOM.fullmatch(kind):
        return BAD_ORCPT
    if kind.lower() == "utf-8":
        if not address.isascii() and not transaction.smtp_utf8:
            return NEEDS_SMTPUTF8
        good = _UTF8_ADDRESS.fullmatch(address) is not None
    else:
        good = _is_printable_xtext(address)
    if not good:
        return BAD_ORCPT
    transaction.orcpt = value or ""
    return None


def _is_printable_xtext(value: str) -> bool:
    """Whether it is xtext of one or more printable characters (ASCII, as §4.4 and §4.2 want it)."""
    try:
        return _PRINTABLE.fullmatch(decode_xtext(value)) is not None
    except ValueError:
        return False


EXTENSION = Extension(
    lambda session: "DSN",
    mail={"RET": _ret, "ENVID": _envid},
    rcpt={"NOTIFY": _notify, "ORCPT": _orcpt},
)
