"""A session over a connection: a server that answers in its own order, and one that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mailsuite.remote import Endpoint, Nonsense, Refused, Unreachable
from mailsuite.remote.imap import ImapSession, fetched, open_imap
from mailsuite.sasl import ClientLogin

GREETING = b"* PREAUTH [CAPABILITY IMAP4rev1 IDLE] hello\r\n"


@asynccontextmanager
async def session_with(*answers: bytes) -> AsyncIterator[ImapSession]:
    """A session with a server that gives one of these answers to each line."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        for answer in answers:
            await reader.readline()
            writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    session = await open_imap(
        Endpoint("imap", "127.0.0.1", port, "none", ClientLogin("bob", "secret"))
    )
    try:
        yield session
    finally:
        session.abort()
        server.close()
        await server.wait_closed()


async def uids(session: ImapSession, tag: bytes) -> list[int | None]:
    return [fetched(data).uid async for data in session.until(tag) if data.name == "FETCH"]


async def test_two_commands_answered_in_the_servers_own_order() -> None:
    """RFC 9051 §5.5: data of the second may come with the first, and its end before."""
    answer = (
        b"* 1 FETCH (UID 1)\r\n* 9 FETCH (UID 9)\r\nA2 OK done\r\n* 2 FETCH (UID 2)\r\nA1 OK\r\n"
    )
    async with session_with(b"", answer) as session:
        first = await session.give(b"UID FETCH 1:2", b"(UID)")
        second = await session.give(b"UID FETCH 9", b"(UID)")
        assert await uids(session, first) == [1, 9, 2]
        assert await uids(session, second) == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"A1 NO [OVERQUOTA] no\r\n", Refused),
        (b"* BYE later\r\n", Unreachable),
        (b"A7 OK what\r\n", Nonsense),
        (b"+ go on\r\n", Nonsense),
        (b"* 1 FETCH (BODY[] {999999}\r\n", Nonsense),
        (b"* 1 FETCH (UID\r\n", Nonsense),
        (b"* 1 FETCH (UID 1)\r\n", Unreachable),
    ],
)
async def test_what_ends_it(answer: bytes, error: type[Exception]) -> None:
    async with session_with(answer) as session:
        with pytest.raises(error):
            await session.call(b"NOOP")


async def test_idle_ends_with_news() -> None:
    async with session_with(
        b"+ idling\r\n* OK still here\r\n* 4 EXISTS\r\n", b"A1 OK\r\n"
    ) as session:
        assert await session.idle(60.0)


async def test_idle_without_news() -> None:
    async with session_with(b"+ idling\r\n", b"A1 OK done\r\n") as session:
        assert not await session.idle(0.05)
