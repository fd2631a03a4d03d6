"""Visits to a POP3 and an IMAP server of ours, into a queue and a mailbox of ours: all real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fetch_house import FAR, opened, until

from mailsuite.base.errors import UserError
from mailsuite.base.tasks import Threads
from mailsuite.fetch import FetchDatabase
from mailsuite.queue import QueueUnavailable
from mailsuite.remote import Password
from mailsuite.remote.imap import ImapSession

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
async def test_too_large(house, protocol):
    """Left there, and told at each visit, until the limit is raised or it goes."""

    def limit(octets: int) -> None:
        limits = house.server.config.limits.model_copy(update={"max_message_size": octets})
        house.server.config = house.server.config.model_copy(update={"limits": limits})

    async def trouble() -> str:
        (row,) = await house.server.fetcher.listing()
        return row["trouble"]

    limit(1000)
    await house.put("x" * 2000, "y" * 4000, "z" * 4000, "small")
    number = await house.add(protocol)
    for _ in range(2):
        assert await house.subjects() == ["small"]
        assert await trouble() == "3 larger than limits.max_message_size, left there"
        await house.visit(number)
    limit(3000)
    assert await house.visit(number) == (1, "")
    assert await trouble() == "2 larger than limits.max_message_size, left there"
    mailbox = await (await house.server.store.account(FAR)).open("INBOX")
    await mailbox.expunge([3], only_deleted=False)
    mailbox.release()
    await house.put("more")
    assert await house.visit(number) == (1, "")
    assert await trouble() == "1 larger than limits.max_message_size, left there"
    limit(5000)
    assert await house.visit(number) == (1, "")
    assert await trouble() == ""
    found = [text[:5] for text in await house.subjects()]
    assert found == ["more", "small", "xxxxx", "yyyyy"]


async def test_one_that_imap_does_not_give(house, monkeypatch):
    """It is asked for again, though others above it have come."""
    await house.put("one", "two", "three")
    real = ImapSession.give

    async def give(session: ImapSession, *parts: bytes) -> bytes:
        return await real(session, *(b"1,3" if part == b"1:3" else part for part in parts))

    monkeypatch.setattr(ImapSession, "give", give)
    number = await house.add("imap")
    assert await house.subjects() == ["one", "three"]
    (row,) = await house.server.fetcher.listing()
    assert row["trouble"] == "1 not given by the server"
    monkeypatch.undo()
    assert await house.visit(number) == (1, "")
    assert await house.subjects() == ["one", "three", "two"]


async def answer(
    replies: dict[bytes, bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """A POP3 server that says what the test wants; after no reply, or half a line, it hangs up."""
    writer.write(b"+OK\r\n")
    while line := await reader.readline():
        verb = line.split()[0]
        found = replies.get(line.strip(), replies.get(verb))
        if found is None and verb not in (b"USER", b"PASS", b"DELE", b"QUIT"):
            break
        writer.write(found or b"+OK\r\n")
        if found and not found.endswith(b"\n"):
            break
    writer.close()


@asynccontextmanager
async def odd_server(replies: dict[bytes, bytes]) -> AsyncIterator[dict[str, Any]]:
    async with await asyncio.start_server(
        lambda reader, writer: answer(replies, reader, writer), "127.0.0.1"
    ) as server:
        port = server.sockets[0].getsockname()[1]
        yield {"host": "127.0.0.1", "port": port, "tls": "none", "ca_file": ""}


CAPA = b"+OK\r\nUSER\r\nUIDL\r\n.\r\n"
THREE = {
    b"CAPA": CAPA,
    b"UIDL": b"+OK\r\n1 a\r\n2 b\r\n3 c\r\n.\r\n",
    b"LIST": b"+OK\r\n1 10\r\n2 10\r\n3 10\r\n.\r\n",
    b"RETR 1": b"+OK\r\nSubject: one\r\n\r\n.\r\n",
    b"RETR 3": b"+OK\r\nSubject: three\r\n\r\n.\r\n",
}


@pytest.mark.parametrize(
    ("second", "trouble"),
    [
        (b"-ERR cannot read it\r\n", "1 not given by the server"),
        (
            b"+OK 10 octets\r\nSubject: two\r\n\r\n" + b"x" * 70 * 2000 + b"\r\n.\r\n",
            "1 larger than limits.max_message_size, left there",
        ),
    ],
)
async def test_one_that_cannot_be_had_keeps_no_other(house, second, trouble):
    """Refused, or far larger than the server has told: nor is it deleted there."""
    limits = house.server.config.limits.model_copy(update={"max_message_size": 100_000})
    house.server.config = house.server.config.model_copy(update={"limits": limits})
    replies = THREE | {b"RETR 2": second, b"DELE 2": b"-ERR must not be asked\r\n"}
    async with odd_server(replies) as where:
        number = await house.add("pop3", leave=0, **where)
        assert await house.subjects() == ["one", "three"]
        (row,) = await house.server.fetcher.listing()
        assert (row["trouble"], row["error"]) == (trouble, "")
        # What is too large is not asked for again; one day it can be had.
        replies |= {b"UIDL": b"+OK\r\n1 b\r\n.\r\n", b"LIST": b"+OK\r\n1 10\r\n.\r\n"}
        replies[b"RETR 1"] = b"-ERR not now\r\n"
        assert await house.visit(number) == (0, "")
        (row,) = await house.server.fetcher.listing()
        assert row["trouble"] == trouble
        limits = limits.model_copy(update={"max_message_size": 200_000})
        house.server.config = house.server.config.model_copy(update={"limits": limits})
        replies[b"RETR 1"] = b"+OK\r\nSubject: two\r\n\r\n.\r\n"
        assert await house.visit(number) == (1, "")
    assert await house.subjects() == ["one", "three", "two"]


async def test_a_server_that_hangs_up_in_the_middle(house):
    """What is half there is not delivered, and comes whole the next time."""
    replies = THREE | {b"RETR 2": b"+OK\r\nSubject: two\r\n\r\nhal"}
    async with odd_server(replies) as where:
        number = await house.add("pop3", **where)
        (row,) = await house.server.fetcher.listing()
        assert row["error"] and row["failures"] == 1
        assert await house.subjects() == ["one"]
        replies[b"RETR 2"] = b"+OK\r\nSubject: two\r\n\r\n.\r\n"
        assert await house.visit(number) == (2, "")
    assert await house.subjects() == ["one", "three", "two"]


@pytest.mark.parametrize(
    "uidl", [b"-ERR unknown\r\n", b"+OK\r\n" + b"1 " + b"x" * 100_000, b"+OK\r\n1\r\n.\r\n"]
)
async def test_no_unique_ids(house, uidl):
    """Without them nobody knows what has been fetched."""
    async with odd_server(THREE | {b"UIDL": uidl}) as where:
        await house.add("pop3", **where)
    (row,) = await house.server.fetcher.listing()
    assert "UIDL" in row["error"] or "too long" in row["error"]
    assert await house.subjects() == []


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


async def test_another_way_to_sign_in(house, tmp_path):
    """A password that was refused is changed, and what was fetched does not come again."""
    await house.put("one")
    number = await house.add("imap")
    directory = house.server.directory
    directory.set_password(FAR, "another")
    assert "refuses the user or password" in (await house.visit(number))[1]
    await house.server.fetcher.login(number, Password("another"), "", "")
    await house.put("two")
    assert (await house.visit(number))[1] == ""
    assert await house.subjects() == ["one", "two"]
    (row,) = await house.server.fetcher.listing()
    assert (row["failures"], row["method"], row["fetched"]) == (0, "password", 2)
    with pytest.raises(UserError, match="nothing is fetched under the number"):
        await house.server.fetcher.login(number + 1, Password("x"), "", "")
