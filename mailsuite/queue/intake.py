"""Where accepted mail enters: rows, file and first attempt are one piece of work.

Promises: a message is in line for its first attempt as soon as it is durable, without waiting for
any poll, even when its sender has hung up meanwhile.
"""

from mailsuite.base.clock import Clock
from mailsuite.mail import Envelope
from mailsuite.queue.attempts import Attempts
from mailsuite.queue.committer import Committer, Work
from mailsuite.queue.errors import QueueUnavailable
from mailsuite.queue.incoming import Received


class Intake:
    """The way from `Incoming` into the committer."""

    def __init__(self, attempts: Attempts, committer: Committer, clock: Clock) -> None:
        self._attempts = attempts
        self._committer = committer
        self._clock = clock

    async def accept(self, received: Received, envelope: Envelope) -> None:
        """Commit a message. Raises QueueUnavailable, NoSpace, ValueError; nothing is left then."""
        try:
            arriving = self._attempts.plan(received, envelope, self._clock.now())
        except BaseException:
            await self._committer.abandon(received.file)
            raise

        def done(error: QueueUnavailable | None) -> None:
            if error is None:
                self._attempts.arrived(arriving)
            else:
                self._attempts.refused(arriving)

        await self._committer.commit(Work([arriving.change], [received.file], done))
