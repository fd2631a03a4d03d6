"""Pure. Which mail needs no place in the queue, and whether a direct attempt has made an end of it.

Mail for accounts here is attempted before it is queued: what is durable in the mailboxes of all its
recipients needs neither a spool file nor rows.
"""

from collections.abc import Sequence

from mailsuite.mail import Envelope, Job, Outcome, QueuedMessage, Sent
from mailsuite.queue.incoming import Received
from mailsuite.queue.lanes import Lane


def direct_job(received: Received, envelope: Envelope, lane: Lane, now: float) -> Job | None:
    """The direct attempt for a message, all of whose recipients `lane` serves; None: not for it."""
    courier = lane.direct_courier
    if received.data is None or courier is None:
        return None
    message = QueuedMessage("", received.offset, received.size, received.prefixed, received.data)
    indexes = tuple(range(len(envelope.recipients)))
    job = Job(received.id, envelope, envelope.recipients, indexes, message, 1, False, now)
    return job if courier.direct(job) else None


def must_be_queued(envelope: Envelope, now: float) -> bool:
    """It waits for its time, or somebody wants to be told of more than a failure."""
    return (
        envelope.deliver_by is not None
        or (envelope.hold_until or now) > now
        or any("SUCCESS" in each.notify for each in envelope.recipients)
    )


def is_end(job: Job, ended: Sequence[Outcome]) -> bool:
    """Every recipient has it, and nothing follows."""
    return len(ended) == len(job.recipients) and all(
        isinstance(outcome, Sent) and not outcome.follow_ups for outcome in ended
    )
