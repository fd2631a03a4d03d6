"""The way of recipients into memory: which courier serves them, whether now, and in which line.

Promises: each recipient is in memory at most once; what waits to be asked for stays in the
database until it is.
"""

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mailsuite.base.clock import Clock
from mailsuite.base.log import get_logger
from mailsuite.mail import Courier, Deferred, Envelope, Job, Outcome
from mailsuite.mail import QueuedMessage as Queued
from mailsuite.queue import schedule
from mailsuite.queue.changes import Arrival, Loaded, Unleased, arrival
from mailsuite.queue.incoming import Received
from mailsuite.queue.lanes import Flight, Lane
from mailsuite.queue.settings import Settings
from mailsuite.queue.spool import Spool

log = get_logger("queue")

NOBODY = ""  # the courier of recipients for which none could be chosen


@dataclass(frozen=True, slots=True)
class Arriving:
    """A message between its planning and the end of its commit.

    flights   those for which there is room in memory; places are reserved
    waiting   couriers whose recipients wait in the database
    due       when those of each courier are to be attempted first
    parked    addresses that wait to be asked for, with their couriers
    """

    change: Arrival
    flights: tuple[Flight, ...]
    waiting: tuple[str, ...]
    due: Mapping[str, float]
    parked: tuple[tuple[str, str], ...] = ()


class Boarding(ABC):
    """The lanes, and the jobs in line.

    due          by courier name: when the next recipient in the database falls due; inf: none
    wake         tells the scheduler to look again
    sleep_until  what the scheduler waits for
    """

    def __init__(
        self,
        couriers: Mapping[str, Courier],
        choose: Callable[[str, Envelope], str],
        *,
        clock: Clock,
        settings: Settings,
        spool: Spool,
    ) -> None:
        self._choose = choose
        self._clock = clock
        self._settings = settings
        self._spool = spool
        self._flights: dict[str, list[Flight]] = {}
        self._stopping = asyncio.Event()
        self.lanes: dict[str, Lane] = {}
        for name, courier in {NOBODY: _Nobody(), **couriers}.items():
            limit = settings.concurrency.get(name, settings.default_concurrency)
            per_domain = settings.per_domain.get(name)
            self.lanes[name] = Lane(name, courier, limit, settings.ready, per_domain)
        self.due: dict[str, float] = {}
        self.wake = asyncio.Event()
        self.sleep_until = math.inf

    @abstractmethod
    def _begin(self, lane: Lane) -> None:
        """Have one more worker serve this lane."""

    @abstractmethod
    def _give_back_parked(self, parked: Sequence[Unleased]) -> None:
        """Record that these are not attempted yet."""

    # -- into memory ----------------------------------------------------------------------------

    def plan(
        self, received: Received, envelope: Envelope, now: float, *, tried: bool = False
    ) -> Arriving:
        """The rows of a new message, and places in line for it. ValueError: text not Unicode.

        `tried`: it may be where it belongs already.
        """
        groups = self._by_courier(envelope, range(len(envelope.recipients)))
        data = received.data
        if data is not None and len(data) > self._settings.keep:
            data = None
        message = Queued(
            self._spool.path(received.id), received.offset, received.size, received.prefixed, data
        )
        due = {name: self._first_due(name, envelope, now) for name in (NOBODY, *groups)}
        names = [NOBODY] * len(envelope.recipients)
        flights: list[Flight] = []
        for name, indexes in groups.items():
            for index in indexes:
                names[index] = name
            if due[name] <= now and self.lanes[name].room > 0 and not self._stopping.is_set():
                recipients = tuple(envelope.recipients[index] for index in indexes)
                job = Job(received.id, envelope, recipients, indexes, message, 1, tried, now)
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
            tried=tried,
        )
        for flight in flights:
            flight.lane.reserved += 1
        waiting = tuple(name for name in groups if name not in leased)
        parked = tuple(
            (recipient.address, name)
            for recipient, name in zip(envelope.recipients, names, strict=True)
            if name in self._settings.parked
        )
        return Arriving(change, tuple(flights), waiting, due, parked)

    def idle_lane(self, envelope: Envelope) -> Lane | None:
        """The lane of all recipients, where there is one and nothing would have to wait in it."""
        if self._stopping.is_set():
            return None
        names = {self._courier_for(each.address, envelope) for each in envelope.recipients}
        lane = self.lanes[names.pop()]
        if names or lane.in_line or lane.reserved or lane.direct + lane.workers >= lane.limit:
            return None
        return lane

    def _first_due(self, name: str, envelope: Envelope, now: float) -> float:
        if name in self._settings.parked:
            return schedule.parked_until(now, envelope, None, self._settings)
        return max(now, envelope.hold_until or now)

    def arrived(self, arriving: Arriving) -> None:
        """The message is durable: attempt it."""
        for flight in arriving.flights:
            flight.lane.reserved -= 1
            self._put(flight)
        self._wait(arriving)

    def _wait(self, arriving: Arriving) -> None:
        """Note when those are due for which there is no attempt yet."""
        for address, name in arriving.parked:
            log.info("held until its host asks", id=arriving.change.id, to=address, courier=name)
        for name in arriving.waiting:
            self.note_due(name, arriving.due[name])

    def refused(self, arriving: Arriving) -> None:
        """The message could not be kept."""
        for flight in arriving.flights:
            flight.lane.reserved -= 1

    def board(self, loaded: Iterable[Loaded]) -> None:
        """Put in line what has been loaded, each recipient with the courier of today."""
        now = self._clock.now()
        parked: list[Unleased] = []
        for each in loaded:
            for name, job in self._jobs(each):
                if name in self._settings.parked and (until := self._parked_until(job)) > now:
                    parked.append(Unleased(job.id, job.indexes, job.repeat, until, name))
                else:
                    self._put(Flight(self.lanes[name], job))
        if parked:
            self._give_back_parked(parked)

    def _jobs(self, loaded: Loaded) -> Iterator[tuple[str, Job]]:
        message = Queued(self._spool.path(loaded.id), loaded.offset, loaded.size, loaded.prefixed)
        for name, indexes in self._by_courier(loaded.envelope, loaded.indexes).items():
            yield (
                name,
                Job(
                    loaded.id,
                    loaded.envelope,
                    tuple(loaded.envelope.recipients[index] for index in indexes),
                    indexes,
                    message,
                    loaded.attempts + 1,
                    loaded.tried,
                    loaded.received_at,
                    loaded.last_attempt,
                ),
            )

    def _parked_until(self, job: Job) -> float:
        return schedule.parked_until(
            job.received_at, job.envelope, job.last_attempt, self._settings
        )

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
            self._begin(lane)


class _Nobody:
    """Serves recipients for which the settings name no courier: they wait until they do."""

    async def deliver(self, job: Job) -> Sequence[Outcome]:
        return [Deferred("4.3.5", "no way to deliver to this address is set up")] * len(
            job.recipients
        )
