"""What is in memory of the queue: jobs in line and under way, and what becomes of them.

Promises: each recipient is in memory at most once; an attempt's end is recorded before its place is
free again; an unexpected error of a courier defers, it never loses.
"""

import asyncio
import contextlib
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mailsuite.base.clock import Clock
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Tasks, Threads, committed
from mailsuite.mail import Bounced, Courier, Deferred, Envelope, FollowUp, Job, Notifier, Outcome
from mailsuite.mail import QueuedMessage as Queued
from mailsuite.queue import outcomes
from mailsuite.queue.changes import Arrival, Attempted, Change, Loaded, Unleased, arrival
from mailsuite.queue.committer import Committer, File, NewFile, SharedFile, Work
from mailsuite.queue.errors import QueueUnavailable
from mailsuite.queue.ids import Ids
from mailsuite.queue.incoming import Received
from mailsuite.queue.lanes import Flight, Lane
from mailsuite.queue.settings import Settings
from mailsuite.queue.spool import Spool
from mailsuite.queue.watch import Watch

log = get_logger("queue")

NOBODY = ""  # the courier of recipients for which none could be chosen


@dataclass(frozen=True, slots=True)
class Arriving:
    """A message between its planning and the end of its commit.

    flights   those for which there is room in memory; places are reserved
    waiting   couriers whose recipients wait in the database
    due       when they are to be attempted first
    """

    change: Arrival
    flights: tuple[Flight, ...]
    waiting: tuple[str, ...]
    due: float


class Attempts:
    """The lanes, and the jobs in them.

    due          by courier name: when the next recipient in the database falls due; inf: none
    backlog      some is due already, but its lane is full
    wake         tells the scheduler to look again
    sleep_until  what the scheduler waits for
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
        self._choose = choose
        self._notifier = notifier
        self._ids = ids
        self._clock = clock
        self._threads = threads
        self._settings = settings
        self._spool = spool
        self._committer = committer
        self._prefix = prefix
        self._tasks = Tasks("queue")
        self._flights: dict[str, list[Flight]] = {}
        self._stopping = asyncio.Event()
        self.lanes: dict[str, Lane] = {}
        for name, courier in {NOBODY: _Nobody(), **couriers}.items():
            limit = settings.concurrency.get(name, settings.default_concurrency)
            per_domain = settings.per_domain.get(name)
            self.lanes[name] = Lane(name, courier, limit, settings.ready, per_domain)
        self.watches: dict[str, Watch] = {}
        self.due: dict[str, float] = {}
        self.backlog = False
        self.wake = asyncio.Event()
        self.sleep_until = math.inf

    # -- into memory ----------------------------------------------------------------------------

    def plan(self, received: Received, envelope: Envelope, now: float) -> Arriving:
        """The rows of a new message, and places in line for it. ValueError: text not Unicode."""
        groups = self._by_courier(envelope, range(len(envelope.recipients)))
        data = received.data
        if data is not None and len(data) > self._settings.keep:
            data = None
        message = Queued(
            self._spool.path(received.id), received.offset, received.size, received.prefixed, data
        )
        due = max(now, envelope.hold_until or now)
        names = [NOBODY] * len(envelope.recipients)
        flights: list[Flight] = []
        for name, indexes in groups.items():
            for index in indexes:
                names[index] = name
            if due <= now and self.lanes[name].room > 0 and not self._stopping.is_set():
                recipients = tuple(envelope.recipients[index] for index in indexes)
                job = Job(received.id, envelope, recipients, indexes, message, 1, False, now)
                flights.append(Flight(self.lanes[name], job))
        leased = {flight.lane.name for flight in flights}
        change = arrival(
            received.id,
            envelope,
            received_at=now,
            size=received.size,
            offset=received.offset,
            prefixed=received.prefixed,
            couriers=names,
            leased=leased,
            due=due,
        )
        for flight in flights:
            flight.lane.reserved += 1
        waiting = tuple(name for name in groups if name not in leased)
        return Arriving(change, tuple(flights), waiting, due)

    def arrived(self, arriving: Arriving) -> None:
        """The message is durable: attempt it."""
        for flight in arriving.flights:
            flight.lane.reserved -= 1
            self._put(flight)
        for name in arriving.waiting:
            self.note_due(name, arriving.due)

    def refused(self, arriving: Arriving) -> None:
        """The message could not be kept."""
        for flight in arriving.flights:
            flight.lane.reserved -= 1

    def board(self, loaded: Iterable[Loaded]) -> None:
        """Put in line what has been loaded, each recipient with the courier of today."""
        for each in loaded:
            message = Queued(self._spool.path(each.id), each.offset, each.size, each.prefixed)
            for name, indexes in self._by_courier(each.envelope, each.indexes).items():
                job = Job(
                    each.id,
                    each.envelope,
                    tuple(each.envelope.recipients[index] for index in indexes),
                    indexes,
                    message,
                    each.attempts + 1,
                    each.tried,
                    each.received_at,
                    each.last_attempt,
                )
                self._put(Flight(self.lanes[name], job))

    def room(self, name: str) -> int:
        """Jobs for which there is room; for a courier that is no more: in every lane."""
        lane = self.lanes.get(name)
        return lane.room if lane else min(lane.room for lane in self.lanes.values())

    def note_due(self, name: str, at: float) -> None:
        """A recipient of this courier falls due at `at`, in the database."""
        self.due[name] = min(self.due.get(name, math.inf), at)
        if at < self.sleep_until:
            self.wake.set()

    def look_again(self) -> None:
        """Recipients of any courier may have fallen due in the database."""
        now = self._clock.now()
        self.due = {name: min(at, now) for name, at in self.due.items()}
        self.wake.set()

    def _by_courier(self, envelope: Envelope, indexes: Iterable[int]) -> dict[str, tuple[int, ...]]:
        groups: dict[str, list[int]] = {}
        for index in indexes:
            name = self._courier_for(envelope.recipients[index].address, envelope)
            groups.setdefault(name, []).append(index)
        return {name: tuple(found) for name, found in groups.items()}

    def _courier_for(self, address: str, envelope: Envelope) -> str:
        try:
            name = self._choose(address, envelope)
        except Exception as error:
            log.error("no courier could be chosen", to=address, exc_info=error)
            return NOBODY
        if name not in self.lanes:
            log.error("no such courier", courier=name, to=address)
            return NOBODY
        return name

    def _put(self, flight: Flight) -> None:
        lane = flight.lane
        self._flights.setdefault(flight.job.id, []).append(flight)
        lane.put(flight)
        if lane.workers < lane.limit and not self._stopping.is_set():
            lane.workers += 1
            self._tasks.start(self._work(lane), lane.name)

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
        change, notices = await self._told(job, ended, change)
        following += notices
        while True:
            arriving, files = self._follow_ups(job, following, now)
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

    async def _told(
        self, job: Job, ended: Sequence[Outcome], change: Attempted
    ) -> tuple[Attempted, Sequence[FollowUp]]:
        """What was recorded of the attempt, and the mail that tells the sender of it."""
        if self._notifier is None:
            return change, ()
        reports = outcomes.reports(job, ended, change.results, change.at, self._settings)
        if not reports:
            return outcomes.returned(change), ()
        try:
            notices = await self._notifier.notices(job, reports, change.at)
        except Exception as error:
            # What has bounced stays in the queue, where the operator sees it.
            log.error("no notice could be made", id=job.id, exc_info=error)
            return change, ()
        if notices.kept:
            log.warning("kept: nobody can be told of the failure", id=job.id)
            return change, notices.follow_ups
        return outcomes.returned(change), notices.follow_ups

    def _follow_ups(
        self, job: Job, following: Sequence[FollowUp], now: float
    ) -> tuple[list[Arriving], list[File]]:
        planned: list[Arriving] = []
        files: list[File] = []
        for each in following:
            id = self._ids.next()
            prefix = self._prefix(each.envelope)
            file: File
            if each.body is not None:
                data = each.head + each.body + each.tail
                file = NewFile(id, prefix + data)
                received = Received(id, file, len(prefix), len(data), bool(prefix), data)
            elif each.head or each.tail:
                file = SharedFile(id, job.id, job.message.offset, prefix + each.head, each.tail)
                size = len(each.head) + job.message.size + len(each.tail)
                received = Received(id, file, len(prefix), size, bool(prefix), None)
            else:
                file = SharedFile(id, job.id, 0, b"")
                received = Received(
                    id, file, job.message.offset, job.message.size, False, job.message.data
                )
            try:
                planned.append(self.plan(received, each.envelope, now))
                self._log_follow_up(id, job, each.envelope)
            except ValueError as error:
                log.error("follow-up mail refused", id=job.id, exc_info=error)
                continue
            files.append(file)
        return planned, files

    @staticmethod
    def _log_follow_up(id: str, job: Job, envelope: Envelope) -> None:
        recipients = [each.address for each in envelope.recipients]
        log.info(
            "follow-up",
            id=id,
            of=job.id,
            sender=envelope.sender,
            to=", ".join(recipients[:10]) + (", …" if len(recipients) > 10 else ""),
        )

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

    # -- the operator ---------------------------------------------------------------------------

    def withdraw(self, id: str) -> list[Flight]:
        """Take the jobs of a message out of line; those under way go on."""
        waiting = [flight for flight in self._flights.get(id, ()) if not flight.started]
        for flight in waiting:
            flight.withdrawn = True
            self._forget(flight)
        return waiting

    def put_back(self, waiting: Iterable[Flight]) -> None:
        """Undo `withdraw`."""
        for flight in waiting:
            self._put(Flight(flight.lane, flight.job))

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
        """Return jobs to the database as not attempted, due now."""
        if not flights:
            return
        now = self._clock.now()
        changes = [
            Unleased(flight.job.id, flight.job.indexes, tried or flight.job.repeat, now)
            for flight in flights
        ]
        # Where this fails they stay leased, which says the same after the next start.
        with contextlib.suppress(QueueUnavailable):
            await self._committer.commit(Work(changes))
        for flight in flights:
            self._forget(flight)


class _Nobody:
    """Serves recipients for which the settings name no courier: they wait until they do."""

    async def deliver(self, job: Job) -> Sequence[Outcome]:
        return [Deferred("4.3.5", "no way to deliver to this address is set up")] * len(
            job.recipients
        )
