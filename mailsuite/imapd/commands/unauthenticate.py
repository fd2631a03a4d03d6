"""UNAUTHENTICATE (RFC 8437): the connection is as new, but for TLS; never answered with NO."""

from __future__ import annotations

from mailsuite.imapd.reply import Bad
from mailsuite.imapd.session import Session


async def unauthenticate(session: Session) -> None:
    if not session.door.settings.unauthenticate:
        raise Bad("Unknown command")
    session.sign_out()
