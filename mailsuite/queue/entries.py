"""Pure. What the operator is shown of the queue. These values only hold."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AttemptEntry:
    """One recorded attempt for one recipient.

    at            when it ended, seconds since the epoch
    state         due (deferred) | sent | bounced
    courier       who made it
    status, text  enhanced status code (RFC 3463) and words
    host, address, reply, tls, why   of the host it ended at, see `mail.Contact`
    """

    at: float
    state: str
    courier: str
    status: str
    text: str
    host: str = ""
    address: str = ""
    reply: str = ""
    tls: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class RecipientEntry:
    """One recipient of a queued message.

    state         due | held | sent | bounced (kept: nobody could be told) | returned (told)
    courier       who serves it
    attempts      attempts that were recorded
    next_attempt  seconds since the epoch, where one is planned (due, and not `active`)
    last_attempt  of the last recorded attempt, or None
    status, text  how that one ended: enhanced status code (RFC 3463) and words
    active        being attempted, or in line for it
    history       the first and the latest attempts, in order
    notify        NOTIFY of RFC 3461, () when it was not given
    orcpt         ORCPT of RFC 3461 in xtext, or ""
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
    history: tuple[AttemptEntry, ...] = ()
    notify: tuple[str, ...] = ()
    orcpt: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One queued message; sizes in octets, times in seconds since the epoch.

    `hold_until`, `require_tls`, `envid`: see `mail.Envelope`.
    """

    id: str
    sender: str
    submitter: str | None
    received_at: float
    size: int
    recipients: tuple[RecipientEntry, ...]
    hold_until: float | None = None
    require_tls: bool = False
    envid: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Messages in the queue, and recipients by state (`active` ones are among the due)."""

    messages: int = 0
    due: int = 0
    active: int = 0
    held: int = 0
    sent: int = 0
    bounced: int = 0
    returned: int = 0
