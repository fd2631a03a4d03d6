"""X-ORIGIN: the domain that programs of this machine write behind names without one.

A private agreement with `mailsuite sendmail` (RFC 5321 §4.1.5), told on the local socket only.
"""

from mailsuite.smtpd.model import Extension
from mailsuite.smtpd.session import SmtpSession


def _announce(session: SmtpSession) -> str | None:
    settings = session.context.settings
    if settings.kind != "local":
        return None
    return f"X-ORIGIN {session.context.router.origin(settings.hostname)}"


EXTENSION = Extension(_announce)
