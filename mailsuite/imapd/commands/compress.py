"""COMPRESS DEFLATE (RFC 4978): everything is compressed from here on, both ways."""

from __future__ import annotations

from mailsuite.imapd.reply import Bad
from mailsuite.imapd.session import Session


async def compress(session: Session, algorithm: str) -> None:
    if algorithm != "DEFLATE":
        raise Bad("DEFLATE is the only algorithm")
    if session.wire.compressed:
        raise Bad("Compression is active already", "COMPRESSIONACTIVE")
    session.start_compression()
