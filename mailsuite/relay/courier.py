"""The relay courier: takes mail to other hosts, each recipient to the one that serves its domain.

Promises: recipients of one destination share a transaction; what one destination does keeps no
other one waiting; a session is used for many messages. A crash after the other host has taken a
message and before the queue has recorded it makes a second copy: SMTP knows no way around that.
"""

import asyncio
from collections.abc import Container, Sequence
from dataclasses import replace

from mailsuite.base.clock import Clock
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Tasks, Threads
from mailsuite.dns import Resolver
from mailsuite.mail import Bounced, Deferred, Job, Outcome
from mailsuite.message import among, normalise_domain
from mailsuite.net import Connection
from mailsuite.relay.attempt import Attempt, House
from mailsuite.relay.content import Content, load
from mailsuite.relay.destination import Destination, DestinationState, Key
from mailsuite.relay.settings import Settings
from mailsuite.relay.signing import Signer
from mailsuite.relay.sts import StsPolicies
from mailsuite.relay.tls import Contexts
from mailsuite.relay.turned import TurnedCourier, take_over

log = get_logger("relay")

REMEMBERED = 1000  # destinations; those that rest are forgotten above this
TOGETHER = 20  # destinations of one message that are served at the same moment


class RelayCourier:
    """See the module."""

    def __init__(
        self,
        settings: Settings,
        resolver: Resolver,
        *,
        clock: Clock,
        threads: Threads,
        sts: StsPolicies | None = None,
        contexts: Contexts | None = None,
        signer: Signer | None = None,
    ) -> None:
        """`sts` None: MTA-STS is not looked for. `contexts` are made where none are given.

        `signer` signs where the settings want it.
        """
        self.settings = settings
        self._signer = signer
        contexts = contexts or Contexts(settings.ca_file)
        signing = signer if settings.dkim else None
        self._house = House(settings, resolver, contexts, clock, sts, signing)
        self._clock = clock
        self._threads = threads
        self._tasks = Tasks("relay")
        self._destinations: dict[Key, Destination] = {}
        self._sweep_at = REMEMBERED

    def apply(self, settings: Settings, contexts: Contexts, sts: StsPolicies | None) -> None:
        """Other settings, for attempts that begin from now on."""
        self.settings = settings
        signer = self._signer if settings.dkim else None
        self._house = replace(
            self._house, settings=settings, contexts=contexts, sts=sts, signer=signer
        )

    async def deliver(self, job: Job) -> Sequence[Outcome]:
        """See `mail.Courier`."""
        content = await load(job.message, self._threads)
        outcomes: dict[int, Outcome] = {}
        groups: dict[Key, list[int]] = {}
        for place, recipient in enumerate(job.recipients):
            key = self._key(recipient.address, job, content)
            if key is None:
                words = f"{recipient.address} is not an address with a domain"
                outcomes[place] = Bounced("5.1.3", words)
            else:
                groups.setdefault(key, []).append(place)
        if len(groups) == 1:
            ((key, places),) = groups.items()
            outcomes |= await self._serve(key, job, places, content)
        elif groups:
            gate = asyncio.Semaphore(TOGETHER)
            found = await asyncio.gather(
                *(self._gated(gate, key, job, places, content) for key, places in groups.items())
            )
            for each in found:
                outcomes |= each
        return [outcomes[place] for place in range(len(job.recipients))]

    async def turned(
        self, connection: Connection, *, name: str, why: str, account: str
    ) -> TurnedCourier:
        """The courier for a host that has turned the roles on its connection; see `take_over`.

        Raises SessionFailed.
        """
        house = self._house
        return await take_over(
            connection,
            name=name,
            why=why,
            account=account,
            settings=house.settings,
            contexts=house.contexts,
            clock=house.clock,
            threads=self._threads,
            signer=house.signer,
        )

    def _key(self, address: str, job: Job, content: Content) -> Key | None:
        _, at, domain = address.rpartition("@")
        if not at or not domain:
            return None
        try:
            domain = normalise_domain(domain.removesuffix("."))
        except ValueError:
            return None
        rule = self.settings.rule(domain)
        # A notice is not to be lost for that (RFC 8689 §4.2.1, §5).
        required = job.envelope.require_tls and bool(job.envelope.sender)
        optional = content.tls_optional and not job.envelope.require_tls  # §4.1
        return Key("" if rule.smarthost else domain, rule, required, optional)

    async def _gated(
        self,
        gate: asyncio.Semaphore,
        key: Key,
        job: Job,
        places: Sequence[int],
        content: Content,
    ) -> dict[int, Outcome]:
        async with gate:
            return await self._serve(key, job, places, content)

    async def _serve(
        self, key: Key, job: Job, places: Sequence[int], content: Content
    ) -> dict[int, Outcome]:
        destination = self._destination(key)
        destination.waiting += 1
        try:
            async with destination.gate:
                return await Attempt(self._house, destination, job, places, content).run()
        except Exception as error:
            # Of one destination; what the others have done must be recorded.
            log.error("attempt failed", id=job.id, domain=key.domain, exc_info=error)
            return dict.fromkeys(places, Deferred("4.3.0", "internal error, see the server's log"))
        finally:
            destination.waiting -= 1

    def _destination(self, key: Key) -> Destination:
        found = self._destinations.get(key)
        if found is None:
            if len(self._destinations) >= self._sweep_at:
                self._destinations = {
                    known: each
                    for known, each in self._destinations.items()
                    if not each.forgettable
                }
                self._sweep_at = max(REMEMBERED, 2 * len(self._destinations))
            found = Destination(key, self.settings, self._clock, self._tasks)
            self._destinations[key] = found
        return found

    def destinations(self, most: int = 50) -> list[DestinationState]:
        """Those with something to tell, the busiest first."""
        found = [each.state for each in self._destinations.values()]
        told = [each for each in found if each.attempts or each.idle or each.why]
        return sorted(told, key=lambda each: -each.attempts)[:most]

    def retry_now(self, domains: Container[str] | None = None) -> None:
        """Leave no destination alone any longer, because somebody wants to see it tried.

        Of these `domains` only (`message.among`), where they are named. A smarthost serves many.
        """
        for key, destination in self._destinations.items():
            if domains is None or not key.domain or among(key.domain, domains):
                destination.reached()

    async def close(self) -> None:
        """Take leave of every host. No attempt may be under way."""
        for destination in self._destinations.values():
            destination.close()
        self._destinations.clear()
        if not await self._tasks.wait(1.0):
            await self._tasks.cancel()
