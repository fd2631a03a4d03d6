"""LIMITS: how much one session may bring, told before it tries (RFC 9422)."""

from mailsuite.smtpd.model import Extension
from mailsuite.smtpd.session import SmtpSession


def _announce(session: SmtpSession) -> str:
    settings = session.context.settings
    return f"LIMITS MAILMAX={settings.max_messages} RCPTMAX={settings.max_recipients}"


EXTENSION = Extension(_announce)
