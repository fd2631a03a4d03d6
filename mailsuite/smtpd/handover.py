"""From the transaction to the queue and back to the client, the same for DATA and BDAT."""

import asyncio
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from mailsuite.queue import QueueUnavailable, Watch
from mailsuite.smtpd.grammar import ascii_text
from mailsuite.smtpd.reception import Reception, unavailable
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

NO_MAIL = reply(503, "5.5.1", "MAIL comes first")
NO_RCPT = reply(503, "5.5.1", "RCPT comes first")
NO_VALID_RCPT = reply(554, "5.5.1", "No valid recipients")

STATES = {"sent": "done", "due": "deferred", "bounced": "failed", "returned": "failed"}
"""What VERB calls the states of a recipient in the queue."""


def out_of_order(session: SmtpSession) -> Reply | None:
    """Why no message may come now."""
    transaction = session.envelope
    if transaction.mail_from is None:
        return NO_MAIL
    if not transaction.recipients:
        return NO_VALID_RCPT if transaction.refused else NO_RCPT
    return None


async def begin(session: SmtpSession) -> Reception | Reply:
    """Make ready for the message; the reply says why it can't be taken now."""
    try:
        return Reception(session, session.envelope)
    except QueueUnavailable as error:
        await session.reset()
        return unavailable(error)


async def complete(session: SmtpSession, reception: Reception) -> Reply:
    """All octets are there, or none are wanted any more: commit, or say why not."""
    watching: AbstractContextManager[Watch | None] = nullcontext()
    if session.session.verbose and reception.refusal is None:
        count = len(reception.recipients)
        watching = session.context.queue.watch(reception.id, count)
    try:
        # The replies to a group that ended with the data are not kept back for the commit's time.
        await session.flush()
        with watching as watch:
            answer = await reception.finish()
            if watch is not None and not answer.is_error:
                await watch.wait(session.context.settings.outcome_wait)
                answer = _told(answer, reception, watch)
    except asyncio.CancelledError:
        # The server stops. A client that is not told of a commit sends the message again.
        if reception.answer is not None:
            session.say(reception.answer)
        raise
    if not answer.is_error:
        session.took_message()
    return answer


def _told(answer: Reply, reception: Reception, watch: Watch) -> Reply:
    """The reply with a line for each recipient (VERB)."""
    lines = list(answer.lines)
    for index, recipient in enumerate(reception.recipients):
        result = watch.ended.get(index)
        outcome = "queued" if result is None else f"{STATES[result.state]}: {result.text}"
        status = "" if result is None else f" ({result.status})"
        lines.append(ascii_text(f"<{recipient.address}> {outcome}{status}"))
    return replace(answer, lines=tuple(lines))
