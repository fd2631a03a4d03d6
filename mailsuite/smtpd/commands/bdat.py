"""BDAT: the message in chunks of known size, with nothing added for the way (RFC 3030).

Promises: the octets of every chunk are read, whatever becomes of them, so that none is ever taken
for a command; where their number can't be read the connection ends. A failure ends the
transaction: what a pipelining client sends of it after that is read and refused (§2).
"""

import re
from dataclasses import dataclass

from mailsuite.smtpd import reply as replies
from mailsuite.smtpd.handover import begin, complete, out_of_order, tell_each
from mailsuite.smtpd.line_check import LineCheck
from mailsuite.smtpd.model import Command
from mailsuite.smtpd.reception import Reception
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

SYNTAX = "BDAT octets [LAST]"
BAD_SYNTAX = reply(501, "5.5.4", f"Syntax: {SYNTAX}")
BAD_SIZE = reply(501, "5.5.4", "That is no size of a chunk, cannot find its end", close=True)
_SIZE = re.compile(r"[0-9]{1,20}")


@dataclass(slots=True)
class Chunks:
    """A message that has begun to come.

    lines  watches its lines; None where it has none (BODY=BINARYMIME)
    until  when it has to be whole, by the event loop's clock
    """

    reception: Reception
    lines: LineCheck | None
    until: float


async def bdat(session: SmtpSession, argument: str) -> Reply | None:
    """Take one chunk; after the last one, or a failure, the transaction is over."""
    words = argument.split()
    if not words:
        return BAD_SYNTAX
    if not _SIZE.fullmatch(words[0]):
        return BAD_SIZE
    size, last = int(words[0]), len(words) > 1
    refusal: Reply | None
    if last and (len(words) > 2 or words[1].upper() != "LAST"):
        refusal = BAD_SYNTAX
    elif session.needs_tls:
        refusal = replies.TLS_REQUIRED
    else:
        refusal = session.no_hello if session.session.host_name is None else out_of_order(session)
    chunks = session.envelope.chunks
    if refusal is None and chunks is None:
        accepted = session.envelope.accepted
        begun = await _begin(session)
        if isinstance(begun, Reply):
            read = await _read(session, size, None)
            return (tell_each(session, accepted, begun) if last else begun) if read else None
        chunks = begun
    if refusal is not None or chunks is None:
        read = await _read(session, size, None)
        if refusal is BAD_SYNTAX:
            # The message would lack this chunk.
            await session.reset()
        return refusal if read else None
    return await _take(session, chunks, size, last=last)


async def _begin(session: SmtpSession) -> Chunks | Reply:
    reception = await begin(session)
    if isinstance(reception, Reply):
        return reception
    settings = session.context.settings
    binary = session.envelope.body == "BINARYMIME"
    lines = None if binary else LineCheck(settings.max_line)
    chunks = Chunks(reception, lines, session.loop.time() + settings.message_timeout)
    session.envelope.chunks = chunks
    return chunks


async def _take(session: SmtpSession, chunks: Chunks, size: int, *, last: bool) -> Reply | None:
    reception = chunks.reception
    if not await _read(session, size, chunks):
        reception.broken_off()
        return None
    if last and chunks.lines is not None:
        chunks.lines.close()
        if chunks.lines.bare:
            await reception.refuse(replies.BARE)
    if reception.refusal is None and not last:
        return reply(250, "2.0.0", f"{size} octets received")
    try:
        return await complete(session, reception, whole=last)
    finally:
        await session.reset()


async def _read(session: SmtpSession, size: int, chunks: Chunks | None) -> bool:
    """Read a chunk, keep it where it is wanted; False when the client has gone before its end."""
    settings = session.context.settings
    until = chunks.until if chunks else session.loop.time() + settings.message_timeout
    while size:
        left = until - session.loop.time()
        if left <= 0:
            session.timed_out()
            return False
        octets = await session.read_chunk(min(settings.data_timeout, left), size)
        if not octets:
            return False
        size -= len(octets)
        if chunks is not None:
            await _keep(chunks, octets)
    return True


async def _keep(chunks: Chunks, octets: bytes) -> None:
    if chunks.lines is not None:
        chunks.lines.feed(octets)
        if chunks.lines.bare:
            await chunks.reception.refuse(replies.BARE)
        elif chunks.lines.long_line:
            await chunks.reception.refuse(replies.LONG_LINE)
    await chunks.reception.write(octets)


COMMAND = Command(
    bdat,
    SYNTAX,
    "Sends a chunk of the message, its octets right behind the line; LAST ends the message.",
    grouped=True,
    in_clear=True,  # its octets have to be read
)
