"""CATENATE: messages put together on the server, of new text and of octets at URLs (RFC 4469).

Promises: octets are copied as they are and never held in memory; a URL that names nothing ends the
command before anything is appended.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailsuite.imapd import urls
from mailsuite.imapd.reply import No
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax.model import StoredLiteral, UrlPart
from mailsuite.imapd.syntax.url import parse_url
from mailsuite.store import TempMessage


async def put_together(
    session: Session, parts: Sequence[StoredLiteral | bytes | UrlPart], into: TempMessage
) -> bool:
    """Write all parts into an empty `into`; True if one of them was a literal8.

    Raises No with BADURL or TOOBIG.
    """
    limit = session.door.settings.limits.literal
    binary = False
    for part in parts:
        if isinstance(part, UrlPart):
            with await _named(session, part.url) as named:
                _check(into.size + named.size, limit)
                async for piece in named.pieces():
                    await into.write(piece)
            continue
        if not isinstance(part, StoredLiteral) or not isinstance(part.sink, TempMessage):
            raise TypeError(f"unexpected {type(part).__name__}")
        _check(into.size + part.size, limit)
        binary |= part.binary
        async for piece in part.sink.pieces():
            await into.write(piece)
    return binary


def _check(size: int, limit: int) -> None:
    if size > limit:
        raise No("Message too large", "TOOBIG")


async def _named(session: Session, text: str) -> urls.Named:
    """What a URL names, for this session: on this server, of this account (RFC 4469 §3)."""
    try:
        url = parse_url(text)
        mailbox = url.mailbox
        if mailbox is None and session.view is not None:
            mailbox = session.store.title(session.view.mailbox.account, session.view.mailbox.name)
        foreign = url.host is not None and not session.is_own(url.user, url.host)
        if mailbox is None or foreign or url.access is not None:
            raise urls.BadUrl("not a message of this account")
        return await urls.find(session.store, mailbox, url)
    except (ValueError, urls.BadUrl):
        raise No("Nothing is to be had at this URL", _code(text)) from None


def _code(url: str) -> str:
    """BADURL with the URL, as far as it can stand in a response code (§5 `url-resp-text`)."""
    safe = "".join(c for c in url if " " < c <= "~" and c not in '\\"]')
    return f'BADURL "{safe[:1000]}"'
