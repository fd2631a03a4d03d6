"""One connection to a server: brought up as its plan wants it, then one transaction after another.

Promises: every wait has its time-out (RFC 5321 §4.5.3.2); a message in a file goes out in blocks,
as fast as the server takes it; a password is only said under TLS; a session that failed is closed.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from mailsuite.base.clock import Clock
from mailsuite.base.log import get_logger
from mailsuite.mail import Contact
from mailsuite.net import Connection, connect
from mailsuite.relay import dane, dialogue, tls
from mailsuite.relay.content import Content
from mailsuite.relay.dialogue import (
    Compute,
    Lost,
    Refused,
    Result,
    Send,
    SendMessage,
    Step,
    Transfer,
    Want,
)
from mailsuite.relay.octets import Stuffer
from mailsuite.relay.offers import NOTHING, Offers
from mailsuite.relay.plan import Need, Plan
from mailsuite.relay.replies import BadReply, Reply, ReplyReader
from mailsuite.relay.settings import Settings
from mailsuite.relay.tls import Contexts
from mailsuite.relay.verdicts import SessionFailed, refused
from mailsuite.sasl import ClientLogin, choose

T = TypeVar("T")
log = get_logger("relay")


class PlainInstead(Exception):
    """The handshake failed, and the plan allows to go without TLS: over a new connection."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect, and how.

    host   name for the certificate and the log; "" for an address literal
    known  the host itself has signed in, on a connection of its own
    """

    host: str
    address: str
    port: int
    plan: Plan
    login: ClientLogin | None = None
    lmtp: bool = False
    known: bool = False

    @property
    def name(self) -> str:
        """For people."""
        return self.host or self.address

    @property
    def tls_name(self) -> str:
        """What is asked for in the handshake: with DANE, where the records are (RFC 7672 §8.1)."""
        return self.plan.names[0] if self.plan.names else self.name


class Session:
    """See the module. Made by `open_session`."""

    def __init__(
        self, endpoint: Endpoint, connection: Connection, settings: Settings, clock: Clock
    ) -> None:
        self.endpoint = endpoint
        self.offers: Offers = NOTHING
        self.used = 0
        self.domains: set[str] = set()  # of the recipients so far
        self.signed_in = False
        self.contact = Contact(endpoint.host, endpoint.address, tls="none", why=endpoint.plan.why)
        self._connection = connection
        self._settings = settings
        self._clock = clock
        self._reader = ReplyReader()
        self._replies: deque[Reply] = deque()
        self._pending: list[bytes] = []

    # -- the life of a session ------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Whether it may carry one more message."""
        most = self._settings.transactions
        most = min(most, self.offers.limit("MAILMAX") or most)
        return not self._connection.has_ended and not self._connection.pending and self.used < most

    @property
    def secure(self) -> bool:
        """The connection is under TLS."""
        return self._connection.tls

    @property
    def proven(self) -> bool:
        """The connection is under TLS, and it is known who is at its other end."""
        known = self.endpoint.known or self.endpoint.plan.need >= Need.VERIFY
        return self._connection.tls and known

    async def transact(self, transfer: Transfer, content: Content) -> Result:
        """One mail transaction. Raises OSError when the message can't be read."""
        self.used += 1
        steps = dialogue.transact(transfer, self.offers, lmtp=self.endpoint.lmtp)
        return await self.run(steps, content)

    async def quit(self) -> None:
        """Take leave, where anybody is there still, and close."""
        try:
            await self.run(dialogue.goodbye())
            self._connection.close()
        except (Lost, OSError) as error:
            log.debug("no goodbye", host=self.endpoint.name, why=str(error))
            self._connection.abort()
        except BaseException:
            self._connection.abort()
            raise

    def abort(self) -> None:
        """Close at once."""
        self._connection.abort()

    # -- bringing it up -------------------------------------------------------------------------

    async def begin(self, contexts: Contexts) -> None:
        """Greeting, EHLO, TLS, AUTH. Raises SessionFailed, PlainInstead."""
        try:
            if self.endpoint.plan.implicit:
                self._secured()
            await self._hello(greeted=False)
            if not self.endpoint.plan.implicit:
                await self._tls(contexts)
            if self.endpoint.login is not None:
                await self._sign_in(self.endpoint.login)
        except Refused as error:
            raise refused(error.reply, self.contact) from error
        except Lost as error:
            words = f"{self.endpoint.name}: {error}"
            raise SessionFailed("4.4.2", words, self.contact) from error

    async def _hello(self, *, greeted: bool) -> None:
        name = self._settings.hostname
        steps = dialogue.hello(name, lmtp=self.endpoint.lmtp, greeted=greeted)
        self.offers = await self.run(steps)

    async def _tls(self, contexts: Contexts) -> None:
        plan = self.endpoint.plan
        if plan.need is Need.OFF:
            return
        if "STARTTLS" not in self.offers:
            self._without("STARTTLS is not offered", "4.7.4")
            return
        try:
            await self.run(dialogue.start_tls())
        except Refused as error:
            self._without(f"STARTTLS is refused: {error.reply}", "4.7.4")
            return
        if self._replies or self._reader.pending:
            raise Lost("octets between STARTTLS and the handshake")
        try:
            await self._connection.begin_tls(
                contexts.of(plan.need), self.endpoint.tls_name, self._settings.connect_timeout
            )
        except OSError as error:
            raise self._failed_tls(tls.explain(error)) from error
        self._secured()
        # What was known before the handshake counts for nothing (RFC 3207 §4.2).
        await self._hello(greeted=True)

    def _without(self, why: str, status: str) -> None:
        """There is no TLS: well or ill, as the plan says."""
        if self.endpoint.plan.need > Need.MAY:
            raise self._no_tls(status, why)
        self.contact = replace(self.contact, why=f"{self.endpoint.plan.why}; {why}")

    def _no_tls(self, status: str, why: str) -> SessionFailed:
        words = f"{self.endpoint.name}: {why}; TLS is required here ({self.endpoint.plan.why})"
        return SessionFailed(status, words, self.contact, reached=True)

    def _failed_tls(self, why: str) -> Exception:
        plan = self.endpoint.plan
        return PlainInstead(why) if plan.need is Need.MAY else self._no_tls("4.7.5", why)

    def _secured(self) -> None:
        """The handshake is done: say what it came to, and check the chain by DANE."""
        session, plan = self._connection.ssl_object, self.endpoint.plan
        if session is None:
            raise Lost("the connection ended in the TLS handshake")
        words = "certificate not checked"
        if plan.need is Need.VERIFY:
            words = "certificate valid"
        elif plan.need is Need.DANE:
            now = self._clock.now()
            if not dane.matches(plan.tlsa, tls.chain_of(session), plan.names, now):
                raise self._no_tls("4.7.5", "the certificate does not match the TLSA records")
            words = "certificate valid by DANE"
        self.contact = replace(self.contact, tls=f"{tls.describe(session)}, {words}")

    async def _sign_in(self, login: ClientLogin) -> None:
        if not self._connection.tls:
            words = f"{self.endpoint.name}: the password is not sent without TLS"
            raise SessionFailed("4.7.11", words, self.contact, reached=True)
        failed: list[str] = []
        while True:
            exchange = choose(self.offers.auth, login, secure=True, without=failed)
            if exchange is None:
                words = f"{self.endpoint.name} offers no way to sign in that is known here"
                raise SessionFailed("4.7.0", words, self.contact, reached=True)
            try:
                await self.run(dialogue.sign_in(exchange))
            except Refused as error:
                if exchange.mechanism.startswith("SCRAM-") and not failed:
                    # Many servers offer it also to accounts of which they know no verifier.
                    failed = [name for name in self.offers.auth if name.startswith("SCRAM-")]
                    if choose(self.offers.auth, login, secure=True, without=failed):
                        continue
                # The operator's to mend; no reason to give up other people's mail.
                log.error("could not sign in", host=self.endpoint.name, reply=str(error.reply))
                raise refused(error.reply, self.contact, permanent=False) from error
            self.signed_in = True
            return

    # -- the steps of a dialogue ----------------------------------------------------------------

    async def run(self, steps: Generator[Step, Reply, T], content: Content | None = None) -> T:
        """Do what `steps` says, until it returns. Raises what it raises; Lost where it ends so."""
        try:
            step = next(steps)
            while True:
                try:
                    answer = await self._do(step, content)
                except (Lost, BadReply, ConnectionError, TimeoutError) as error:
                    self._connection.abort()
                    step = steps.throw(Lost(_words(error)))
                else:
                    step = next(steps) if answer is None else steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _do(self, step: Step, content: Content | None) -> Any:
        match step:
            case Send(octets):
                self._pending.append(octets)
            case SendMessage(raw):
                assert content is not None
                await self._send(content, raw=raw)
            case Compute(call):
                return await asyncio.to_thread(call)
            case want:
                await self._flush()
                return await self._reply(want)
        return None

    async def _flush(self, *, within: bool = False) -> None:
        """Send what is pending; `within` a message a server may refuse it before its end.

        Replies that are there before anything was asked would be taken for answers to what is only
        sent now: the message could be lost with a "250" that belongs to something else.
        """
        if not self._pending:
            return
        if self._connection.pending:
            self._take(await self._connection.read())
        if self._reader.pending or any(each.ok or not within for each in self._replies):
            raise Lost("a reply that nobody asked for" + "".join(f": {r}" for r in self._replies))
        self._connection.writelines(self._pending)
        self._pending.clear()

    async def _send(self, content: Content, *, raw: bool) -> None:
        stuffer = Stuffer()
        if content.data is not None:
            self._pending.append(content.data if raw else stuffer.feed(content.data))
        else:
            await self._flush()
            try:
                async for block in content.blocks():
                    self._connection.write(block if raw else stuffer.feed(block))
                    async with asyncio.timeout(self._settings.block_timeout):
                        await self._connection.drain()
            except ConnectionError:
                # It may have said why before it hung up.
                if not self._take(await self._connection.read()):
                    raise
                return
        if not raw:
            self._pending.append(stuffer.end())
        await self._flush(within=content.data is None)

    async def _reply(self, want: Want) -> Reply:
        seconds = self._settings.timeouts[want]
        try:
            # The whole reply, or a host that says an octet now and then is waited for for ever.
            async with asyncio.timeout(seconds):
                while not self._replies:
                    if self._reader.failure is not None:
                        raise self._reader.failure
                    octets = await self._connection.read()
                    if not octets:
                        raise Lost(f"the connection was closed at {want.value}")
                    self._take(octets)
        except TimeoutError as error:
            raise Lost(f"no answer to {want.value} within {seconds:g} seconds") from error
        return self._replies.popleft()

    def _take(self, octets: bytes) -> bool:
        self._replies.extend(self._reader.feed(octets))
        return bool(self._replies)


def _words(error: BaseException) -> str:
    return str(error) or error.__class__.__name__


async def open_session(
    endpoint: Endpoint, contexts: Contexts, settings: Settings, clock: Clock
) -> Session:
    """Connect and bring the session up. Raises SessionFailed."""
    try:
        return await _opened(endpoint, contexts, settings, clock)
    except PlainInstead as error:
        # Opportunistic means: better in the clear than not at all (RFC 7435 §3).
        why = f"{endpoint.plan.why}; {error.why}"
        log.info("without tls", host=endpoint.name, address=endpoint.address, why=error.why)
        plain = replace(endpoint, plan=replace(endpoint.plan, need=Need.OFF, why=why))
        return await _opened(plain, contexts, settings, clock)


async def _opened(
    endpoint: Endpoint, contexts: Contexts, settings: Settings, clock: Clock
) -> Session:
    plan = endpoint.plan
    contact = Contact(endpoint.host, endpoint.address, why=plan.why)
    try:
        connection = await connect(
            endpoint.address,
            endpoint.port,
            timeout=settings.connect_timeout,
            tls=contexts.of(plan.need) if plan.implicit else None,
            name=endpoint.tls_name,
        )
    except ssl.SSLError as error:
        words = f"{endpoint.name}: {tls.explain(error)}"
        raise SessionFailed("4.7.5", words, contact, reached=True) from error
    except OSError as error:
        words = f"{endpoint.name} [{endpoint.address}]:{endpoint.port} {_unreachable(error)}"
        raise SessionFailed("4.4.1", words, contact) from error
    session = Session(endpoint, connection, settings, clock)
    try:
        await session.begin(contexts)
    except SessionFailed:
        # Not without a QUIT, even so (RFC 5321 §4.1.1.10, RFC 3207 §4.1).
        await session.quit()
        raise
    except BaseException:
        session.abort()
        raise
    return session


def _unreachable(error: OSError) -> str:
    match error:
        case TimeoutError():
            return "does not answer"
        case ConnectionRefusedError():
            return "refuses connections"
        case _:
            return f"can't be reached ({error.strerror or error})"


def batch(
    addresses: Sequence[str], offers: Offers, most: int, domains: Collection[str] = ()
) -> int:
    """How many of `addresses`, from the first, may go in one transaction (RFC 9422 §4).

    domains  those that the session has had: RCPTDOMAINMAX is for all of it (§4.3). 0: it takes no
             further ones
    """
    most = min(most, offers.limit("RCPTMAX") or most)
    bound = offers.limit("RCPTDOMAINMAX")
    if bound is None:
        return most
    seen = set(domains)
    for place, address in enumerate(addresses[:most]):
        seen.add(domain_in(address))
        if len(seen) > bound:
            return place
    return most


def domain_in(address: str) -> str:
    """The domain, in lower case."""
    return address.rpartition("@")[2].lower()
