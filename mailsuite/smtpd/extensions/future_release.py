"""FUTURERELEASE: mail of our users that is to wait here before it goes out (RFC 4865).

HOLDUNTIL names a time to come (§3): one that has passed is refused as every other invalid one.
"""

import re
from datetime import UTC, datetime

from mailsuite.smtpd.model import Extension, Transaction
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

_SECONDS = re.compile(r"[1-9][0-9]{0,8}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", re.ASCII | re.IGNORECASE)

BAD_HOLDFOR = reply(501, "5.5.4", "HOLDFOR wants a number of seconds, up to nine digits")
BAD_HOLDUNTIL = reply(501, "5.5.4", "HOLDUNTIL wants a time in UTC such as 2030-01-31T08:00:00Z")
TWICE = reply(501, "5.5.4", "HOLDFOR or HOLDUNTIL, not both")
PASSED = reply(501, "5.5.4", "HOLDUNTIL wants a time to come")
TOO_LATE = reply(501, "5.5.4", "That is longer than mail is held here, see FUTURERELEASE in EHLO")
NOT_HERE = reply(555, "5.5.4", "Mail is not held here")


def offered(session: SmtpSession) -> bool:
    """On submission, where the settings allow it."""
    settings = session.context.settings
    return settings.submission and settings.max_hold > 0


def _announce(session: SmtpSession) -> str | None:
    if not offered(session):
        return None
    seconds = int(session.context.settings.max_hold)
    last = datetime.fromtimestamp(session.context.clock.now() + seconds, UTC)
    return f"FUTURERELEASE {seconds} {last:%Y-%m-%dT%H:%M:%SZ}"


def _hold_for(session: SmtpSession, transaction: Transaction, value: str | None) -> Reply | None:
    if not _SECONDS.fullmatch(value or ""):
        return BAD_HOLDFOR if offered(session) else NOT_HERE
    until = session.context.clock.now() + int(value or "")
    return _hold(session, transaction, until, f"for;{value}")


def _hold_until(session: SmtpSession, transaction: Transaction, value: str | None) -> Reply | None:
    try:
        if not _MOMENT.fullmatch(value or ""):
            raise ValueError
        until = datetime.fromisoformat((value or "").upper()).timestamp()
    except ValueError:
        return BAD_HOLDUNTIL if offered(session) else NOT_HERE
    return _hold(session, transaction, until, f"until;{value}")


def _hold(session: SmtpSession, transaction: Transaction, until: float, asked: str) -> Reply | None:
    if not offered(session):
        return NOT_HERE
    if transaction.hold_until is not None:
        return TWICE
    now = session.context.clock.now()
    if until <= now:
        return PASSED
    if until > now + session.context.settings.max_hold:
        return TOO_LATE
    transaction.hold_until = until
    transaction.hold = asked
    return transaction.contradiction()


EXTENSION = Extension(_announce, mail={"HOLDFOR": _hold_for, "HOLDUNTIL": _hold_until})
