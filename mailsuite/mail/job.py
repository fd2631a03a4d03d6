"""Pure. What the queue hands to a courier: one message and the recipients to attempt now.

A courier answers with one outcome a recipient and changes nothing in the queue itself. The values
here only hold; the spool file they name belongs to the queue and is never written again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mailsuite.mail.envelope import Envelope, Recipient
from mailsuite.mail.outcome import Outcome


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """Where the octets of a queued message are.

    path      absolute name of the spool file; readable as long as the attempt lasts. "": there is
              no such file (see `DirectCourier`)
    offset    octets before the message in that file; a relay skips them
    size      octets of the message itself, without those before it
    prefixed  the octets before the message are the local trace fields for this very envelope
              (Return-Path, Delivered-To), so that local delivery may link the file as it is
    data      the message's octets where the queue still holds them in memory (small and fresh
              messages only), else None: they are then read from the file
    """

    path: str
    offset: int
    size: int
    prefixed: bool = False
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt: a message and those of its recipients that one courier shall serve now.

    id           queue id of the message
    envelope     the whole envelope, also with recipients that are not part of this attempt
    recipients   the ones to attempt, at least one
    indexes      their places in `envelope.recipients`, in the same order
    attempt      1 for the first attempt that counts, the same for all recipients of the job; a
                 first attempt that was not recorded (crash, stop) is numbered 1 again
    repeat       an earlier attempt may have been made, recorded or not: what has an effect must
                 be checked for having happened already
    received_at  seconds since the epoch when the message was accepted
    last_attempt  when the attempt before this one ended, None where there was none
    """

    id: str
    envelope: Envelope
    recipients: tuple[Recipient, ...]
    indexes: tuple[int, ...]
    message: QueuedMessage
    attempt: int
    repeat: bool
    received_at: float
    last_attempt: float | None = None


class Courier(Protocol):
    """Takes mail one step further: into a mailbox, to another host."""

    async def deliver(self, job: Job) -> Sequence[Outcome]:
        """Attempt `job`; one outcome for each of `job.recipients`, in the same order.

        Runs several times at once for different jobs. Raising anything but a cancellation counts
        as deferred for all recipients. When cancelled, the attempt is not counted and comes again
        with `repeat`. Follow-up mail in an outcome is taken in the commit that records it, so a
        courier that tells things once does so where `attempt` is 1 and nowhere else.
        """
        ...


@runtime_checkable
class DirectCourier(Courier, Protocol):
    """One that also takes mail which is not in the queue yet, so that it need not go there at all.

    `deliver` is then given a job whose message is in memory only. What it answers `Sent` for is
    durable where it belongs, once and for all; with any other outcome the message is queued, and
    comes again with `repeat`.
    """

    def direct(self, job: Job) -> bool:
        """Whether to try that with `job`: nothing may follow from its success."""
        ...
