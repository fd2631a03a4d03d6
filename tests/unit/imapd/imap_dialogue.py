r"""Runs a dialogue of tests/dialogues/imap against the IMAP door: a real store, real sockets.

A dialogue is a text file; each line is one step:

    # comment
    notls | noplain  at the top: no STARTTLS offered; passwords only under TLS
    mail NAME [FLAG…] put the message NAME (see MESSAGES) into alice's INBOX, dated 23-Nov-2026
    make FIELD | …   put a message with these header fields into alice's INBOX, dated likewise
    A> text          connection A sends a line (several A> in a row go out in one segment)
    A< text          the next response must be this; `...` stands for anything
    A= command       connection A sends a command; everything up to its tagged OK is skipped
    A= login         the same, signing in as alice
    A$ hang up       connection A drops
    A$ tls           connection A does the TLS handshake now
    A$ deflate       connection A compresses from now on, both ways
    A$ plain         and from now on it does not
    A$ octets text   connection A sends these octets, without a line end, as they are
    A$ closed        the server must have closed connection A
    A$ silent        nothing comes for a short while
    ! deliver NAME   a delivery puts the message NAME into alice's INBOX
    ! quota X S M    account X may keep S octets in M messages (-: no limit)
    ! fail X         the store's next call of AccountStore.X raises a bug

In a text, \r\n and \xNN stand for octets, \R7 for seven letters; $A to $Z (numbers), $$A to
$$Z (words), where it is expected
first, for any number, and from then on for that one. A response is shown with its literals. The
first use of a letter connects and reads the greeting.
"""

import asyncio
import base64
import calendar
import re
import ssl
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from mailsuite.accounts import Directory
from mailsuite.accounts.passwords import Hasher
from mailsuite.app.quota import Limits
from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.config.schema import Quota
from mailsuite.imapd import Imapd, Settings, facets
from mailsuite.imapd.syntax.receiver import Limits as Bounds
from mailsuite.net import Connection, ConnectionLimits, Listener, bind
from mailsuite.store import AccountStore, Facets, NewMessage, Store
from mailsuite.vault import Vault
from tests.sign_in import sign_in

DATE = float(calendar.timegm((2026, 11, 23, 9, 0, 0)))
MESSAGES = {
    "short": b"Subject: short\r\n\r\nHello.\r\n",
    "second": b"From: Bob <bob@example.test>\r\nSubject: second\r\n\r\nSecond body.\r\n",
    "rfc3501": (
        b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
        b"From: Terry Gray <gray@cac.washington.edu>\r\n"
        b"Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
        b"To: imap@cac.washington.edu\r\n"
        b"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
        b"Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n"
        b"\r\n"
        b"The minutes.\r\n"
    ),
    "mixed": (
        b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.test>\r\n"
        b"To: alice@example.test\r\n"
        b"Subject: =?utf-8?b?R3LDvMOfZSBhdXMgS8O2bG4=?=\r\n"
        b"Date: Sun, 22 Nov 2026 23:30:00 -0800\r\n"
        b"MIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b"\r\n'
        b"\r\n"
        b"--b\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n"
        b"\r\n"
        b"Stra=C3=9Fe nach K=\r\n"
        b"=C3=B6ln\r\n"
        b"--b\r\n"
        b"Content-Type: text/plain; charset=us-ascii\r\n"
        b"Content-Transfer-Encoding: base64\r\n"
        b"\r\n"
        b"aGlkZGVuIHRyZWFzdXJl\r\n"
        b"--b--\r\n"
    ),
    "odd": (
        b"Subject: odd\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Transfer-Encoding: x-unheard-of\r\n\r\n???\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\n"
        b"Subject: within\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=41\r\n"
        b"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        b"\r\nAAEC\r\n--b--\r\n"
    ),
    "large64": (
        b"Subject: large64\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(bytes(range(256)) * 2000).replace(b"\n", b"\r\n")
    ),
    "large": b"Subject: large\r\n\r\n" + (b"0123456789abcdef" * 4 + b"\r\n") * 20_000,
}


class Client:
    """The client's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.commands = 0
        self.buffer = b""
        self.inflater: zlib._Decompress | None = None
        self.deflater: zlib._Compress | None = None

    def send(self, octets: bytes) -> None:
        if self.deflater is not None:
            octets = self.deflater.compress(octets) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
        self.writer.write(octets)

    def compress(self) -> None:
        self.inflater, self.deflater = zlib.decompressobj(-15), zlib.compressobj(9, wbits=-15)

    async def readline(self) -> bytes:
        while b"\n" not in self.buffer and await self._fill():
            pass
        end = self.buffer.find(b"\n") + 1 or len(self.buffer)
        line, self.buffer = self.buffer[:end], self.buffer[end:]
        return line

    async def readexactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            if not await self._fill():
                raise asyncio.IncompleteReadError(self.buffer, count)
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    async def _fill(self) -> bool:
        data = await self.reader.read(1 << 16)
        if self.inflater is None:
            self.buffer += data
            return bool(data)
        self.buffer += self.inflater.decompress(data)
        if self.inflater.eof:
            self.buffer += self.inflater.unused_data
            self.inflater = None
        return bool(data)

    async def response(self) -> bytes:
        """A response with its literals, without the last line end."""
        response = b""
        async with asyncio.timeout(10):
            while True:
                line = await self.readline()
                response += line
                literal = re.search(rb"\{(\d+)\}\r\n\Z", line)
                if literal is None:
                    return response.removesuffix(b"\r\n")
                response += await self.readexactly(int(literal[1]))

    async def command(self, text: str) -> list[bytes]:
        """Send a command; its untagged responses, once it is answered OK."""
        self.commands += 1
        tag = b"auto%d" % self.commands
        self.send(tag + b" " + encoded(text) + b"\r\n")
        responses: list[bytes] = []
        while True:
            response = await self.response()
            if response.startswith(tag):
                assert response.startswith(tag + b" OK"), f"{text}: {response!r}"
                return responses
            assert response, f"{text}: connection closed after {responses}"
            responses.append(response)


class Runner:
    """One dialogue, or any other test with several clients."""

    def __init__(self, folder: Path, tls: ssl.SSLContext | None, settings: Settings) -> None:
        self.threads = Threads("test", 4)
        values = Facets(facets.NAMES, facets.FACETS_VERSION, facets.compute, facets.APART)
        (folder / "mail").mkdir(exist_ok=True)
        vault = Vault(folder / "secrets.key")
        vault.load()  # as the server does before it listens
        self.directory = Directory(
            folder / "accounts.db", self.threads, vault=vault, hasher=Hasher(8, 1)
        )
        if not self.directory.domains():
            self.directory.add_domain("example.test")
            self.directory.add_user("alice@example.test", "alice")
            self.directory.add_user("bob@example.test", "bob")
        self.store = Store(
            folder / "mail",
            facets=values,
            threads=self.threads,
            clock=SystemClock(),
            limits=Limits(self.directory, Quota).of,
        )
        self.door = Imapd(
            settings, sign_in(self.directory), self.directory, self.store, self.threads, tls
        )
        self.listener = Listener("imap", self.door.session, ConnectionLimits(1000, 1000))
        self.port = 0
        self.client_tls: ssl.SSLContext | None = None
        self.clients: dict[str, Client] = {}
        self.numbers: dict[str, bytes] = {}

    async def __aenter__(self) -> "Runner":
        sock = bind("127.0.0.1", 0)
        self.port = sock.getsockname()[1]
        await self.listener.start(sock)
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self.clients.values():
            client.writer.close()
        await self.listener.stop()
        await self.store.close()
        self.directory.close()
        self.threads.close()

    async def client(self, name: str) -> Client:
        if name not in self.clients:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
            self.clients[name] = Client(reader, writer)
            greeting = await self.clients[name].response()
            assert greeting.startswith(b"* OK [CAPABILITY IMAP4rev1 ")
        return self.clients[name]

    async def signed_in(self, name: str, *commands: str) -> Client:
        """A client that is signed in and has done these commands."""
        client = await self.client(name)
        for command in ("LOGIN alice@example.test alice", *commands):
            await client.command(command)
        return client

    async def settled(self, sessions: int = 0) -> None:
        """Wait until the server has no more than this many sessions."""
        for _ in range(500):
            if self.listener.sessions <= sessions:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{self.listener.sessions} sessions are still there")

    async def deliver(self, name: str, flags: frozenset[str] = frozenset()) -> None:
        await self.put(MESSAGES[name], flags)

    async def put(self, message: bytes, flags: frozenset[str] = frozenset()) -> None:
        account = await self.store.account("alice@example.test")
        await account.append("INBOX", [NewMessage(message, flags, DATE)])

    async def run(self, steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        unsent: dict[str, bytes] = {}
        for step in steps:
            name, kind, rest = step[:1], step[1:2], step[3:]
            if kind == ">":
                unsent[name] = unsent.get(name, b"") + encoded(self._known(rest)) + b"\r\n"
                continue
            for sender, octets in unsent.items():
                (await self.client(sender)).send(octets)
            unsent.clear()
            if name == "!":
                await self._act(step.removeprefix("! "), monkeypatch)
            elif step.startswith("mail "):
                message, *flags = step.split()[1:]
                await self.deliver(message, frozenset(flags))
            elif step.startswith("make "):
                fields = step.removeprefix("make ").replace(" | ", "\r\n")
                await self.put(encoded(fields + "\r\n\r\nText.\r\n"))
            else:
                await self._step(await self.client(name), step, kind, rest)

    async def _step(self, client: Client, step: str, kind: str, rest: str) -> None:
        if kind == "<":
            response = await client.response()
            found = pattern(self._known(rest)).fullmatch(response)
            assert found, f"{step}\nbut the server said {response!r}"
            self.numbers.update(found.groupdict())
        elif kind == "=":
            login = "LOGIN alice@example.test alice"
            await client.command(login if rest == "login" else self._known(rest))
        elif rest == "hang up":
            client.writer.close()
        elif rest == "tls":
            await client.writer.start_tls(
                self.client_tls or ssl.create_default_context(), server_hostname="mail.example.test"
            )
        elif rest == "deflate":
            client.compress()
        elif rest == "plain":
            client.deflater = None
        elif rest.startswith("octets "):
            client.writer.write(encoded(rest.removeprefix("octets ")))
        elif rest == "closed":
            assert await client.response() == b""
        elif rest == "silent":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.readline()
        else:
            raise AssertionError(f"unknown step {step}")

    def _known(self, text: str) -> str:
        """The text with the numbers that are known by now."""
        for name, number in self.numbers.items():
            text = re.sub(rf"\$?\${name}\b", number.decode(), text)
        return text

    async def _act(self, action: str, monkeypatch: pytest.MonkeyPatch) -> None:
        verb, _, argument = action.partition(" ")
        if verb == "deliver":
            await self.deliver(argument)
        elif verb == "quota":
            account, *limits = argument.split()
            storage, messages = (None if limit == "-" else int(limit) for limit in limits)
            self.directory.set_quota(account, storage, messages)
        elif verb == "fail":
            monkeypatch.setattr(AccountStore, argument, _bug)
        else:
            raise AssertionError(f"unknown action {action}")


async def _bug(*_: object, **__: object) -> None:
    raise RuntimeError("a secret of the house")


def encoded(text: str) -> bytes:
    """The octets that a text of a dialogue stands for."""
    octets = text.encode().replace(b"\\r\\n", b"\r\n")
    octets = re.sub(rb"\\R(\d+)", lambda found: b"x" * int(found[1]), octets)
    return re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), octets)


def pattern(text: str) -> re.Pattern[bytes]:
    """What a response must be."""
    wanted = b".*".join(map(re.escape, encoded(text).split(b"...")))
    wanted = re.sub(rb"\\\$\\\$([A-Z])\b", rb'(?P<\1>[^ "\\r\\n]+)', wanted)
    return re.compile(re.sub(rb"\\\$([A-Z])\b", rb"(?P<\1>[0-9]+)", wanted), re.DOTALL)


def settings(*, plain: bool = True, **changes: object) -> Settings:
    """Short times, small limits."""
    values: dict[str, object] = {
        "hostname": "mail.example.test",
        "allow_plain_auth": plain,
        "errors": 8,
        "sign_ins": 3,
        "limits": Bounds(literal=2_000_000),
        "version": "1",
        "admin": "mailto:postmaster@example.test",
    }
    return Settings(**{**values, **changes})  # type: ignore[arg-type]


def drip() -> Callable[[Connection], object]:
    """A `Connection.read` that gives one octet at a time."""
    real = Connection.read
    held: dict[Connection, bytes] = {}  # by the object: an id is used again

    async def read(connection: Connection) -> bytes:
        data = held.pop(connection, b"") or await real(connection)
        if data[1:]:
            held[connection] = data[1:]
        return data[:1]

    return read
