"""The queue: takes mail durably, has it attempted until every recipient has an end.

Promises: a message whose `commit` has returned survives a power cut at any instant and ends sent or
bounced, never lost; what is bounced stays, with its reason, until the operator deals with it.
Memory is bounded however many messages wait. Delivers nothing by itself: couriers do.

Time: what is due is decided by `clock.now()` alone. The scheduler sleeps until the next planned
attempt, at most `MAX_SLEEP` real seconds, or until `wake`: with a clock of one's own, move it and
call `wake`.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import apsw

from mailsuite.base.clock import Clock
from mailsuite.base.keyed import KeyedLock
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Tasks, Threads, committed
from mailsuite.mail import Courier, Envelope, Notifier
from mailsuite.queue.attempts import Attempts
from mailsuite.queue.committer import Committer
from mailsuite.queue.entries import Counts, Entry
from mailsuite.queue.errors import QueueUnavailable, typed
from mailsuite.queue.handover import HandOver
from mailsuite.queue.ids import Ids
from mailsuite.queue.incoming import Incoming
from mailsuite.queue.intake import Intake
from mailsuite.queue.lock import Lock
from mailsuite.queue.records import Records
from mailsuite.queue.requests import START
from mailsuite.queue.settings import Settings
from mailsuite.queue.spool import Spool
from mailsuite.queue.watch import Watch

T = TypeVar("T")
log = get_logger("queue")

MAX_SLEEP = 60.0


class Queue:
    """See the module. All methods belong to one event loop."""

    def __init__(
        self,
        root: Path,
        *,
        choose: Callable[[str, Envelope], str],
        couriers: Mapping[str, Courier],
        clock: Clock,
        threads: Threads,
        settings: Settings | None = None,
        prefix: Callable[[Envelope], bytes] | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        """Nothing is touched before `start`.

        root      folder of the queue, made when it is not there
        choose    (recipient address, envelope) -> name of the courier that serves it now
        couriers  by name
        threads   for the disk; four of them serve best
        prefix    local trace fields for an envelope with one recipient, put before its message in
                  the spool so that local delivery can link the file
        notifier  writes the notices to senders; without one what bounced stays in the queue
        """
        self._root = root
        self._clock = clock
        self._threads = threads
        self._settings = settings or Settings()
        self._prefix = prefix
        self._notifier = notifier
        self._choose = choose
        self._couriers = couriers
        self._ids = Ids(clock.now)
        self._tasks = Tasks("queue")
        self._holding = KeyedLock()
        self._house: _House | None = None

    # -- start and stop -------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the queue and go on with what is in it.

        Raises UserError when another process has it, QueueUnavailable when the disk refuses.
        """
        house = await committed(self._threads.run(_House.open, self._root))
        try:
            await self._begin(house)
        except BaseException:
            await committed(self._threads.run(house.close))
            raise

    async def _begin(self, house: "_House") -> None:
        now = self._clock.now()
        try:
            found = await self._threads.run(
                house.records.recover,
                now,
                self._settings.restart_spread,
                self._settings.parked,
            )
            stored = await self._threads.run(house.records.couriers)
        except apsw.Error as error:
            raise typed(error) from error
        if found:
            log.info("attempts of the last run go on", recipients=found)
        self._committer = Committer(house.records, house.spool, self._threads)
        self._attempts = Attempts(
            self._couriers,
            self._choose,
            ids=self._ids,
            clock=self._clock,
            threads=self._threads,
            settings=self._settings,
            spool=house.spool,
            committer=self._committer,
            prefix=self._prefix_of,
            notifier=self._notifier,
        )
        self._intake = Intake(self._attempts, self._committer, self._clock)
        # Everything that may be due is looked for once; from then on its time is known.
        self._attempts.due = dict.fromkeys((*stored, *self._attempts.lanes), now)
        self._house = house
        self._committer.start()
        self._tasks.start(self._schedule(house.records), "schedule")
        self._tasks.start(self._sweep(house, self._ids.next()), "sweep")
        self.reconsider()

    async def stop(self, grace: float) -> None:
        """Begin no more attempts, give those under way `grace` seconds, and close.

        What is cut off comes again after the next start. Idempotent.
        """
        house, self._house = self._house, None
        if house is None:
            return
        await committed(self._stop(house, grace))

    async def _stop(self, house: "_House", grace: float) -> None:
        try:
            await self._tasks.cancel()
            await self._attempts.stop(grace)
            await self._committer.close()
        finally:
            await self._threads.run(house.close)

    # -- mail comes in --------------------------------------------------------------------------

    def receive(self, envelope: Envelope | None = None) -> Incoming:
        """A new message: the queue id is given now, the octets and the envelope come later.

        With the envelope given here as well, a large message to one local recipient, too, is
        delivered without being copied. Raises QueueUnavailable while the queue is not running.
        """
        house = self._running()
        return Incoming(
            self._ids.next(),
            envelope,
            spool=house.spool,
            threads=self._threads,
            limit=self._settings.memory,
            prefix=self._prefix_of,
            accept=self._intake.accept,
        )

    async def submit(self, envelope: Envelope, message: bytes) -> str:
        """Take a whole message; gives its queue id once it is durable. Raises as `Incoming`."""
        incoming = self.receive(envelope)
        try:
            await incoming.write(message)
            await incoming.commit(envelope)
        except BaseException:
            await incoming.discard()
            raise
        return incoming.id

    @contextlib.contextmanager
    def watch(self, id: str, recipients: int) -> Iterator[Watch]:
        """The results of the attempts for a message that is not committed yet."""
        self._running()
        watch = self._attempts.watches[id] = Watch(recipients)
        try:
            yield watch
        finally:
            del self._attempts.watches[id]

    def _prefix_of(self, envelope: Envelope) -> bytes:
        if self._prefix is None or len(envelope.recipients) != 1:
            return b""
        return self._prefix(envelope)

    # -- time -----------------------------------------------------------------------------------

    def wake(self) -> None:
        """Look at the clock now."""
        self._running()
        self._attempts.wake.set()

    async def _schedule(self, records: Records) -> None:
        """Bring what falls due from the database into memory, as far as there is room."""
        attempts = self._attempts
        while True:
            attempts.wake.clear()
            attempts.sleep_until = sleep_until = math.inf
            attempts.backlog = False
            for name in list(attempts.due):
                await self._load_due(records, name)
                if attempts.due[name] > self._clock.now():
                    sleep_until = min(sleep_until, attempts.due[name])
                else:
                    attempts.backlog = True  # its lane wakes us when it has drained
            attempts.sleep_until = sleep_until
            delay = min(max(sleep_until - self._clock.now(), 0.0), MAX_SLEEP)
            # Not wait_for: until Python 3.12 it may swallow a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await attempts.wake.wait()

    async def _load_due(self, records: Records, name: str) -> None:
        attempts = self._attempts
        while attempts.due[name] <= (now := self._clock.now()) and attempts.room(name) > 0:
            limit = min(attempts.room(name), self._settings.page)
            # What is recorded while this runs may be due before what this finds.
            attempts.due[name] = math.inf
            try:
                loaded, following = await committed(
                    self._threads.run(records.load, name, now, limit)
                )
            except apsw.Error as error:
                log.error("queue not read", exc_info=error)
                attempts.note_due(name, now + self._settings.commit_retry)
                return
            attempts.board(loaded)
            if following is not None:
                attempts.note_due(name, following)

    async def _sweep(self, house: "_House", before: str) -> None:
        removed = await self._threads.run(house.spool.sweep, house.records.known, before)
        if removed:
            log.info("removed messages that were never accepted", files=removed)

    # -- the operator ---------------------------------------------------------------------------

    async def list(self, *, after: str = "", limit: int = 1000) -> list[Entry]:
        """Up to `limit` messages with ids greater than `after`, the oldest first."""
        records = self._running().records
        return await self._operate(self._threads.run(records.entries, after=after, limit=limit))

    async def show(self, id: str) -> Entry:
        """One message. UserError: not in the queue."""
        return await self._operate(self._threads.run(self._running().records.require, id))

    async def counts(self) -> Counts:
        """How many messages and recipients there are."""
        return await self._operate(self._threads.run(self._running().records.counts))

    async def held(self, account: str) -> int:
        """Octets of an account's messages that wait for the time that it has set (RFC 4865)."""
        records = self._running().records
        return await self._operate(
            self._threads.run(records.octets_held, account, self._clock.now())
        )

    @contextlib.asynccontextmanager
    async def holding(self, account: str) -> AsyncIterator[int]:
        """As `held`; until it is left, nobody else who enters adds to them."""
        async with self._holding.of(account):
            yield await self.held(account)

    async def retry(self, id: str | None = None) -> int:
        """Attempt now: one message, also what of it was bounced, or (None) all that is due.

        Gives the number of recipients; held ones stay held. UserError: not in the queue.
        """
        return await self._operate(self._retry(self._running().records, id))

    async def retry_domain(self, domain: str, *, below: bool) -> int:
        """Attempt now what waits for another attempt at a domain (`below`: and those below it).

        Gives the number of recipients. `domain` is in lower case, A-labels.
        """
        records = self._running().records
        domains = {domain, f".{domain}"} if below else {domain}
        return await self._operate(self._retry_domain(records, domains))

    async def _retry_domain(self, records: Records, domains: Collection[str]) -> int:
        found = await self._threads.run(records.retry_domain, domains, self._clock.now())
        self._attempts.look_again()
        return found

    # -- hosts that fetch their mail ------------------------------------------------------------

    def hand_over(self, domains: Collection[str]) -> HandOver:
        """What waits for `domains`, for a host that has asked for it; `close` it in the end.

        `domains` are in lower case, A-labels; ".example.org" stands for all below it.
        """
        records = self._running().records
        return HandOver(domains, self._attempts, records, self._clock, self._threads)

    def reconsider(self) -> None:
        """Who serves an address may have changed: what waits to be asked for may go on."""
        house = self._running()
        if self._settings.parked:
            self._tasks.start(self._reconsider(house.records), "reconsider")

    async def _reconsider(self, records: Records) -> None:
        after, parked = START, self._settings.parked
        while True:
            page = await self._threads.run(records.served_by, parked, after, self._settings.page)
            other = [
                (id, index)
                for id, index, address, envelope in page
                if self._choose(address, envelope) not in parked
            ]
            if other:
                await committed(self._threads.run(records.set_due, other, self._clock.now()))
                self._attempts.look_again()
            if len(page) < self._settings.page:
                return
            after = page[-1][:2]

    async def hold(self, id: str) -> int:
        """Attempt no more until `release`; an attempt under way ends. UserError: not there."""
        return await self._operate(self._hold(self._running().records, id))

    async def release(self, id: str) -> int:
        """Let a held message go on, at once. UserError: not in the queue."""
        return await self._operate(self._release(self._running().records, id))

    async def drop(self, id: str) -> None:
        """Remove a message for good, without a word to anybody. UserError: not in the queue."""
        await self._operate(self._drop(self._running().records, id))

    async def _operate(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await committed(work)
        except apsw.Error as error:
            raise typed(error) from error

    async def _retry(self, records: Records, id: str | None) -> int:
        if id is not None:
            await self._threads.run(records.require, id)
        found = await self._threads.run(records.retry, id, self._clock.now(), self._settings.parked)
        self._attempts.look_again()
        return found

    async def _hold(self, records: Records, id: str) -> int:
        await self._threads.run(records.require, id)
        waiting = self._attempts.withdraw(id)
        indexes = [index for flight in waiting for index in flight.job.indexes]
        try:
            return await self._threads.run(records.hold, id, indexes)
        except BaseException:
            self._attempts.put_back(waiting)
            raise

    async def _release(self, records: Records, id: str) -> int:
        await self._threads.run(records.require, id)
        found = await self._threads.run(records.release, id, self._clock.now())
        self._attempts.look_again()
        return found

    async def _drop(self, records: Records, id: str) -> int:
        await self._threads.run(records.require, id)
        waiting = self._attempts.withdraw(id)
        try:
            await self._threads.run(records.drop, id)
        except BaseException:
            self._attempts.put_back(waiting)
            raise
        self._attempts.dropped(id)
        log.info("dropped by the operator", id=id)
        return 1

    def _running(self) -> "_House":
        if self._house is None:
            raise QueueUnavailable("the queue is not running")
        return self._house


class _House:
    """What is open on the disk while the queue runs."""

    __slots__ = ("_lock", "records", "spool")

    def __init__(self, lock: Lock, spool: Spool, records: Records) -> None:
        self._lock = lock
        self.spool = spool
        self.records = records

    @classmethod
    def open(cls, root: Path) -> "_House":
        """Raises UserError, QueueUnavailable."""
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = Lock(root)
        except OSError as error:
            raise typed(error) from error
        try:
            spool = Spool(root / "spool")
            house = cls(lock, spool, Records(root / "queue.db"))
            spool.hold()
            return house
        except (OSError, apsw.Error) as error:
            lock.release()
            raise typed(error) from error
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        self.records.close()
        self.spool.close()
        self._lock.release()
