"""Runs the dialogues of tests/dialogues/smtp against the ESMTP door on a real socket.

Each runs on asyncio's own loop and on uvloop. A dialogue is a text file; each line is one step:

    # comment
    set on_demand A D  the account A may fetch the mail of the domains D
    set NAME VALUE   a setting of the listener (kind, max_recipients, …); the first lines
    no tls           the listener has no certificate
    A> text          connection A sends a line (several A> in a row go out in one segment);
                     the first use of a letter connects and reads the greeting
    A>> NAME         A sends the message NAME (see MESSAGES), dot-stuffed, with the final dot
    A>| text         A sends octets as they are; \\r, \\n, \\0, \\xff mean what they do in Python
    A< text          the next line must be this
    A~ regex         the next line must match
    A* 250 X, !Y     the next reply, of whatever number of lines, has this code, the line X, not Y
    A$ hang up       connection A drops
    A$ reset         the same at once, by RST
    A$ half close    A sends no more, but still reads
    A$ tls           A does the TLS handshake now
    A$ closed        the server must have closed connection A
    A$ silent        the server says nothing now
    ! fail X Y       the queue's next X (receive, write, commit) raises Y (see FAULTS)
    ! break X        accounts or lookups raise from now on
    ! room N         bob has room for so many octets
    ! result N STATE STATUS TEXT  so ends the attempt for the Nth recipient (from 0) from now on
    ! waiting N      so many messages wait for any domain
    ! run D          the queue was asked to run for the domain D (`D and below`)
    ! mend           no more
    ! mail N         so many messages wait for who asks by ATRN or TURN
    ! busy           others are on their way already
    ! asked for D    the last turn was for the domains D, separated by commas
    ! ended STATE STATUS  so has the last attempt of a turn
    ! accepted N     so many messages are in the queue
    ! discarded N    so many were thrown away
    ! envelope E     of the last message: `sender -> recipient, recipient [body utf8 submitter]`
    ! asked …        and what its sender wants: `RET ENVID tls priority N hold SECONDS by SECONDS
                     MODE; recipient NOTIFY ORCPT; …`, without what was not asked for
    ! message NAME   the last message is our Received field, then the octets of NAME
    ! holds text     the last message, unfolded, has this text in it
    ! lacks text     … has not
    ! count NAME N   a counter of the listener
"""

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
import uvloop
from smtp_fakes import FAULTS, FakeQueue, FakeRoom, SmtpAccounts, make_router

from mailsuite.base.tasks import Threads
from mailsuite.dns import Nameserver, Resolver
from mailsuite.dns import Settings as DnsSettings
from mailsuite.net import bind
from mailsuite.queue.changes import Result
from mailsuite.relay import RelayCourier
from mailsuite.relay import Settings as RelaySettings
from mailsuite.smtpd import Settings, Smtpd
from tests.sign_in import sign_in

DIALOGUES = Path(__file__).parents[2] / "dialogues" / "smtp"
HEADER = b"Date: Mon, 23 Nov 2026 09:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n"
MESSAGES = {
    "short": HEADER + b"Subject: short\r\n\r\nHello.\r\n",
    "whole": HEADER + b"From: alice@example.test\r\nTo: b@x.test\r\n\r\nHello.\r\n",
    "dots": HEADER + b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n.\r\n",
    "8bit": HEADER + "Subject: Grüße\r\n\r\nGrüße\r\n".encode("latin-1"),
    "998": HEADER + b"\r\n" + b"x" * 998 + b"\r\n",
    "longline": HEADER + b"\r\n" + b"x" * 200_000 + b"\r\n",
    "bare": b"\r\n",
    "bodyonly": b"just text\r\n",
    "alldots": b"....\r\n" * 100_000,
    "large": HEADER + b"\r\n" + (b"." + b"0123456789abcdef" * 60 + b"\r\n") * 3000,
    "bcc": HEADER
    + b"To: a@b.test\r\nBcc: secret@c.test,\r\n also@c.test\r\nX: y\r\n\r\nBcc: stays\r\n",
    "nodate": b"Subject: no date\r\n\r\ntext\r\n",
    "hops": b"Received: from a by b; x\r\n\tfolded\r\n" * 100 + b"\r\n",
    "loop": b"Received: from a by b; x\r\n\tfolded\r\n" * 101 + b"\r\n",
    "nearloop": b"Received: from a by b; x\r\n" * 50 + b"\r\nReceived: this is text\r\n",
    "chunks": b"Subject: x\r\n\r\n.\r\n..x\r\n",
    "delivered": b"Delivered-To: Bob@Example.Test\r\n" + HEADER + b"\r\nx\r\n",
    "binary": b"Subject: x\r\n\r\n\n\0\r.\xff",
    "hugeheader": b"X-A: " + b"y" * 300_000 + b"\r\nBcc: secret@c.test\r\n\r\ntext\r\n",
}


class StandingClock:
    """It is always the same time."""

    def __init__(self, now: float) -> None:
        self.now = lambda: now
        self.monotonic = lambda: now


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def line(self) -> bytes:
        async with asyncio.timeout(10):
            return await self.reader.readline()


class Runner:
    """One dialogue."""

    def __init__(self, tls: ssl.SSLContext | None, client_tls: ssl.SSLContext) -> None:
        self.queue = FakeQueue()
        self.now = 1_800_000_000.0  # 2027-01-15T08:00:00Z
        self.accounts = SmtpAccounts()
        self.room = FakeRoom()
        self.router, self.lookups = make_router()
        self.tls = tls
        self.client_tls = client_tls
        self.clients: dict[str, Client] = {}
        self.port = 0
        self.settings = Settings("smtp", "mail.example.test", error_delay=0.0)
        self.door: Smtpd | None = None
        self.threads = Threads("relay-test", 1)

    async def run(self, steps: list[str]) -> None:
        unsent: dict[str, bytes] = {}
        try:
            for step in steps:
                name, kind, rest = step[:1], step[1:2], step[3:]
                if kind == ">":
                    unsent[name] = unsent.get(name, b"") + encoded(step)
                    continue
                for sender, octets in unsent.items():
                    (await self.client(sender)).writer.write(octets)
                unsent.clear()
                await self.step(step, name, kind, rest)
        finally:
            for client in self.clients.values():
                client.writer.close()
            if self.door is not None:
                await self.door.stop()
                assert self.door.sessions == 0
                await self.courier.close()
            self.threads.close()
        states = {incoming.state for incoming in self.queue.all}
        assert "open" not in states, "a message was neither taken nor thrown away"
        assert not any(turn.open for turn in self.queue.turns), "a turn was not given back"
        assert not unsent, "the dialogue ends before its last lines are sent"

    async def client(self, name: str) -> Client:
        if self.door is None:
            clock = StandingClock(self.now)
            self.courier = RelayCourier(
                RelaySettings("mail.example.test"),
                Resolver(DnsSettings((Nameserver("127.0.0.1", 9),))),
                clock=clock,
                threads=self.threads,
            )
            self.door = Smtpd(
                self.settings,
                self.router,
                sign_in(self.accounts),
                self.queue,
                self.tls,
                room=self.room,
                clock=clock,
                turner=self.courier.turned,
            )
            sock = bind("127.0.0.1", 0)
            self.port = sock.getsockname()[1]
            await self.door.start(sock)
        if name not in self.clients:
            context = self.client_tls if self.settings.implicit_tls else None
            host = "mail.example.test" if context else None
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self.port, ssl=context, server_hostname=host
            )
            self.clients[name] = Client(reader, writer)
            if not name.islower():
                greeting = await self.clients[name].line()
                protocol = b"LMTP" if self.settings.lmtp else b"ESMTP"
                relay = b" on-demand mail relay" if self.settings.odmr else b""
                assert greeting == b"220 mail.example.test %s mailsuite%s\r\n" % (protocol, relay)
        return self.clients[name]

    async def step(self, step: str, name: str, kind: str, rest: str) -> None:
        if step.startswith("set "):
            _, setting, value = step.split(" ", 2)
            if setting == "on_demand":
                account, _, domains = value.partition(" ")
                of = {**self.settings.on_demand, account: frozenset(domains.split(","))}
                self.settings = replace(self.settings, on_demand=of)
            else:
                self.settings = replace(self.settings, **{setting: typed(value)})
        elif step == "no tls":
            self.tls = None
        elif name == "!":
            self.check(step.removeprefix("! "))
        elif kind == "$":
            await self.control(await self.client(name), rest, step)
        elif kind == "*":
            await self.reply(await self.client(name), rest, step)
        else:
            line = (await (await self.client(name)).line()).decode()
            assert line.endswith("\r\n"), f"{step}\nbut the server has closed, after {line!r}"
            line = line.removesuffix("\r\n")
            matches = line == rest if kind == "<" else re.fullmatch(rest, line)
            assert matches, f"{step}\nbut the server said {line!r}"

    async def reply(self, client: Client, rest: str, step: str) -> None:
        lines = []
        while not lines or lines[-1][3:4] == "-":
            lines.append((await client.line()).decode().removesuffix("\r\n"))
        assert {line[:3] for line in lines} == {rest[:3]}, f"{step}\nbut the server said {lines}"
        texts = [line[4:] for line in lines]
        for wanted in filter(None, rest[4:].split(", ")):
            absent = wanted.startswith("!")
            there = wanted.removeprefix("!") in texts
            assert there is not absent, f"{step}\nbut the server said {lines}"

    def check(self, action: str) -> None:
        verb, _, rest = action.partition(" ")
        if verb == "fail":
            where, what = rest.split(" ")
            self.queue.faults[where] = FAULTS[what]("secret detail")
        elif verb == "break":
            (self.accounts if rest == "accounts" else self.lookups).broken = True
        elif verb == "room":
            self.room.left["bob@example.test"] = int(rest)
        elif verb == "result":
            index, state, status, text = rest.split(" ", 3)
            self.queue.results += (Result(int(index), state, status, text),)
        elif verb == "held":
            self.queue.octets_held = int(rest)
        elif verb == "waiting":
            self.queue.waiting = int(rest)
        elif verb == "run":
            assert self.queue.asked[-1] == rest
        elif verb == "mail":
            self.queue.mail = int(rest)
        elif verb == "busy":
            self.queue.busy = True
        elif action.startswith("asked for "):
            domains = self.queue.turns[-1].domains
            assert domains == set(action.removeprefix("asked for ").split(","))
        elif verb == "ended":
            last = self.queue.outcomes[-1]
            assert f"{type(last).__name__.lower()} {last.status}" == rest
        elif verb == "mend":
            self.accounts.broken = self.lookups.broken = False
        elif verb == "accepted":
            assert len(self.queue.accepted) == int(rest)
        elif verb == "discarded":
            assert self.queue.discarded == int(rest)
        elif verb == "envelope":
            envelope = self.queue.accepted[-1][0]
            recipients = ", ".join(recipient.address for recipient in envelope.recipients)
            facts = [envelope.body, *(["utf8"] if envelope.smtputf8 else [])]
            facts += [envelope.submitter] if envelope.submitter else []
            assert f"{envelope.sender} -> {recipients} [{' '.join(facts)}]" == rest
        elif verb == "asked":
            envelope = self.queue.accepted[-1][0]
            options = [
                f"{one.address} {','.join(one.notify)} {one.orcpt}" for one in envelope.recipients
            ]
            told = [envelope.ret, envelope.envid, "tls" if envelope.require_tls else ""]
            told += [f"priority {envelope.priority}"] if envelope.priority else []
            if envelope.hold_until is not None:
                told.append(f"hold {round(envelope.hold_until - self.now)}")
            if (by := envelope.deliver_by) is not None:
                told.append(f"by {round(by.by - self.now)} {by.mode}{' trace' * by.trace}")
            line = "; ".join([" ".join(filter(None, told)), *map(str.strip, options)])
            assert line.replace("  ", " ") == rest
        elif verb == "message":
            octets = self.queue.accepted[-1][1]
            trace = re.match(rb"Received: from [^\n]+\r\n(?:[ \t][^\n]+\r\n)*", octets)
            assert trace and octets[trace.end() :] == MESSAGES[rest]
        elif verb == "holds":
            unfolded = re.sub(rb"\r\n[ \t]+", b" ", self.queue.accepted[-1][1])
            assert rest.encode() in unfolded
        elif verb == "lacks":
            assert rest.encode() not in self.queue.accepted[-1][1]
        elif verb == "count":
            counter, number = rest.split(" ")
            assert self.door is not None
            assert self.door.counters.as_dict()[counter] == int(number)
        else:
            raise AssertionError(f"unknown action {action}")

    async def control(self, client: Client, action: str, step: str) -> None:
        if action == "hang up":
            client.writer.close()
            await client.writer.wait_closed()
            await asyncio.sleep(0.05)
        elif action == "reset":
            sock = client.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.writer.transport.abort()
            await asyncio.sleep(0.05)
        elif action == "half close":
            client.writer.write_eof()
        elif action == "tls":
            await client.writer.start_tls(self.client_tls, server_hostname="mail.example.test")
        elif action == "closed":
            line = await client.line()
            assert line == b"", f"{step}\nbut the server said {line!r}"
        elif action == "silent":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    line = await client.reader.readline()
                    raise AssertionError(f"{step}\nbut the server said {line!r}")
        else:
            raise AssertionError(f"unknown action {action}")


def encoded(step: str) -> bytes:
    if step[2:3] == ">":
        message = MESSAGES[step[4:]]
        stuffed = re.sub(rb"(?m)^\.", b"..", message)
        return stuffed + b".\r\n"
    if step[2:3] == "|":
        return step[4:].encode().decode("unicode_escape").encode("latin-1")
    return step[3:].encode() + b"\r\n"


def typed(value: str) -> object:
    if value in ("yes", "no"):
        return value == "yes"
    if "," in value:
        return frozenset(value.split(",")) - {""}
    try:
        return int(value)
    except ValueError:
        try:
            return float(value)
        except ValueError:
            return value


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("mail.example.test").configure_cert(server)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(client)
    return server, client


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("path", sorted(DIALOGUES.glob("*.txt")), ids=lambda path: path.stem)
def test_dialogue(
    path: Path,
    loop: Callable[[], asyncio.AbstractEventLoop],
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    steps = [line for line in path.read_text("utf-8").splitlines() if line and line[0] != "#"]
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(Runner(*contexts).run(steps))
