"""Runs the dialogues of tests/dialogues/pop3 against the POP3 door on a real socket.

A dialogue is a text file; each line is one step:

    # comment
    mail NAME        put the message NAME (see MESSAGES) into alice's INBOX
    set KEY VALUE    a setting: expire, delay (of all), bob's-expire, bob's-delay, refuse-utf8
    plain            refuse nothing without TLS (as on loopback in development)
    A> text          connection A sends a line (several A> in a row go out in one segment);
                     the first use of a letter connects and reads the greeting
    A< text          the next line must be this
    A~ regex         the next line must match
    A= NAME          the next lines must be the message NAME, byte-stuffed, and the final dot
    A$ hang up       connection A drops
    A$ tls           connection A does the TLS handshake now
    A$ closed        the server must have closed connection A
    ! expunge N      another session expunges the message with UID N
    ! fail X         the store's next call of X raises StoreUnavailable ("boom X": RuntimeError;
                     "refuse X": StoreUnavailable, since a file may not be opened)
    ! wait N         N seconds go by
    ! left N,N       the UIDs that must be in the mailbox now
"""

import asyncio
import re
import ssl
from pathlib import Path
from typing import cast

import pytest
import trustme
from pop3_fakes import PASSWORDS, FakeClock, FakeStore

from mailsuite.net import ConnectionLimits, Listener, bind
from mailsuite.pop3d import Policies, Policy, Pop3d, Settings
from mailsuite.store import Store, StoreUnavailable
from tests.sign_in import FakeAccounts, sign_in

DIALOGUES = Path(__file__).parents[2] / "dialogues" / "pop3"
MESSAGES = {
    "short": b"Subject: short\r\n\r\nHello.\r\n",
    "five": b"Subject: five\r\n\r\none\r\ntwo\r\nthree\r\nfour\r\nfive\r\n",
    "dots": b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n.\r\n",
    "nothing": b"",
    "unended": b"Subject: unended\r\n\r\nno line end",
    "utf8": "Subject: Grüße\r\nFrom: ä <ä@example.org>\r\n\r\nÄ\r\n".encode(),
    "surrogate": b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"From: =?utf-8?q?=C3=A4_=3C=C3=A4=40example=2Eorg=3E?=\r\n"
    b" <invalid@internationalized-address.invalid>\r\n\r\n\xc3\x84\r\n",
    "eight": "Subject: eight\r\n\r\nÄ\r\n".encode(),
    "utf8-large": "Subject: Grüße\r\n\r\n".encode() + b"line\r\n" * 20_000,
    "surrogate-large": b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n" + b"line\r\n" * 20_000,
    "large": b"Subject: large\r\n\r\n" + b".0123456789abcdef" * 55 + b"\r\n.\r\n" * 50_000,
}


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def line(self) -> bytes:
        async with asyncio.timeout(10):
            return await self.reader.readline()


class Runner:
    """One dialogue."""

    def __init__(self, settings: Settings, client_tls: ssl.SSLContext) -> None:
        self.store = FakeStore()
        self.inbox = self.store.inboxes["alice@example.test"]
        self.settings = settings
        self.clock = FakeClock()
        self.client_tls = client_tls
        self.clients: dict[str, Client] = {}
        self.port = 0

    async def run(self, steps: list[str]) -> None:
        door = Pop3d(
            self.settings,
            sign_in=sign_in(FakeAccounts(PASSWORDS)),
            store=cast(Store, self.store),
            clock=self.clock,
        )
        listener = Listener("pop3", door.session, ConnectionLimits(10, 10))
        sock = bind("127.0.0.1", 0)
        self.port = sock.getsockname()[1]
        await listener.start(sock)
        try:
            unsent: dict[str, bytes] = {}
            for step in steps:
                name, kind, rest = step[:1], step[1:2], step[3:]
                if kind == ">":
                    unsent[name] = unsent.get(name, b"") + encoded(rest) + b"\r\n"
                    continue
                for sender, octets in unsent.items():
                    (await self.client(sender)).writer.write(octets)
                unsent.clear()
                await self.step(step, name, kind, rest)
        finally:
            for client in self.clients.values():
                client.writer.close()
            await listener.stop()
        assert [inbox.users for inbox in self.store.inboxes.values()] == [0, 0], "not given back"

    async def client(self, name: str) -> Client:
        if name not in self.clients:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            self.clients[name] = Client(reader, writer)
            assert (await self.clients[name].line()).startswith(b"+OK mail.example.test ")
        return self.clients[name]

    async def step(self, step: str, name: str, kind: str, rest: str) -> None:
        if step.startswith("mail "):
            uid = max(self.inbox.mail, default=0) + 1
            self.inbox.mail[uid] = MESSAGES[step.removeprefix("mail ")]
        elif name == "!":
            self.other(step.removeprefix("! "))
        elif kind == "$":
            await self.control(await self.client(name), rest)
        elif kind == "=":
            client = await self.client(name)
            got: list[bytes] = []
            while not got or got[-1] != b".\r\n":
                got.append(await client.line())
                assert got[-1], f"{step}: closed after {len(got)} lines"
            assert b"".join(got) == on_the_wire(MESSAGES[rest])
        else:
            line = (await (await self.client(name)).line()).removesuffix(b"\r\n").decode()
            matches = line == rest if kind == "<" else re.fullmatch(rest, line)
            assert matches, f"{step}\nbut the server said {line!r}"

    def other(self, action: str) -> None:
        verb, _, argument = action.partition(" ")
        if verb == "expunge":
            del self.inbox.mail[int(argument)]
        elif verb == "fail":
            self.inbox.faults[argument] = StoreUnavailable("the disk is full")
        elif verb == "refuse":
            self.inbox.faults[argument] = refused = StoreUnavailable("not ours")
            refused.__cause__ = PermissionError(13, "Permission denied")
        elif verb == "boom":
            self.inbox.faults[argument] = RuntimeError("a bug")
        elif verb == "wait":
            self.clock.time += float(argument)
        elif verb == "left":
            assert ",".join(map(str, self.inbox.uids)) == argument
        else:
            raise AssertionError(f"unknown action {action}")

    async def control(self, client: Client, action: str) -> None:
        if action == "hang up":
            client.writer.close()
            await client.writer.wait_closed()
            # The server notices within a few turns of the loop.
            for _ in range(200):
                if self.inbox.users == 0:
                    break
                await asyncio.sleep(0.005)
        elif action == "tls":
            await client.writer.start_tls(self.client_tls, server_hostname="mail.example.test")
        elif action == "closed":
            assert await client.line() == b""
        else:
            raise AssertionError(f"unknown action {action}")


def encoded(text: str) -> bytes:
    r"""A line to be sent; \xNN stands for an octet, <N> for N times "x"."""
    text = re.sub(r"<(\d+)>", lambda found: "x" * int(found[1]), text)
    return re.sub(
        rb"\\x([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), text.encode("utf-8")
    )


def on_the_wire(message: bytes) -> bytes:
    if message and not message.endswith(b"\r\n"):
        message += b"\r\n"
    lines = message.split(b"\r\n")[:-1]
    return b"".join((b"." + x if x[:1] == b"." else x) + b"\r\n" for x in lines) + b".\r\n"


@pytest.fixture(scope="module")
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's context."""
    ca = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("mail.example.test").configure_cert(server)
    client = ssl.create_default_context()
    ca.configure_trust(client)
    return server, client


@pytest.mark.parametrize("path", sorted(DIALOGUES.glob("*.txt")), ids=lambda path: path.stem)
async def test_dialogue(path: Path, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    given = dict(line.split()[1:] for line in lines if line.startswith("set "))
    steps = [line for line in lines if not line.startswith("set ")]
    plain = "plain" in steps
    server_tls, client_tls = tls
    settings = Settings(
        "mail.example.test",
        tls=None if "no tls" in steps else server_tls,
        allow_plain_auth=plain,
        max_failures=3,
        max_faults=8,
        policies=Policies(*policies(given)),
        refuse_utf8="refuse-utf8" in given,
    )
    steps = [step for step in steps if step not in ("plain", "no tls")]
    await Runner(settings, client_tls).run(steps)


def policies(given: dict[str, str]) -> tuple[Policy, dict[str, Policy]]:
    """Of all, and of those with their own."""
    found = []
    for whose in ("", "bob's-"):
        expire, delay = given.get(f"{whose}expire"), given.get(f"{whose}delay", "0")
        found.append(Policy(None if expire is None else int(expire), int(delay)))
    own = any(key.startswith("bob's") for key in given)
    return found[0], {"bob@example.test": found[1]} if own else {}


def test_there_are_dialogues() -> None:
    assert len(list(DIALOGUES.glob("*.txt"))) >= 8
