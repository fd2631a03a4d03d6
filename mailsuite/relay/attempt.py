"""One attempt to bring a message to a destination: host after host, session after session.

Promises: every recipient gets one outcome; another host is asked only where no decision has fallen;
the bounds on hosts, addresses and sessions hold.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from mailsuite.base.clock import Clock
from mailsuite.base.log import get_logger
from mailsuite.dns import Resolver
from mailsuite.mail import Job, Outcome, Recipient
from mailsuite.message.downgrade import Inconvertible
from mailsuite.relay import hops as find
from mailsuite.relay.commands import (
    Unfit,
    as_binary,
    hop_of,
    mail_line,
    needs_utf8,
    rcpt_line,
)
from mailsuite.relay.content import Content
from mailsuite.relay.destination import Destination
from mailsuite.relay.dialogue import Fate, Result, Transfer, Verdict
from mailsuite.relay.hops import NoRoute
from mailsuite.relay.policy import plan_for
from mailsuite.relay.session import Endpoint, Session, batch, open_session
from mailsuite.relay.settings import Settings
from mailsuite.relay.sts import StsPolicies
from mailsuite.relay.tls import Contexts
from mailsuite.relay.verdicts import SessionFailed, elsewhere, outcome_of

log = get_logger("relay")


@dataclass(frozen=True, slots=True)
class House:
    """What every attempt works with."""

    settings: Settings
    resolver: Resolver
    contexts: Contexts
    clock: Clock
    sts: StsPolicies | None


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
        self._left = list(places)
        self._content = content
        self._outcomes: dict[int, Outcome] = {}
        self._failures: list[SessionFailed] = []
        self._tried: set[tuple[str, int]] = set()

    async def run(self) -> dict[int, Outcome]:
        """The outcome of each place."""
        alone = self._destination.left_alone()
        if alone is not None:
            return dict.fromkeys(self._left, alone)
        try:
            while self._left and (session := self._destination.take()) is not None:
                await self._over(session)
            if self._left:
                await self._anew()
        except SessionFailed as error:
            self._failures.append(error)
        if self._left:
            failure = self._worst()
            self._outcomes.update(dict.fromkeys(self._left, failure.outcome()))
            if not any(each.reached or each.permanent for each in self._failures):
                self._destination.unreachable(failure)
        return self._outcomes

    def _worst(self) -> SessionFailed:
        """What is told: that something may work later outweighs that something never will."""
        for failure in self._failures:
            if not failure.permanent:
                return failure
        nothing = SessionFailed("4.4.1", "no host could be tried")
        return self._failures[0] if self._failures else nothing

    # -- sessions -------------------------------------------------------------------------------

    async def _anew(self) -> None:
        """Over fresh sessions, one host after another."""
        async for endpoint in self._endpoints():
            while (endpoint.address, endpoint.port) not in self._tried:
                count = len(self._left)
                await self._with(endpoint)
                if not self._left:
                    return
                if len(self._left) == count:
                    break  # it helps no further; else it only wants a connection more (RFC 9422)

    async def _with(self, endpoint: Endpoint) -> None:
        house = self._house
        try:
            session = await open_session(endpoint, house.contexts, house.settings, house.clock)
        except SessionFailed as error:
            log.info("host not usable", id=self._job.id, host=endpoint.name, why=error.text)
            self._failures.append(error)
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
        sts = None
        if self._house.sts is not None and smarthost is None and not key.tls_optional:
            sts = await self._house.sts.policy(key.domain)
        count = 0
        for host in found.hosts:
            try:
                plan = await plan_for(
                    host,
                    found,
                    key.rule,
                    key.domain,
                    sts=sts,
                    require_tls=key.require_tls,
                    tls_optional=key.tls_optional,
                    resolver=self._house.resolver,
                    settings=settings,
                )
            except SessionFailed as error:
                self._failures.append(error)
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
                    bool(smarthost and smarthost.lmtp),
                )

    async def _over(self, session: Session) -> None:
        """As much as this session takes; what is undecided after it stays in `_left`."""
        kept = False
        try:
            while self._left:
                result, places = await self._transaction(session)
                left = self._sort(session, result, places)
                kept = result.usable
                if not kept or not session.usable or left:
                    break
        finally:
            if kept:
                self._destination.give_back(session)
            else:
                session.abort()

    def _sort(self, session: Session, result: Result, places: Sequence[int]) -> bool:
        """Take the verdicts in; gives whether some are left to another host."""
        moved = False
        endpoint = session.endpoint
        for place, verdict in zip(places, result.verdicts, strict=True):
            if verdict.fate is Fate.ANOTHER:
                continue
            if verdict.fate is Fate.ELSEWHERE:
                moved = True
                if verdict.reply is not None and verdict.reply.code != 421:
                    self._tried.add((endpoint.address, endpoint.port))
                continue
            self._left.remove(place)
            self._outcomes[place] = outcome_of(
                verdict, session.contact, session.offers, lmtp=endpoint.lmtp
            )
        if moved:
            verdict = next(each for each in result.verdicts if each.fate is Fate.ELSEWHERE)
            self._failures.append(elsewhere(verdict, session.contact))
        return moved

    # -- one transaction ------------------------------------------------------------------------

    async def _transaction(self, session: Session) -> tuple[Result, list[int]]:
        recipients = self._job.recipients
        names = [recipients[place].address for place in self._left]
        count = batch(names, session.offers, self._house.settings.recipients)
        places = self._left[:count]
        chosen = [recipients[place] for place in places]
        envelope, offers = self._job.envelope, session.offers
        utf8 = needs_utf8(envelope, chosen) or (envelope.smtputf8 and "SMTPUTF8" in offers)
        content = self._content
        try:
            content = await self._fitting(session, utf8=utf8)
            mail = mail_line(
                envelope, offers, content.traits, utf8=utf8, now=self._house.clock.now()
            )
            lines = _rcpt_lines(chosen, session)
        except Unfit as error:
            verdict = Verdict(Fate.PERMANENT, None, error.text, error.status)
            return Result([verdict] * len(places)), places
        try:
            good = [place for place, line in enumerate(lines) if isinstance(line, bytes)]
            result = Result([])
            if good:
                transfer = self._transfer(session, mail, lines, good, content)
                result = await session.transact(transfer, content)
            answers = iter(result.verdicts)
            verdicts = [next(answers) if isinstance(line, bytes) else line for line in lines]
            return Result(verdicts, result.usable), places
        finally:
            if content is not self._content:
                content.close()

    def _transfer(
        self,
        session: Session,
        mail: bytes,
        lines: Sequence[bytes | Verdict],
        good: Sequence[int],
        content: Content,
    ) -> Transfer:
        offers = session.offers
        binary = as_binary(content.traits, hop_of(offers, utf8=False))
        return Transfer(
            mail,
            [line for place in good if isinstance(line := lines[place], bytes)],
            content.size,
            chunked=binary or ("CHUNKING" in offers and "PIPELINING" in offers),
            together=content.data is not None and content.size <= self._house.settings.together,
        )

    async def _fitting(self, session: Session, *, utf8: bool) -> Content:
        """The message as this server can take it. Raises Unfit."""
        hop = hop_of(session.offers, utf8=utf8)
        asked = self._job.envelope.smtputf8
        traits = self._content.traits
        if traits.plain or (hop.takes(traits) and (utf8 or not asked)):
            return self._content
        try:
            converted = await self._content.converted(hop, smtputf8=asked)
        except Inconvertible as error:
            if error.status == "5.6.3" and hop.takes(replace(traits, long_line=False)):
                # Overlong lines alone: most servers take them, and a bounce helps nobody.
                return self._content
            raise Unfit(error.status, str(error)) from error
        if converted is None:
            return self._content
        log.info("converted", id=self._job.id, host=session.endpoint.name)
        return converted


def _rcpt_lines(recipients: Sequence[Recipient], session: Session) -> list[bytes | Verdict]:
    lines: list[bytes | Verdict] = []
    for recipient in recipients:
        try:
            lines.append(rcpt_line(recipient, session.offers))
        except Unfit as error:
            lines.append(Verdict(Fate.PERMANENT, None, error.text, error.status))
    return lines
