"""From the transaction to the queue and back to the client, the same for DATA and BDAT."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from types import MappingProxyType

from mailsuite.queue import QueueUnavailable, Watch
from mailsuite.smtpd.grammar import ascii_text
from mailsuite.smtpd.lmtp import answers
from mailsuite.smtpd.reception import Reception, unavailable
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.session import SmtpSession

NO_MAIL = reply(503, "5.5.1", "MAIL comes first")
NO_RCPT = reply(503, "5.5.1", "RCPT comes first")
# RFC 2033 §4.2: DATA MUST fail with a 503 where no RCPT was successful.
NO_VALID_RCPT_LMTP = reply(503, "5.5.1", "No valid recipients")
NO_VALID_RCPT = reply(554, "5.5.1", "No valid recipients")

NOBODY: Mapping[str, Reply] = MappingProxyType({})
STATES = {"sent": "done", "due": "deferred", "bounced": "failed", "returned": "failed"}
"""What VERB calls the states of a recipient in the queue."""


def out_of_order(session: SmtpSession) -> Reply | None:
    """Why no message may come now."""
    transaction = session.envelope
    if transaction.mail_from is None:
        return NO_MAIL
    if not transaction.recipients:
        if not transaction.refused:
            return NO_RCPT
        return NO_VALID_RCPT_LMTP if session.context.settings.lmtp else NO_VALID_RCPT
    return None


async def begin(session: SmtpSession) -> Reception | Reply:
    """Make ready for the message; the reply says why it can't be taken now."""
    try:
        return Reception(session, session.envelope)
    except QueueUnavailable as error:
        await session.reset()
        return unavailable(error)


def tell_each(
    session: SmtpSession,
    accepted: list[str],
    answer: Reply,
    refused: Mapping[str, Reply] = NOBODY,
) -> Reply:
    """At the end of a message: what became of it, and in LMTP that for each recipient.

    Gives the last reply, which may be the only one; the others have been said.
    """
    if not session.context.settings.lmtp:
        return answer
    *others, last = answers(accepted, answer, refused)
    for one in others:
        session.say(one)
    return last


async def complete(session: SmtpSession, reception: Reception, *, whole: bool = True) -> Reply:
    """All octets are there, or none are wanted any more: commit, or say why not.

    whole  it is the end of the message, and not that of a chunk before the last one
    """
    accepted = session.envelope.accepted
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
                answer = _verbose(answer, reception, watch)
    except asyncio.CancelledError:
        # The server stops. A client that is not told of a commit sends the message again.
        if reception.answer is not None:
            session.say(tell_each(session, accepted, reception.answer, reception.refused))
        raise
    if not answer.is_error:
        session.took_message()
    return tell_each(session, accepted, answer, reception.refused) if whole else answer


def _verbose(answer: Reply, reception: Reception, watch: Watch) -> Reply:
    """The reply with a line for each recipient (VERB)."""
    lines = list(answer.lines)
    for index, recipient in enumerate(reception.recipients):
        result = watch.ended.get(index)
        outcome = "queued" if result is None else f"{STATES[result.state]}: {result.text}"
        status = "" if result is None else f" ({result.status})"
        lines.append(ascii_text(f"<{recipient.address}> {outcome}{status}"))
    return replace(answer, lines=tuple(lines))
