"""Pure. What the operator is shown of the queue. These values only hold."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecipientEntry:
    """One recipient of a queued message.

    state         due | held | sent | bounced
    courier       who serves it
    attempts      attempts that were recorded
    next_attempt  seconds since the epoch, where one is planned (due, and not `active`)
    last_attempt  of the last recorded attempt, or None
    status, text  how that one ended: enhanced status code (RFC 3463) and words
    active        being attempted, or in line for it
    """

    address: str
    state: str
    courier: str
    attempts: int
    next_attempt: float | None
    last_attempt: float | None
    status: str
    text: str
    active: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One queued message; sizes in octets, times in seconds since the epoch."""

    id: str
    sender: str
    submitter: str | None
    received_at: float
    size: int
    recipients: tuple[RecipientEntry, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Messages in the queue, and recipients by state (`active` ones are among the due)."""

    messages: int = 0
    due: int = 0
    active: int = 0
    held: int = 0
    sent: int = 0
    bounced: int = 0
