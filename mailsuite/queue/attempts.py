"""What is in memory of the queue: jobs in line and under way, and what becomes of them.

Promises: each recipient is in memory at most once; an attempt's end is recorded before its place is
free again; an unexpected error of a courier defers, it never loses.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

from mailsuite.base.clock import Clock
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Tasks, Threads, committed
from mailsuite.mail import Bounced, Courier, Deferred, Envelope, Job, Notifier, Outcome
from mailsuite.queue import outcomes
from mailsuite.queue.boarding import NOBODY, Arriving, Boarding
from mailsuite.queue.changes import Change, Loaded, Unleased
from mailsuite.queue.committer import Committer, Work
from mailsuite.queue.errors import QueueUnavailable
from mailsuite.queue.following import Following
from mailsuite.queue.ids import Ids
from mailsuite.queue.lanes import Flight, Lane
from mailsuite.queue.settings import Settings
from mailsuite.queue.spool import Spool
from mailsuite.queue.watch import Watch

log = get_logger("queue")


class Attempts(Boarding):
    """The lanes, the jobs in them, and their attempts.

    backlog  some is due already, but its lane is full
    """

    def __init__(
        self,
        couriers: Mapping[str, Courier],
        choose: Callable[[str, Envelope], str],
        *,
        ids: Ids,
        clock: Clock,
        threads: Threads,
        settings: Settings,
        spool: Spool,
        committer: Committer,
        prefix: Callable[[Envelope], bytes],
        notifier: Notifier | None = None,
    ) -> None:
        super().__init__(couriers, choose, clock=clock, settings=settings, spool=spool)
        self._threads = threads
        self._committer = committer
        self._following = Following(ids, spool, prefix, notifier, settings)
        self._tasks = Tasks("queue")
        self.watches: dict[str, Watch] = {}
        self.backlog = False

    def _begin(self, lane: Lane) -> None:
        self._tasks.start(self._work(lane), lane.name)

    def _give_back_parked(self, parked: Sequence[Unleased]) -> None:
        self._tasks.start(self._park(parked), "park")

    async def _park(self, parked: Sequence[Unleased]) -> None:
        """Give back what is only attempted when somebody asks for it."""
        if await committed(self._unlease(parked)):
            for each in parked:
                self.note_due(each.courier or NOBODY, each.next_attempt)

    async def _unlease(self, changes: Sequence[Unleased]) -> bool:
        """Record it, however long it takes; False: the server ends before it could be."""
        while True:
            try:
                await self._committer.commit(Work(changes))
            except QueueUnavailable as error:
                log.error("not given back yet", count=len(changes), why=str(error))
                if await self._stops_within(self._settings.commit_retry):
                    return False
            else:
                return True

    # -- attempts -------------------------------------------------------------------------------

    async def _work(self, lane: Lane) -> None:
        try:
            while not self._stopping.is_set() and (flight := lane.next()) is not None:
                if self.backlog and lane.room > lane.capacity // 2:
                    self.wake.set()
                try:
                    await self._attempt(flight)
                finally:
                    lane.done(flight)
        finally:
            lane.workers -= 1
        if self.backlog:
            self.wake.set()

    async def _attempt(self, flight: Flight) -> None:
        job = flight.job
        flight.started = True
        try:
            ended = self._too_late(job) or await flight.lane.courier.deliver(job)
            if len(ended) != len(job.recipients):
                raise ValueError(f"{len(ended)} outcomes for {len(job.recipients)} recipients")
        except asyncio.CancelledError:
            await committed(self._give_back([flight], tried=True))
            raise
        except Exception as error:
            log.error("courier failed", id=job.id, courier=flight.lane.name, exc_info=error)
            ended = [await self._unexpected(flight)] * len(job.recipients)
        await committed(self._settle(flight, ended))

    def start_direct(self, lane: Lane, job: Job) -> "asyncio.Task[Sequence[Outcome]]":
        """An attempt for a message that is not in the queue; it ends with the queue."""
        lane.direct += 1
        task = self._tasks.start(_deliver(lane.courier, job), "direct")
        task.add_done_callback(lane.direct_ended)
        return task

    def record_direct(self, lane: Lane, job: Job, ended: Sequence[Outcome], now: float) -> None:
        """It has reached all its recipients: tell the log and whoever watches."""
        change = outcomes.recorded(job, lane.name, ended, now, 0.0, self._settings)
        watch = self.watches.get(job.id)
        if watch is not None:
            watch.note(change.results)

    def arrived_during(self, direct: "asyncio.Task[Any]", arriving: Arriving) -> None:
        """As `arrived`, while a direct attempt is under way: it is the message's until it ends."""
        for flight in arriving.flights:
            flight.lane.reserved -= 1
            flight.started = True
            self._flights.setdefault(flight.job.id, []).append(flight)
        self._wait(arriving)
        direct.add_done_callback(partial(self._direct_over, arriving.flights))

    def _direct_over(self, flights: Sequence[Flight], direct: object) -> None:
        for flight in flights:
            self._forget(flight)
            if not flight.dropped:
                flight.started = False
                self._put(flight)

    def finish(self, work: Coroutine[Any, Any, None]) -> None:
        """Run what is left of the way into the queue to its end."""
        self._tasks.start(work, "finish")

    def _too_late(self, job: Job) -> Sequence[Outcome]:
        """RFC 2852 §4.1.3: after its time a message in mode R goes back, and nowhere else."""
        by = job.envelope.deliver_by
        if by is None or by.mode != "R" or self._clock.now() < by.by:
            return ()
        late = Bounced("5.4.7", "not delivered within the time that the sender had set")
        return [late] * len(job.recipients)

    async def _unexpected(self, flight: Flight) -> Outcome:
        there = await self._threads.run(Path(flight.job.message.path).exists)
        if there or flight.dropped:
            return Deferred("4.3.0", "internal error, see the server's log")
        return Bounced("5.3.0", "the message's file has been removed from the spool")

    async def _settle(self, flight: Flight, ended: Sequence[Outcome]) -> None:
        """Record the outcomes with the mail that follows from them, however long it takes."""
        job = flight.job
        now = self._clock.now()
        change = outcomes.recorded(
            job, flight.lane.name, ended, now, random.random(), self._settings
        )
        following = [each for outcome in ended for each in outcome.follow_ups]
        change, notices = await self._following.told(job, ended, change)
        following += notices
        while True:
            arriving, files = self._following.planned(job, following, now, self.plan)
            changes: list[Change] = [change, *(each.change for each in arriving)]
            try:
                await self._committer.commit(Work(changes, files))
            except QueueUnavailable as error:
                for each in arriving:
                    self.refused(each)
                log.error("outcome not recorded yet", id=job.id, why=str(error))
                if await self._stops_within(self._settings.commit_retry):
                    return  # still leased: attempted once more after the next start
            else:
                break
        self._forget(flight)
        watch = self.watches.get(job.id)
        if watch is not None:
            watch.note(change.results)
        for each in arriving:
            self.arrived(each)
        for result in change.results:
            if result.next_attempt is not None:
                self.note_due(flight.lane.name, result.next_attempt)

    def _forget(self, flight: Flight) -> None:
        id = flight.job.id
        left = self._flights[id]
        left.remove(flight)
        if not left:
            del self._flights[id]
            if flight.dropped:
                self._committer.remove([id])

    async def _stops_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    # -- somebody asks for mail -----------------------------------------------------------------

    def hand(self, loaded: Iterable[Loaded], lane_of: Callable[[str], Lane]) -> None:
        """Put what was claimed in line with other lanes than those that are served here."""
        for each in loaded:
            due = dict(zip(each.indexes, each.due, strict=True))
            for name, job in self._jobs(each):
                when = tuple(due[index] for index in job.indexes)
                self._put(Flight(lane_of(name), job, when))

    def take_out(self, wanted: Callable[[str], bool], lane_of: Callable[[str], Lane]) -> None:
        """Move jobs in line for the addresses `wanted` over to other lanes."""
        in_line = [
            flight
            for flights in self._flights.values()
            for flight in flights
            if not (flight.started or flight.withdrawn)
            and self.lanes.get(flight.lane.name) is flight.lane
        ]
        for flight in in_line:
            job = flight.job
            taken = [wanted(each.address) for each in job.recipients]
            if not any(taken):
                continue
            flight.withdrawn = True
            self._forget(flight)
            self._put(Flight(lane_of(flight.lane.name), _part(job, taken)))
            if not all(taken):
                self._put(Flight(flight.lane, _part(job, [not each for each in taken])))

    async def attempt(self, flight: Flight) -> None:
        """One attempt by the courier of the job's lane, recorded; see `hand`."""
        await self._attempt(flight)

    async def give_back(self, lane: Lane) -> None:
        """What is in line with this lane waits again as it did before."""
        left = [
            flight
            for flights in self._flights.values()
            for flight in flights
            if flight.lane is lane and not (flight.started or flight.withdrawn)
        ]
        for flight in left:
            flight.withdrawn = True
        await self._give_back(left, tried=False)

    @property
    def stopping(self) -> bool:
        """No new attempts."""
        return self._stopping.is_set()

    # -- the operator ---------------------------------------------------------------------------

    def withdraw(self, id: str) -> list[Flight]:
        """Take the jobs of a message out of line; those under way go on."""
        waiting = [
            flight
            for flight in self._flights.get(id, ())
            if not flight.started and not flight.withdrawn
        ]
        for flight in waiting:
            flight.withdrawn = True
            self._forget(flight)
        return waiting

    def put_back(self, waiting: Iterable[Flight]) -> None:
        """Undo `withdraw`."""
        for flight in waiting:
            self._put(Flight(flight.lane, flight.job, flight.due))

    def dropped(self, id: str) -> None:
        """The message is gone from the database: remove its file once nobody reads it."""
        if id in self._flights:
            for flight in self._flights[id]:
                flight.dropped = True
        else:
            self._committer.remove([id])

    # -- the end --------------------------------------------------------------------------------

    async def stop(self, grace: float) -> None:
        """No new attempts; those under way have `grace` seconds to end, then they are cancelled."""
        self._stopping.set()
        in_line = [
            flight for flights in self._flights.values() for flight in flights if not flight.started
        ]
        for flight in in_line:
            flight.withdrawn = True
        await self._give_back(in_line, tried=False)
        if not await self._tasks.wait(grace):
            await self._tasks.cancel()

    async def _give_back(self, flights: Sequence[Flight], *, tried: bool) -> None:
        """Return jobs to the database as not attempted, due as they were, or now."""
        if not flights:
            return
        now = self._clock.now()
        changes = [
            Unleased(flight.job.id, indexes, tried or flight.job.repeat, due)
            for flight in flights
            for indexes, due in _when(flight, now)
        ]
        # Where the server ends before it works they stay leased, which says the same at the start.
        await self._unlease(changes)
        for flight in flights:
            self._forget(flight)
            for _, due in _when(flight, now):
                self.note_due(flight.lane.name, due)


async def _deliver(courier: Courier, job: Job) -> Sequence[Outcome]:
    return await courier.deliver(job)


def _when(flight: Flight, now: float) -> list[tuple[tuple[int, ...], float]]:
    """Recipients with the time of their next attempt, where none was made."""
    if not flight.due:
        return [(flight.job.indexes, now)]
    return [((index,), at) for index, at in zip(flight.job.indexes, flight.due, strict=True)]


def _part(job: Job, chosen: Sequence[bool]) -> Job:
    """The same attempt for some of its recipients."""
    return replace(
        job,
        recipients=tuple(compress(job.recipients, chosen)),
        indexes=tuple(compress(job.indexes, chosen)),
    )
