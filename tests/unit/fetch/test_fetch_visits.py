"""Visits to a POP3 and an IMAP server of ours, into a queue and a mailbox of ours: all real."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mailsuite.app.dev import DevOptions, prepare_accounts, settings
from mailsuite.app.server import Server
from mailsuite.app.sockets import bind_all
from mailsuite.base.tasks import Threads
from mailsuite.fetch import FetchDatabase
from mailsuite.queue import QueueUnavailable
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
        number = await self.server.fetcher.add(chosen | changed, "secret")
        await self.visit(number)
        return number

    async def visit(self, number: int) -> tuple[int, str]:
        (told,) = await self.server.fetcher.run(number)
        await self.settled()
        return told["fetched"], told["error"]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as one:
        yield one


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


BOTH = pytest.mark.parametrize("protocol", ["imap", "pop3"])


@BOTH
async def test_once_each(house, protocol):
    await house.put("one", "two", "large " + "x" * 200_000)
    number = await house.add(protocol)
    await house.put("three")
    assert await house.visit(number) == (1, "")
    assert await house.visit(number) == (0, "")
    found = await house.subjects()
    assert [text[:5] for text in found] == ["large", "one", "three", "two"]
    assert len(await house.subjects(FAR)) == 4
    (row,) = await house.server.fetcher.listing()
    assert (row["fetched"], row["failures"], row["trouble"]) == (4, 0, "")
    assert "sealed" not in row


@BOTH
async def test_only_what_is_new(house, protocol):
    await house.put("one")
    number = await house.add(protocol, skip=True)
    await house.put("two")
    assert await house.visit(number) == (1, "")
    assert await house.subjects() == ["two"]


@BOTH
async def test_deleted_at_once(house, protocol):
    await house.put("one", "two")
    await house.add(protocol, leave=0)
    assert await house.subjects() == ["one", "two"]
    assert await house.subjects(FAR) == []


@BOTH
async def test_deleted_after_days(house, protocol, monkeypatch):
    await house.put("one")
    number = await house.add(protocol, leave=14)
    await house.visit(number)
    assert await house.subjects(FAR) == ["one"]
    later = house.server._clock.now() + 15 * 86_400
    monkeypatch.setattr(type(house.server._clock), "now", lambda clock: later)
    await house.put("two")
    await house.visit(number)
    assert await house.subjects(FAR) == ["two"]
    assert await house.subjects() == ["one", "two"]


@BOTH
async def test_noted_not_at_all_after_a_crash(house, protocol, monkeypatch):
    """It is in the queue, and nobody remembers: it comes a second time, and stays one message."""
    await house.put("one", "two")

    def fail(*_: object, **__: object) -> None:
        raise QueueUnavailable("power cut")

    monkeypatch.setattr(FetchDatabase, "fetched", fail)
    number = await house.add(protocol)
    await house.settled()
    assert "one" in await house.subjects()
    monkeypatch.undo()
    assert await house.visit(number) == (2, "")
    assert await house.subjects() == ["one", "two"]


@BOTH
async def test_the_queue_takes_nothing(house, protocol, monkeypatch):
    await house.put("one")

    async def refuse(*_: object) -> None:
        raise QueueUnavailable("disk full")

    monkeypatch.setattr("mailsuite.queue.incoming.Incoming.commit", refuse)
    number = await house.add(protocol, leave=0)
    assert await house.subjects(FAR) == ["one"]
    (row,) = await house.server.fetcher.listing()
    assert (row["failures"], row["error"]) == (1, "disk full")
    monkeypatch.undo()
    assert await house.visit(number) == (1, "")
    assert (await house.subjects(), await house.subjects(FAR)) == (["one"], [])


@BOTH
async def test_too_large(house, protocol, monkeypatch):
    limits = house.server.config.limits.model_copy(update={"max_message_size": 1000})
    house.server.config = house.server.config.model_copy(update={"limits": limits})
    await house.put("x" * 2000, "small")
    await house.add(protocol)
    assert await house.subjects() == ["small"]
    (row,) = await house.server.fetcher.listing()
    assert row["trouble"] == "1 larger than limits.max_message_size, left there"


@BOTH
async def test_waits_grow(house, protocol):
    number = await house.add(protocol, host="localhost", port=1)
    rows = await house.server.fetcher.listing()
    first = rows[0]["next"] - rows[0]["visited"]
    for _ in range(3):
        count, error = await house.visit(number)
        assert (count, error[:32]) == (
            0,
            "can't connect to localhost:1: Mu"[:32],
        ) or "connect" in error
    rows = await house.server.fetcher.listing()
    assert rows[0]["failures"] == 4
    assert rows[0]["next"] - rows[0]["visited"] > 4 * first


async def test_told_at_once(house):
    number = await house.add("imap", idle=True)

    async def idling() -> bool:
        return bool((await house.server.fetcher.listing())[0]["idling"])

    await until(idling)
    await house.put("news")

    async def there() -> bool:
        return await house.subjects() == ["news"]

    await until(there)
    await until(idling)
    assert await house.visit(number) == (0, "")
    assert (await house.server.fetcher.remove(number))["user"] == FAR
    assert await house.server.fetcher.listing() == []


async def test_what_was_noted_survives_a_restart(tmp_path):
    async with opened(tmp_path) as house:
        await house.put("one")
        await house.add("imap")
    async with opened(tmp_path) as house:
        await house.put("two")
        (row,) = await house.server.fetcher.listing()
        database, threads = house.server.fetcher._needs.database, Threads("test", 1)
        assert row["fetched"] == 1
        assert database.place(row["id"])[1] == 1
        threads.close()
