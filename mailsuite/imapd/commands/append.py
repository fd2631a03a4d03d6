"""APPEND, also of several messages at once (RFC 3501 §6.3.11, RFC 3502, RFC 4315 APPENDUID).

A literal8 may hold NUL octets (RFC 3516): the parts that do are kept in base64.

Promises: octets are asked for only when the mailbox is there and size and quota allow them
(OVERQUOTA, RFC 9208 §4.3.1); they stream to the disk; all messages of a command are appended, or
none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from mailsuite.imapd.commands.catenate import put_together
from mailsuite.imapd.flags import settable_flags
from mailsuite.imapd.reply import Bad, No, Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import grammar, response
from mailsuite.imapd.syntax.model import AppendMessage, StoredLiteral
from mailsuite.imapd.syntax.receiver import LiteralAnnounced
from mailsuite.message import without_nul
from mailsuite.store import Appended, NewMessage, TempMessage

MAX_HEADER = 1 << 20
"""Octets that are looked at for UTF-8."""


async def admit(session: Session, announced: LiteralAnnounced) -> TempMessage:
    """Where the announced octets go."""
    target = grammar.literal_target(announced.chunks, utf8=session.utf8)
    if target is None:
        raise Bad("No literal expected here")
    if announced.size == 0 and not target.catenates:
        raise No("A message can't be empty")
    if target.before + announced.size > session.door.settings.limits.literal:
        raise No("Message too large", "TOOBIG")
    earlier = [chunk.size for chunk in announced.chunks if isinstance(chunk, StoredLiteral)]
    messages, octets = len(earlier) + 1, sum(earlier) + announced.size
    if target.command != "APPEND":  # what is replaced makes room, which is known only then
        messages = octets = 0
    await session.store.admit(target.mailbox, messages, octets)
    return await session.store.new_temp()


async def append(session: Session, name: str, messages: tuple[AppendMessage, ...]) -> Reply:
    async with prepared(session, name, messages) as new:
        appended = await session.store.append(name, new)
    await session.note_own(name, appended.uids)
    return Reply(code=await appenduid(session, name, appended))


async def appenduid(session: Session, target: str, appended: Appended) -> str:
    """The response code (RFC 4315 §3), without brackets; none where UIDs are not to be known."""
    if not await session.store.may_know(target):
        return ""
    return f"APPENDUID {appended.uidvalidity} {response.sequence_set(appended.uids).decode()}"


@asynccontextmanager
async def prepared(
    session: Session, target: str, messages: Sequence[AppendMessage]
) -> AsyncIterator[list[NewMessage]]:
    """The messages as the store takes them; what was put together for it is cleared away after."""
    made: list[TempMessage] = []
    try:
        if any(isinstance(message.source, tuple) for message in messages):
            # URLs are looked at only if the mailbox is there.
            await session.store.admit(target, 0, 0)
        yield [await _new(session, message, made) for message in messages]
    finally:
        for temp in made:
            await temp.discard()


async def _new(session: Session, message: AppendMessage, made: list[TempMessage]) -> NewMessage:
    flags = settable_flags(message.flags)
    source = message.source
    if isinstance(source, tuple):
        temp = await session.store.new_temp()
        made.append(temp)
        binary = await put_together(session, source, temp)
        if not temp.size:
            raise No("A message can't be empty")
    elif isinstance(source, StoredLiteral) and isinstance(source.sink, TempMessage):
        temp, binary = source.sink, source.binary
    else:
        raise TypeError(f"unexpected {type(source).__name__}")
    if binary:
        try:
            await temp.rewrite(without_nul)
        except ValueError:
            raise No("A NUL octet stands where it cannot be kept", "UNKNOWN-CTE") from None
    if not session.utf8 and await _is_international(temp):
        raise No("UTF-8 in header fields: ENABLE UTF8=ACCEPT first", "CANNOT")
    date, zone = message.date or (None, 0)
    return NewMessage(temp, flags, date, zone, exact=binary)


async def _is_international(temp: TempMessage) -> bool:
    """There is UTF-8 in the header (RFC 6532): refused unless it is enabled (RFC 9755 §4).

    Other 8-bit octets are taken: old mail has them, and no client could do anything about it.
    """
    header = b""
    async for piece in temp.pieces():
        header += piece
        end = header.find(b"\r\n\r\n")
        if end >= 0 or len(header) > MAX_HEADER:
            header = header[: end if end >= 0 else MAX_HEADER]
            break
    if header.isascii():
        return False
    try:
        header.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
