"""Pure. What the sender may be told of a recipient, and who tells it (RFC 3461, RFC 3464).

The queue knows when there is something to tell; a `Notifier` that it was handed writes the notice,
which goes into the queue as follow-up mail in the commit that records the attempt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mailsuite.mail.envelope import Recipient
from mailsuite.mail.job import Job
from mailsuite.mail.outcome import Contact, FollowUp

FAILED = "failed"
DELAYED = "delayed"
RELAYED = "relayed"


@dataclass(frozen=True, slots=True)
class Report:
    """What has become of one recipient.

    action        RFC 3464 §2.3.3: failed, delayed, delivered, relayed or expanded
    status, text  enhanced status code (RFC 3463) and words
    contact       the host that the attempt ended at, if it came to one
    until         delayed: when the queue gives up, seconds since the epoch; None: it has gone, late
    """

    recipient: Recipient
    action: str
    status: str
    text: str
    contact: Contact | None = None
    until: float | None = None

    @property
    def gone_late(self) -> bool:
        """It is no longer waited for: it has gone, after the time that its sender had set."""
        return self.action == DELAYED and self.until is None

    @property
    def wanted(self) -> bool:
        """Whether NOTIFY asks for it (RFC 3461 §4.1); without it failures and delays are told."""
        asked = self.recipient.notify
        if self.action == FAILED:
            return not asked or "FAILURE" in asked
        if self.action == DELAYED:
            return not asked or "DELAY" in asked
        return "SUCCESS" in asked


@dataclass(frozen=True, slots=True)
class Notices:
    """What comes of reports.

    kept  what failed can be told to nobody: it stays in the queue, for the operator to see
    """

    follow_ups: tuple[FollowUp, ...] = ()
    kept: bool = False


class Notifier(Protocol):
    """Writes the notices."""

    async def notices(self, job: Job, reports: Sequence[Report], now: float) -> Notices:
        """Notices for reports that are `wanted`, at least one. Raises OSError."""
        ...
