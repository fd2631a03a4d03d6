"""An ESMTP door on a free port, for tests that speak to it from Python."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

from smtp_fakes import FakeQueue, SmtpAccounts, make_router

from mailsuite.net import bind
from mailsuite.smtpd import Settings, Smtpd
from mailsuite.smtpd.context import Receiver, Room, unlimited
from tests.sign_in import sign_in

ENVELOPE = b"EHLO c\r\nMAIL FROM:<c@elsewhere.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"
MESSAGE = b"Subject: x\r\n\r\ntext\r\n.\r\n"
SETTINGS = Settings("smtp", "mail.example.test", error_delay=0.0)


class House:
    """A door on a free port."""

    def __init__(
        self,
        settings: Settings,
        queue: Receiver,
        tls: ssl.SSLContext | None,
        first_delay: float,
        room: Room = unlimited,
    ) -> None:
        router, self.lookups = make_router()
        self.door = Smtpd(
            settings,
            router,
            sign_in(SmtpAccounts(), first_delay=first_delay),
            queue,
            tls,
            room=room,
        )
        self.sock = bind("127.0.0.1", 0)
        self.port: int = self.sock.getsockname()[1]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@contextlib.asynccontextmanager
async def house(
    settings: Settings = SETTINGS,
    queue: Receiver | None = None,
    tls: ssl.SSLContext | None = None,
    first_delay: float = 0.0,
    room: Room = unlimited,
) -> AsyncIterator[House]:
    opened = House(settings, queue or FakeQueue(), tls, first_delay, room)
    await opened.door.start(opened.sock)
    try:
        yield opened
    finally:
        await opened.door.stop(0.5)
        assert opened.door.sessions == 0


async def until(reader: asyncio.StreamReader, start: bytes) -> bytes:
    """Read lines up to one that begins so."""
    async with asyncio.timeout(10):
        while True:
            line = await reader.readline()
            assert line, f"closed before {start!r}"
            if line.startswith(start):
                return line
