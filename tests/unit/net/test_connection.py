"""A connection under a real listener: reading, back-pressure, STARTTLS, limits, stopping."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trustme

from mailsuite.net import Connection, ConnectionLimits, Listener, bind

Session = Callable[[Connection], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(
    session: Session, *, per_address: int = 10, busy: bytes = b""
) -> AsyncIterator[tuple[str, int]]:
    listener = Listener("test", session, ConnectionLimits(100, per_address), busy=busy)
    sock = bind("127.0.0.1", 0)
    address: tuple[str, int] = sock.getsockname()
    await listener.start(sock)
    try:
        yield address
    finally:
        await listener.stop()


async def test_octets_go_both_ways_until_the_client_hangs_up() -> None:
    seen = []

    async def echo(connection: Connection) -> None:
        while data := await connection.read():
            seen.append(data)
            connection.write(data)
            await connection.drain()

    async with listening(echo) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
    assert b"".join(seen) == b"hello"


async def test_what_the_session_does_not_read_stays_with_the_client() -> None:
    release = asyncio.Event()
    got = 0

    async def slow(connection: Connection) -> None:
        nonlocal got
        await release.wait()
        while data := await connection.read():
            assert len(data) < 1 << 20
            got += len(data)

    async with listening(slow) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(bytes(32 << 20))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.2)
        release.set()
        await writer.drain()
        writer.write_eof()
        await reader.read()
        writer.close()
    assert got == 32 << 20


async def test_drain_waits_for_a_slow_reader() -> None:
    sent = 0

    async def flood(connection: Connection) -> None:
        nonlocal sent
        for _ in range(1000):
            connection.write(bytes(1 << 16))
            await connection.drain()
            sent += 1

    async with listening(flood) as address:
        reader, writer = await asyncio.open_connection(*address)
        await asyncio.sleep(0.2)
        assert sent < 1000
        total = 0
        while data := await reader.read(1 << 20):
            total += len(data)
        assert total == 1000 << 16
        writer.close()


async def test_start_tls_discards_what_came_before() -> None:
    authority = trustme.CA()
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_tls)
    client_tls = ssl.create_default_context()
    authority.configure_trust(client_tls)
    after = []

    async def session(connection: Connection) -> None:
        await connection.read()
        await connection.start_tls(server_tls, b"OK\r\n")
        assert connection.tls
        after.append(await connection.read())
        connection.write(b"over TLS")

    async with listening(session) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"STARTTLS\r\nINJECTED\r\n")
        assert await reader.readline() == b"OK\r\n"
        await writer.start_tls(client_tls, server_hostname="localhost")
        writer.write(b"real")
        assert await reader.read() == b"over TLS"
        writer.close()
    assert after == [b"real"]


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01\x02\x00\x01"])
async def test_a_reset_within_the_handshake_gives_the_place_back(begun: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    failed = asyncio.Event()

    async def session(connection: Connection) -> None:
        try:
            await connection.start_tls(context, b"OK\r\n")
        finally:
            assert await connection.read() == b""
            failed.set()

    async with listening(session, per_address=1, busy=b"busy\r\n") as address:
        reader, writer = await asyncio.open_connection(*address)
        assert await reader.readline() == b"OK\r\n"
        writer.write(begun)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        await failed.wait()
        reader, writer = await asyncio.open_connection(*address)
        assert await reader.readline() == b"OK\r\n"
        writer.close()


async def test_too_many_connections_are_told_so() -> None:
    async def wait(connection: Connection) -> None:
        await connection.read()

    async with listening(wait, per_address=1, busy=b"busy\r\n") as address:
        first_reader, first = await asyncio.open_connection(*address)
        await asyncio.sleep(0.05)
        second_reader, second = await asyncio.open_connection(*address)
        assert await second_reader.read() == b"busy\r\n"
        second.close()
        first.write_eof()
        await first_reader.read()
        first.close()
        await asyncio.sleep(0.05)
        _, third = await asyncio.open_connection(*address)
        third.write(b"x")
        await third.drain()
        third.close()


async def test_stopping_lets_sessions_say_goodbye() -> None:
    async def session(connection: Connection) -> None:
        try:
            await connection.read()
        except asyncio.CancelledError:
            connection.write(b"BYE\r\n")
            raise

    async with listening(session) as address:
        reader, writer = await asyncio.open_connection(*address)
        await asyncio.sleep(0.05)
    assert await reader.read() == b"BYE\r\n"
    writer.close()


async def test_small_answers_are_not_held_back() -> None:
    """Nagle's algorithm is off: two small writes do not wait for the client's acknowledgement."""
    found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def look(connection: Connection) -> None:
        transport = connection._transport
        assert transport is not None
        sock = transport.get_extra_info("socket")
        found.set_result(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    async with listening(look) as address:
        _, writer = await asyncio.open_connection(*address)
        assert await found == 1
        writer.close()


async def test_the_system_looks_for_peers_that_are_silent() -> None:
    found: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()

    async def look(connection: Connection) -> None:
        connection.probe(60, 15, 4)
        transport = connection._transport
        assert transport is not None
        sock = transport.get_extra_info("socket")
        names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
        options = [getattr(socket, name) for name in names if hasattr(socket, name)]
        found.set_result(
            [
                sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                *(sock.getsockopt(socket.IPPROTO_TCP, option) for option in options),
            ]
        )
        connection.abort()
        await connection.read()
        connection.probe(60, 15, 4)  # one that is closed already

    async with listening(look) as address:
        _, writer = await asyncio.open_connection(*address)
        on, *values = await found
        assert on
        assert set(values) <= {60, 15, 4}
        writer.close()
