"""An SMTP server on loopback that behaves as a test wants it to: the host that mail is relayed to.

Everything that it is told is kept. What it answers to a verb can be replaced by fixed replies,
which are used up one by one; the last one stays.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OFFERS = ("PIPELINING", "SIZE 10000000", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN")


@dataclass
class NextHop:
    """See the module.

    offers    lines of its reply to EHLO; STARTTLS is added where there is `tls`
    replies   verb -> replies; (drop) closes the connection, (silence) answers nothing
    pause     seconds between taking a message and saying so; then it waits for `go_on`
    messages  (MAIL argument, RCPT arguments, octets) of each that was taken
    """

    offers: tuple[str, ...] = OFFERS
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    replies: dict[str, list[str]] = field(default_factory=dict)
    messages: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    most: int = 0
    pause: float = 0.0
    go_on: asyncio.Event | None = None
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    port: int = 0
    host: str = "127.0.0.1"

    @property
    def octets(self) -> list[bytes]:
        return [each[2] for each in self.messages]

    def answer(self, verb: str, usual: str) -> str:
        found = self.replies.get(verb)
        if not found:
            return usual
        return found.pop(0) if len(found) > 1 else found[0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.add(writer)
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
                await _Session(self, reader, writer).run()
        finally:
            self.open -= 1
            self.writers.discard(writer)
            writer.close()


class _Session:
    def __init__(
        self, hop: NextHop, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.hop, self.reader, self.writer = hop, reader, writer
        self.secure = hop.implicit
        self.mail = ""
        self.rcpts: list[str] = []
        self.chunks: list[bytes] = []

    async def run(self) -> None:
        await self.say("GREETING", "220 next.test ESMTP")
        while line := await self.reader.readline():
            text = line.decode().rstrip("\r\n")
            self.hop.commands.append(text)
            verb, _, argument = text.partition(" ")
            if not await self.command(verb.upper(), argument):
                return

    async def say(self, verb: str, usual: str) -> bool:
        """Gives whether the answer was a good one."""
        text = self.hop.answer(verb, usual)
        if text == "(drop)":
            raise ConnectionError("dropped")
        if text == "(silence)":
            await asyncio.sleep(3600)
        self.writer.write(text.encode() + b"\r\n")
        await self.writer.drain()
        return text[0] in "23"

    async def command(self, verb: str, argument: str) -> bool:
        match verb:
            case "EHLO" | "LHLO":
                lines = ["next.test", *self.hop.offers]
                if self.hop.tls is not None and not self.secure:
                    lines.append("STARTTLS")
                dashes = "".join(f"250-{each}\r\n" for each in lines[:-1])
                await self.say(verb, f"{dashes}250 {lines[-1]}")
            case "STARTTLS":
                if await self.say(verb, "220 go on") and self.hop.tls is not None:
                    plain = self.writer.transport
                    try:
                        await self.writer.start_tls(self.hop.tls)
                    except AttributeError as error:  # the client has gone in the handshake
                        self.writer._transport = plain
                        raise ConnectionError("gone in the handshake") from error
                    self.secure = True
            case "MAIL":
                self.mail, self.rcpts, self.chunks = "", [], []
                if await self.say(verb, "250 2.1.0 ok"):
                    self.mail = argument
            case "RCPT":
                if not self.mail:
                    await self.say("NOBODY", "503 5.5.1 MAIL first")
                elif await self.say(verb, "250 2.1.5 ok"):
                    self.rcpts.append(argument)
            case "DATA":
                if not self.rcpts:
                    await self.say("NOBODY", "503 5.5.1 no recipients")
                elif await self.say(verb, "354 go on"):
                    await self.take(await self.until_dot())
            case "BDAT":
                size, _, last = argument.partition(" ")
                self.chunks.append(await self.reader.readexactly(int(size)))
                if not self.rcpts:
                    await self.say("NOBODY", "503 5.5.1 no recipients")
                elif last:
                    await self.take(b"".join(self.chunks))
                else:
                    await self.say("CHUNK", "250 ok")
            case "AUTH":
                await self.say(verb, "235 2.7.0 ok")
            case "QUIT":
                await self.say(verb, "221 bye")
                return False
            case _:
                await self.say(verb, "250 ok")
        return True

    async def until_dot(self) -> bytes:
        lines = []
        while (line := await self.reader.readline()) != b".\r\n":
            if not line:
                raise ConnectionError("gone")
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)

    async def take(self, octets: bytes) -> None:
        found = self.hop.replies.get("FINAL", [""])[0]
        if found in ("", "(drop)") or found[0] == "2":
            self.hop.messages.append((self.mail, self.rcpts, octets))
        await asyncio.sleep(self.hop.pause)
        if self.hop.go_on is not None:
            await self.hop.go_on.wait()
        await self.say("FINAL", "250 2.0.0 taken")
        self.rcpts = []


@asynccontextmanager
async def listening(hop: NextHop) -> AsyncIterator[NextHop]:
    """`hop.port` is where it listens; the same port again where it is set."""
    server = await asyncio.start_server(
        hop.serve, hop.host, hop.port, ssl=hop.tls if hop.implicit else None
    )
    hop.port = server.sockets[0].getsockname()[1]
    try:
        yield hop
    finally:
        server.close()
        for writer in hop.writers:
            writer.transport.abort()
