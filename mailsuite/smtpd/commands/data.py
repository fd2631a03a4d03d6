"""DATA: the message itself, up to the lone dot (RFC 5321 §4.1.1.4)."""

from mailsuite.smtpd import reply as replies
from mailsuite.smtpd.data_reader import DataReader
from mailsuite.smtpd.handover import begin, complete, out_of_order
from mailsuite.smtpd.model import Command
from mailsuite.smtpd.reception import Reception
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

IN_CHUNKS = reply(503, "5.5.1", "The message has begun by BDAT, RSET drops it")
BINARY = reply(503, "5.5.1", "BODY=BINARYMIME comes by BDAT")


async def data(session: SmtpSession, argument: str) -> Reply | None:
    """Take the message; the transaction is over afterwards, however it went."""
    refusal = out_of_order(session)
    if refusal is not None:
        return refusal
    if session.envelope.chunks is not None:
        return IN_CHUNKS
    if session.envelope.body == "BINARYMIME":
        return BINARY  # RFC 3030 §3
    # Before 354, so that the client keeps its octets.
    reception = await begin(session)
    if isinstance(reception, Reply):
        return reception
    try:
        session.say(replies.START_MAIL)
        await session.flush()
        if not await _receive(session, reception):
            reception.broken_off()
            return None
        return await complete(session, reception)
    finally:
        await session.reset()
        await reception.abandon()


async def _receive(session: SmtpSession, reception: Reception) -> bool:
    """Read up to the final dot; False when the client has gone before it."""
    settings = session.context.settings
    reader = DataReader(settings.max_line)
    until = session.loop.time() + settings.message_timeout
    while not reader.done:
        left = until - session.loop.time()
        if left <= 0:
            session.timed_out()
            return False
        chunk = await session.read_chunk(min(settings.data_timeout, left))
        if not chunk:
            return False
        octets = reader.feed(chunk)
        if reader.done:
            # Before anything else arrives behind it.
            session.unread(reader.rest)
        if reader.bare:
            await reception.refuse(replies.BARE)
        elif reader.long_line:
            await reception.refuse(replies.LONG_LINE)
        await reception.write(octets)
    return True


COMMAND = Command(
    data,
    "DATA",
    "Sends the message: header, empty line, body, then a dot on a line of its own.",
    needs_hello=True,
    no_argument=True,
)
