"""One attempt to bring a message to a destination: host after host, session after session.

Promises: every recipient gets one outcome; another host is asked only where no decision has fallen;
the bounds on hosts, addresses and sessions hold.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from mailsuite.base.clock import Clock
from mailsuite.base.log import get_logger
from mailsuite.dns import Resolver
from mailsuite.mail import Job, Outcome
from mailsuite.relay import hops as find
from mailsuite.relay.content import Content
from mailsuite.relay.destination import Destination
from mailsuite.relay.hops import NoRoute
from mailsuite.relay.policy import plan_for
from mailsuite.relay.session import Endpoint, Session, open_session
from mailsuite.relay.settings import Settings
from mailsuite.relay.signing import Signer
from mailsuite.relay.sts import StsPolicies
from mailsuite.relay.tls import Contexts
from mailsuite.relay.transactions import Transactions
from mailsuite.relay.verdicts import SessionFailed

log = get_logger("relay")


@dataclass(frozen=True, slots=True)
class House:
    """What every attempt works with; `signer` None: nothing is signed."""

    settings: Settings
    resolver: Resolver
    contexts: Contexts
    clock: Clock
    sts: StsPolicies | None
    signer: Signer | None


class Attempt:
    """`run` it once. `places` are those of the job's recipients that go to `destination`."""

    def __init__(
        self,
        house: House,
        destination: Destination,
        job: Job,
        places: Sequence[int],
        content: Content,
    ) -> None:
        self._house = house
        self._destination = destination
        self._job = job
        self._message = Transactions(
            house.settings, house.clock, job, places, content, house.signer
        )

    async def run(self) -> dict[int, Outcome]:
        """The outcome of each place."""
        alone = self._destination.left_alone()
        if alone is not None:
            return dict.fromkeys(self._message.left, alone)
        try:
            while self._message.left and (session := self._destination.take()) is not None:
                await self._over(session)
            if self._message.left:
                await self._anew()
        except SessionFailed as error:
            self._message.failures.append(error)
        if self._message.left:
            failure = self._message.worst()
            self._message.outcomes.update(dict.fromkeys(self._message.left, failure.outcome()))
            if not any(each.reached or each.permanent for each in self._message.failures):
                self._destination.unreachable(failure)
        return self._message.outcomes

    # -- sessions -------------------------------------------------------------------------------

    async def _anew(self) -> None:
        """Over fresh sessions, one host after another."""
        async for endpoint in self._endpoints():
            while (endpoint.address, endpoint.port) not in self._message.tried:
                count = len(self._message.left)
                await self._with(endpoint)
                if not self._message.left:
                    return
                if len(self._message.left) == count:
                    break  # it helps no further; else it only wants a connection more (RFC 9422)

    async def _with(self, endpoint: Endpoint) -> None:
        house = self._house
        try:
            session = await open_session(endpoint, house.contexts, house.settings, house.clock)
        except SessionFailed as error:
            log.info("host not usable", id=self._job.id, host=endpoint.name, why=error.text)
            self._message.failures.append(error)
            return
        self._destination.reached()
        await self._over(session)

    async def _endpoints(self) -> AsyncIterator[Endpoint]:
        """Where to connect, in order. Raises SessionFailed where there is nothing."""
        key, settings = self._destination.key, self._house.settings
        smarthost = key.rule.smarthost
        try:
            if smarthost is not None:
                found = await find.of_host(self._house.resolver, smarthost.host, smarthost.port)
            else:
                found = await find.by_mx(self._house.resolver, key.domain, settings)
        except NoRoute as error:
            raise SessionFailed(error.status, error.text) from error
        # The domain of the policy: with a smarthost its name, and not the recipient's domain
        # (RFC 8461 §3.4).
        domain = smarthost.host.lower() if smarthost else key.domain
        lmtp = bool(smarthost and smarthost.lmtp)
        sts = None
        if self._house.sts is not None and not key.tls_optional and not lmtp:
            sts = await self._house.sts.policy(domain)
        count = 0
        for host in found.hosts:
            try:
                plan = await plan_for(
                    host,
                    found,
                    key.rule,
                    domain,
                    sts=sts,
                    require_tls=key.require_tls,
                    tls_optional=key.tls_optional,
                    resolver=self._house.resolver,
                    settings=settings,
                )
            except SessionFailed as error:
                self._message.failures.append(error)
                continue
            for address in host.addresses:
                count += 1
                if count > settings.addresses:
                    return
                yield Endpoint(
                    host.name,
                    address,
                    host.port,
                    plan,
                    smarthost.login if smarthost else None,
                    lmtp,
                )

    async def _over(self, session: Session) -> None:
        """As much as this session takes; then others may have it."""
        kept: bool | None = None
        try:
            kept = await self._message.over(session)
        finally:
            if kept is None:
                session.abort()
            elif kept:
                self._destination.give_back(session)
            else:
                self._destination.dismiss(session)
