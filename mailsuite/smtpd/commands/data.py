"""DATA: the message itself, up to the lone dot (RFC 5321 §4.1.1.4)."""

import asyncio

from mailsuite.queue import QueueUnavailable
from mailsuite.smtpd import reply as replies
from mailsuite.smtpd.data_reader import DataReader
from mailsuite.smtpd.model import Command
from mailsuite.smtpd.reception import Reception, unavailable
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

NO_MAIL = reply(503, "5.5.1", "MAIL comes first")
NO_RCPT = reply(503, "5.5.1", "RCPT comes first")
NO_VALID_RCPT = reply(554, "5.5.1", "No valid recipients")
BARE = reply(554, "5.6.0", "Bare CR or LF in the message; lines end with CR LF")
LONG_LINE = reply(554, "5.6.0", "A line of the message is too long")


async def data(session: SmtpSession, argument: str) -> Reply | None:
    """Take the message; the transaction is over afterwards, however it went."""
    transaction = session.envelope
    if transaction.mail_from is None:
        return NO_MAIL
    if not transaction.recipients:
        return NO_VALID_RCPT if transaction.refused else NO_RCPT
    try:
        reception = Reception(session, transaction)
    except QueueUnavailable as error:
        # Before 354, so that the client keeps its octets.
        session.reset()
        return unavailable(error)
    try:
        session.say(replies.START_MAIL)
        if not await _receive(session, reception):
            reception.broken_off()
            return None
        # The replies to a group that ended with the data are not kept back for the commit's time.
        await session.flush()
        answer = await reception.finish()
    except asyncio.CancelledError:
        # The server stops. A client that is not told of a commit sends the message again.
        if reception.answer is not None:
            session.say(reception.answer)
        raise
    finally:
        session.reset()
        await reception.abandon()
    if not answer.is_error:
        session.took_message()
    return answer


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
            await reception.refuse(BARE)
        elif reader.long_line:
            await reception.refuse(LONG_LINE)
        await reception.write(octets)
    return True


COMMAND = Command(
    data,
    "DATA",
    "Sends the message: header, empty line, body, then a dot on a line of its own.",
    needs_hello=True,
    no_argument=True,
)
