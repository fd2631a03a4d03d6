"""The mail that waits for some domains, handed over to a host that has asked for it.

Promises: what is claimed is attempted by nobody else; each outcome is recorded before the next
message is attempted; what was not attempted waits again as before, whenever and however this ends.
"""

from collections.abc import Collection

from mailsuite.base.clock import Clock
from mailsuite.base.tasks import Threads, committed
from mailsuite.mail import Courier
from mailsuite.message import among, domain_of
from mailsuite.queue.attempts import Attempts
from mailsuite.queue.lanes import Lane
from mailsuite.queue.records import Records
from mailsuite.queue.requests import START, Place

MESSAGES = 50  # claimed at a time: so many wait longer when the host hangs


class HandOver:
    """One host's turn; every recipient is attempted once in it, at most.

    busy  some of the mail was on its way already when it was looked for
    """

    def __init__(
        self,
        domains: Collection[str],
        attempts: Attempts,
        records: Records,
        clock: Clock,
        threads: Threads,
    ) -> None:
        """`domains` in lower case, A-labels; ".example.org" stands for all below it."""
        self.busy = False
        self._domains = domains
        self._attempts = attempts
        self._records = records
        self._clock = clock
        self._threads = threads
        self._lanes: dict[str, Lane] = {}
        self._after: Place | None = START
        self._begun = False

    async def claim(self) -> bool:
        """See to it that there is a message to attempt; False: there is none (left).

        Raises apsw.Error.
        """
        if not self._in_line() and not self._attempts.stopping:
            # To its end: what is leased must be known here.
            await committed(self._claim())
        return self._in_line() > 0

    async def attempt(self, courier: Courier) -> bool:
        """Attempt one message, and record how it ended; False: nothing is left.

        When cancelled, the attempt is not counted. Raises apsw.Error.
        """
        if self._attempts.stopping or not await self.claim():
            return False
        for lane in self._lanes.values():
            lane.courier = courier
            flight = lane.next()
            if flight is not None:
                try:
                    await self._attempts.attempt(flight)
                finally:
                    lane.done(flight)
                break
        return True

    async def close(self) -> None:
        """The host's turn is over. Idempotent."""
        for lane in self._lanes.values():
            await committed(self._attempts.give_back(lane))

    async def _claim(self) -> None:
        if not self._begun:
            self._begun = True
            self._attempts.take_out(self._wanted, self._lane)
        while self._after is not None and not self._in_line():
            loaded, self._after, busy = await self._threads.run(
                self._records.claim, self._domains, self._after, MESSAGES, self._clock.now()
            )
            self.busy = self.busy or busy
            self._attempts.hand(loaded, self._lane)

    def _in_line(self) -> int:
        return sum(lane.in_line for lane in self._lanes.values())

    def _wanted(self, address: str) -> bool:
        return among(domain_of(address), self._domains)

    def _lane(self, name: str) -> Lane:
        """One that nobody serves but `attempt`; under its courier's name the outcome is kept."""
        if name not in self._lanes:
            lane = self._lanes[name] = Lane(name, self._attempts.lanes[name].courier, 1, 1)
            lane.limit = 0
        return self._lanes[name]
