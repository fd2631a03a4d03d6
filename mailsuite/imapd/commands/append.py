"""APPEND, also of several messages at once (RFC 3501 §6.3.11, RFC 3502, RFC 4315 APPENDUID).

A literal8 may hold NUL octets (RFC 3516): the parts that do are kept in base64.

Promises: octets are asked for only when the mailbox is there and size and quota allow them
(OVERQUOTA, RFC 9208 §4.3.1); they stream to the disk; all messages of a command are appended, or
none.
"""

from __future__ import annotations

from mailsuite.imapd.flags import check_flags
from mailsuite.imapd.reply import Bad, No, Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import grammar, response
from mailsuite.imapd.syntax.model import AppendMessage, StoredLiteral
from mailsuite.imapd.syntax.receiver import LiteralAnnounced
from mailsuite.message import without_nul
from mailsuite.store import NewMessage, TempMessage


async def admit(session: Session, announced: LiteralAnnounced) -> TempMessage:
    """Where the announced octets go."""
    target = grammar.append_target(announced.chunks, utf8=session.utf8)
    if target is None:
        raise Bad("No literal expected here")
    if announced.size == 0:
        raise No("A message can't be empty")
    if announced.size > session.door.settings.limits.literal:
        raise No("Message too large", "TOOBIG")
    earlier = [chunk.size for chunk in announced.chunks if isinstance(chunk, StoredLiteral)]
    await session.store.admit(target, len(earlier) + 1, sum(earlier) + announced.size)
    return await session.store.new_temp()


async def append(session: Session, name: str, messages: tuple[AppendMessage, ...]) -> Reply:
    appended = await session.store.append(name, [await _new(message) for message in messages])
    uids = response.sequence_set(appended.uids).decode()
    return Reply(code=f"APPENDUID {appended.uidvalidity} {uids}")


async def _new(message: AppendMessage) -> NewMessage:
    flags = check_flags(message.flags)
    literal = message.literal
    if not isinstance(literal, StoredLiteral):
        return NewMessage(literal, flags, message.date)
    if not isinstance(literal.sink, TempMessage):
        raise TypeError(f"unexpected {type(literal.sink).__name__}")
    if literal.binary:
        try:
            await literal.sink.rewrite(without_nul)
        except ValueError:
            raise No("A NUL octet stands where it cannot be kept", "UNKNOWN-CTE") from None
    return NewMessage(literal.sink, flags, message.date, exact=literal.binary)
