"""ATRN with a real queue and the relay's client: hosts that fetch their mail, well and badly."""

import asyncio
import base64
import contextlib
import random
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import trustme
import uvloop
from smtp_fakes import SmtpAccounts, make_router

from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.dns import Nameserver, Resolver
from mailsuite.dns import Settings as DnsSettings
from mailsuite.mail import Envelope, Recipient
from mailsuite.net import Proxies, bind
from mailsuite.queue import Queue, RecipientEntry
from mailsuite.queue import Settings as QueueSettings
from mailsuite.relay import OnDemandCourier, RelayCourier
from mailsuite.relay import Settings as RelaySettings
from mailsuite.relay.dialogue import Want
from mailsuite.smtpd import Settings, Smtpd
from tests.next_hop import NextHop
from tests.sign_in import sign_in

CA = trustme.CA()
SIGN_IN = base64.b64encode(b"\0alice@example.test\0alice").decode()
MESSAGE = b"From: s@far.test\r\nSubject: %s\r\n\r\n.Hello.\r\n"


class House:
    """A server with a queue, and an account that may fetch the mail of branch.test."""

    def __init__(self, queue: Queue, door: Smtpd, port: int) -> None:
        self.queue = queue
        self.door = door
        self.port = port

    async def submit(self, *to: str, octets: bytes = MESSAGE % b"x", **wishes: object) -> str:
        recipients = tuple(Recipient(each) for each in to)
        envelope = Envelope("s@far.test", recipients, **wishes)
        return await self.queue.submit(envelope, octets)

    async def recipients(self) -> dict[str, RecipientEntry]:
        found = await self.queue.list()
        return {one.address: one for entry in found for one in entry.recipients}

    async def fetch(
        self,
        hop: NextHop,
        *,
        tls: bool = True,
        expect: str = "250",
        proxied: bytes = b"",
        alone: bool = True,
    ) -> str:
        """What a host does; its own server is `hop`. Gives the reply to ATRN.

        `alone`: nobody else is at it, so that all is quiet at the end.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(proxied)
            await answer(reader)
            await say(reader, writer, "EHLO branch.test")
            if tls:
                await say(reader, writer, "STARTTLS")
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                CA.configure_trust(context)
                await writer.start_tls(context, server_hostname="here.test")
                await say(reader, writer, "EHLO branch.test")
            await say(reader, writer, f"AUTH PLAIN {SIGN_IN}")
            found = await say(reader, writer, "ATRN")
            assert found.startswith(expect), found
            if found.startswith("250"):
                await hop.serve(reader, writer)
            return found
        finally:
            writer.close()
            if alone:
                await self.settled()

    async def settled(self) -> None:
        """No turn is under way."""
        async with asyncio.timeout(10):
            while self.door.sessions or (await self.queue.counts()).active:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


async def answer(reader: asyncio.StreamReader) -> str:
    async with asyncio.timeout(10):
        while (line := await reader.readline())[3:4] == b"-":
            pass
    return line.decode()


async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str) -> str:
    writer.write(line.encode() + b"\r\n")
    return await answer(reader)


@asynccontextmanager
async def house(
    folder: Path, proxies: Proxies | None = None, patience: float = 60.0
) -> AsyncIterator[House]:
    threads, clock = Threads("turn-test", 4), SystemClock()
    resolver = Resolver(DnsSettings((Nameserver("127.0.0.1", 9),)))
    chosen = RelaySettings("here.test", timeouts=dict.fromkeys(Want, patience))
    relay = RelayCourier(chosen, resolver, clock=clock, threads=threads)
    queue = Queue(
        folder / "queue",
        choose=lambda address, envelope: "on-demand",
        couriers={"on-demand": OnDemandCourier()},
        clock=clock,
        threads=threads,
        settings=QueueSettings(parked=frozenset({"on-demand"})),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("here.test").configure_cert(context)
    on_demand = {"alice@example.test": frozenset({"branch.test"})}
    settings = Settings("odmr", "here.test", allow_plain_auth=True, on_demand=on_demand)
    router, _ = make_router()
    door = Smtpd(
        settings,
        router,
        sign_in(SmtpAccounts()),
        queue,
        context,
        proxies=proxies,
        turner=relay.turned,
    )
    sock = bind("127.0.0.1", 0)
    await queue.start()
    await door.start(sock)
    try:
        yield House(queue, door, sock.getsockname()[1])
    finally:
        await door.stop()
        await queue.stop(5.0)
        await relay.close()
        threads.close()
        sock.close()


def on_both_loops(test: Callable[[Path], object]) -> Callable[[Path, object], None]:
    """Transports change their protocol here, which each loop does in its own way."""

    @pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
    def run(tmp_path: Path, loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(test(tmp_path))

    return run


@on_both_loops
async def test_each_outcome_is_recorded(tmp_path: Path) -> None:
    hop = NextHop(replies={"RCPT": ["250 ok", "450 4.2.1 later", "550 5.1.1 nobody"]})
    async with house(tmp_path) as here:
        for name in ("a", "b", "c"):
            await here.submit(f"{name}@branch.test")
        await here.submit("d@other.test")
        await here.fetch(hop)
        left = await here.recipients()
        assert {name: one.state for name, one in left.items()} == {
            "b@branch.test": "due",
            "c@branch.test": "bounced",
            "d@other.test": "due",
        }
        (attempt,) = left["b@branch.test"].history
        assert (attempt.status, attempt.reply) == ("4.2.1", "450 4.2.1 later")
        assert (attempt.host, attempt.address) == ("branch.test", "127.0.0.1")
        assert attempt.tls.startswith("TLSv1.3 ") and attempt.tls.endswith(
            ", signed in as alice@example.test"
        )
        assert attempt.why == "ATRN by alice@example.test"
        assert [each[2] for each in hop.messages] == [MESSAGE % b"x"]
        assert hop.commands[-1] == "QUIT" and hop.connections == 1
        # The next time it is taken.
        await here.fetch(NextHop())
        assert list(await here.recipients()) == ["c@branch.test", "d@other.test"]
        assert (await here.fetch(NextHop(), expect="453")).startswith("453 4.0.0 You have no mail")


@on_both_loops
async def test_behind_a_proxy(tmp_path: Path) -> None:
    """The attempt's record names the host, not the proxy."""
    async with house(tmp_path, Proxies([IPv4Network("127.0.0.0/8")])) as here:
        await here.submit("a@branch.test")
        hop = NextHop(replies={"RCPT": ["450 4.2.1 later"]})
        await here.fetch(hop, proxied=b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 366\r\n")
        (left,) = (await here.recipients()).values()
        assert left.history[0].address == "192.0.2.7" and left.history[0].tls.startswith("TLS")


ANSWERS = ["250 ok", "220 ok", "354 go on", "421 bye", "450 later", "452 full", "550 no", "250-x"]
ANSWERS += ["nonsense", "(drop)", "250 2.0.0 a\r\n250 2.0.0 b", "\xff\xfe", "999 what"]


class Raving(NextHop):
    """Answers as it likes, now and then."""

    def __init__(self, seed: int) -> None:
        super().__init__(("SIZE", "PIPELINING") if seed % 2 else ("SIZE",))
        self.chance = random.Random(seed)

    def answer(self, verb: str, usual: str) -> str:
        return usual if self.chance.random() < 0.8 else self.chance.choice(ANSWERS)


async def test_whatever_a_host_answers_each_recipient_has_its_end(tmp_path: Path) -> None:
    async with house(tmp_path, patience=0.1) as here:
        for seed in range(20):
            for number in range(3):
                await here.submit(f"{number}@branch.test", f"x{number}@branch.test")
            await here.fetch(Raving(seed), tls=False)
            left = await here.recipients()
            assert all(one.state in ("due", "bounced", "sent") for one in left.values())
            assert not any(one.active for one in left.values())
            assert not here.door.counters.failures
            for entry in await here.queue.list():
                await here.queue.drop(entry.id)


async def test_what_a_host_cant_take_is_converted(tmp_path: Path) -> None:
    eight_bit = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    eight_bit += b"Content-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"
    binary = b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
    binary += b"Content-Transfer-Encoding: binary\r\n\r\n\0\n\xff"
    async with house(tmp_path) as here:
        await here.submit("a@branch.test", octets=eight_bit, body="8BITMIME")
        await here.submit("b@branch.test", octets=binary, body="BINARYMIME")
        await here.submit("ü@branch.test", smtputf8=True)
        # Lines only: the host may be a pipe that knows of nothing else.
        hop = NextHop(("PIPELINING", "CHUNKING", "BINARYMIME"))
        await here.fetch(hop, tls=False)
        first, second = hop.octets
        assert first.endswith(b"\r\n\r\nR3LDvMOfZQ0K\r\n")
        assert second.endswith(b"\r\n\r\nAAr/\r\n")
        assert not any(each.startswith("BDAT") for each in hop.commands)
        (left,) = (await here.recipients()).values()
        assert (left.state, left.status) == ("bounced", "5.6.7")
        # Who can take it gets it as it is.
        await here.submit("a@branch.test", octets=eight_bit, body="8BITMIME")
        await here.submit("ü@branch.test", smtputf8=True)
        able = NextHop(("8BITMIME", "SMTPUTF8"))
        await here.fetch(able, tls=False)
        assert able.octets == [eight_bit, MESSAGE % b"x"]
        assert "BODY=8BITMIME" in able.messages[0][0] and "SMTPUTF8" in able.messages[1][0]


async def test_tls_that_a_sender_requires(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        await here.submit("a@branch.test", require_tls=True)
        hop = NextHop(("REQUIRETLS",))
        await here.fetch(hop, tls=False)
        assert not hop.messages
        (left,) = (await here.recipients()).values()
        assert (left.state, left.status) == ("due", "4.7.30")
        await here.fetch(hop, tls=True)
        assert "REQUIRETLS" in hop.messages[0][0] and not await here.recipients()


async def test_a_host_that_takes_few_messages_a_session_comes_again(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        for number in range(5):
            await here.submit(f"{number}@branch.test")
        hop = NextHop(("PIPELINING", "LIMITS MAILMAX=2"))
        for expected in (2, 4, 5):
            await here.fetch(hop)
            assert len(hop.messages) == expected


class Dying(NextHop):
    """Hangs up after `left` commands, the end of a message being one of them."""

    left = 0

    def answer(self, verb: str, usual: str) -> str:
        self.left -= 1
        return "(drop)" if self.left < 0 else super().answer(verb, usual)


async def test_it_dies_at_any_moment(tmp_path: Path) -> None:
    """Each message arrives; twice only what was taken without saying so."""
    names = [f"{number}@branch.test" for number in range(3)]
    async with house(tmp_path) as here:
        for commands in range(17):
            for name in names:
                await here.submit(name, octets=MESSAGE % name.encode())
            dying = Dying(("SIZE",))
            dying.left = commands
            await here.fetch(dying)
            waiting = await here.recipients()
            answered = [each for each in dying.messages if each[1][0][4:-1] not in waiting]
            # GREETING, EHLO, then four commands a message.
            assert len(answered) == max(0, commands - 2) // 4
            assert all(one.state == "due" for one in waiting.values())
            after = NextHop(("SIZE",))
            if waiting:
                await here.fetch(after)
            assert not await here.recipients()
            got = dying.octets + after.octets
            assert set(got) == {MESSAGE % name.encode() for name in names}
            assert len(got) - len(names) == len(dying.messages) - len(answered) <= 1


async def test_the_stop_of_the_server_lets_the_last_message_end(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        for number in range(3):
            await here.submit(f"{number}@branch.test")
        hop = NextHop(pause=0.2)
        task = asyncio.create_task(here.fetch(hop))
        async with asyncio.timeout(10):
            while not hop.messages:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await here.door.stop(grace=0.1)
        with contextlib.suppress(ConnectionError):
            await task
        assert len(hop.messages) == 1 and hop.commands[-1] == "QUIT"
        assert list(await here.recipients()) == ["1@branch.test", "2@branch.test"]
        assert not (await here.queue.counts()).active


async def test_a_second_host_of_the_account_waits_for_its_turn(tmp_path: Path) -> None:
    async with house(tmp_path) as here:
        await here.submit("a@branch.test")
        hop = NextHop(go_on=asyncio.Event())
        first = asyncio.create_task(here.fetch(hop))
        async with asyncio.timeout(10):
            while not hop.messages:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await here.fetch(NextHop(), expect="450 4.3.2 ", alone=False)
        assert hop.go_on
        hop.go_on.set()
        await first
        assert len(hop.messages) == 1
