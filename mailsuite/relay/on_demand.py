"""The courier of mail that is held for its host until that asks for it (RFC 2645).

It is only called when the time of a message is over; a `TurnedCourier` delivers.
"""

from collections.abc import Sequence

from mailsuite.mail import Deferred, Job, Outcome

WORDS = "held for its host, which has not asked for it (ATRN)"


class OnDemandCourier:
    """See the module."""

    async def deliver(self, job: Job) -> Sequence[Outcome]:
        """See `mail.Courier`."""
        return [Deferred("4.4.1", WORDS)] * len(job.recipients)
