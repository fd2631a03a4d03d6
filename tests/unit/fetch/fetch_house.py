"""One server of ours that is both the far end and the near one: all of it real."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailsuite.app.dev import DevOptions, prepare_accounts, settings
from mailsuite.app.server import Server
from mailsuite.app.sockets import bind_all
from mailsuite.remote import Password
from mailsuite.store import NewMessage
from mailsuite.tls import ServerTls, ensure_dev_tls

BOB, FAR = "bob@example.test", "far@example.test"


async def until(call: Callable[[], Awaitable[bool]]) -> None:
    """Wait for it."""
    async with asyncio.timeout(20):
        for _ in itertools.count():
            if await call():
                return
            await asyncio.sleep(0.01)


@dataclass
class House:
    """One server that is both: far@ is the remote account, bob@ the local one."""

    server: Server
    ca: str

    def port(self, name: str) -> int:
        return next(at.port for at in self.server.listening if at.name == name)

    async def put(self, *texts: str, account: str = FAR) -> None:
        store = await self.server.store.account(account)
        octets = [f"Delivered-To: {BOB}\r\nSubject: {text}\r\n\r\nhi\r\n" for text in texts]
        await store.append("INBOX", [NewMessage(one.encode()) for one in octets])

    async def subjects(self, account: str = BOB) -> list[str]:
        mailbox = await (await self.server.store.account(account)).open("INBOX")
        try:
            read = await mailbox.read(list(mailbox.uids))
        finally:
            mailbox.release()
        found = []
        for _, octets in read:
            lines = (octets or b"").decode().split("\r\n")
            found += [line[9:] for line in lines if line.startswith("Subject: ")]
        return sorted(found)

    async def settled(self) -> None:
        """The queue is empty."""

        async def empty() -> bool:
            return not (await self.server.queue.counts()).messages

        await until(empty)

    async def add(self, protocol: str, **changed: Any) -> int:
        name = "imaps" if protocol == "imap" else "pop3s"
        chosen = {
            "account": BOB,
            "protocol": protocol,
            "host": "localhost",
            "port": self.port(name),
            "tls": "implicit",
            "ca_file": self.ca,
            "user": FAR,
            "folder": "INBOX" if protocol == "imap" else "",
            "leave": -1,
            "interval": 3600.0,
            "idle": False,
            "skip": False,
        }
        number = await self.server.fetcher.add(chosen | changed, Password("secret"))
        await self.visit(number)
        return number

    async def visit(self, number: int) -> tuple[int, str]:
        (told,) = await self.server.fetcher.run(number)
        await self.settled()
        return told["fetched"], told["error"]


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[House]:
    users = ((BOB, "secret"), (FAR, "secret"))
    options = DevOptions(data=folder / "data", users=users, ports_auto=True)
    options.data.mkdir(exist_ok=True)
    prepare_accounts(options.data / "accounts.db", "example.test", users)
    files = ensure_dev_tls(
        options.data / "tls", hostname="mail.example.test", domain="example.test"
    )
    config = settings(options, options.data, "mail.example.test")
    server = Server(
        config,
        hostname="mail.example.test",
        sockets=bind_all(config.endpoints()),
        tls=ServerTls(files.certificate, files.key).context,
    )
    await server.start()
    try:
        yield House(server, str(files.ca))
    finally:
        await server.stop()
