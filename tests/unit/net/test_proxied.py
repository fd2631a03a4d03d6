"""Listeners behind a proxy: real sockets, with and without TLS, on both event loops."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import ip_network

import pytest
import trustme
import uvloop

from mailsuite.net import Connection, ConnectionLimits, Listener, Proxies, bind

LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 12345 25\r\n"
Loops = Callable[[], asyncio.AbstractEventLoop]
both_loops = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])


async def tell(connection: Connection) -> None:
    """Say who the client is, then what it has sent."""
    connection.write(f"{connection.peer} to {connection.local}\r\n".encode())
    while octets := await connection.read():
        connection.write(octets)


@contextlib.asynccontextmanager
async def listening(
    *,
    tls: ssl.SSLContext | None = None,
    seconds: float = 5.0,
    network: str = "127.0.0.0/8",
    per_address: int = 10,
) -> AsyncIterator[tuple[int, Proxies]]:
    proxies = Proxies([ip_network("2001:db8::/32"), ip_network(network)], seconds)
    limits = ConnectionLimits(100, per_address)
    listener = Listener("test", tell, limits, tls=tls, busy=b"busy\r\n", proxies=proxies)
    sock = bind("127.0.0.1", 0)
    port: int = sock.getsockname()[1]
    await listener.start(sock)
    try:
        yield port, proxies
    finally:
        await listener.stop()
        assert listener.sessions == 0 and limits.count == 0


def run(loop: Loops, work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            await work()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


async def say(port: int, *pieces: bytes) -> bytes:
    """All that comes back, when the pieces are sent one after another and then nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        if pieces and not writer.is_closing():
            writer.write_eof()
        return await reader.read()
    except OSError:
        return b""  # reset
    finally:
        writer.close()


@both_loops
def test_the_client_is_whom_the_proxy_names(loop: Loops) -> None:
    async def work() -> None:
        async with listening() as (port, proxies):
            told = b"192.0.2.7 to 198.51.100.1\r\n"
            assert await say(port, LINE + b"hello") == told + b"hello"
            assert await say(port, LINE[:20], LINE[20:-1], b"\nhel", b"lo") == told + b"hello"
            assert await say(port, b"PROXY UNKNOWN\r\nx") == b"127.0.0.1 to 127.0.0.1\r\nx"
            assert proxies.counters.as_dict() == {
                "connections": 2,
                "own": 1,
                "untrusted": 0,
                "bad_headers": 0,
            }

    run(loop, work)


@both_loops
def test_the_header_comes_before_tls(loop: Loops) -> None:
    authority = trustme.CA()
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_tls)
    client_tls = ssl.create_default_context()
    authority.configure_trust(client_tls)

    async def work() -> None:
        async with listening(tls=server_tls) as (port, proxies):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(LINE)
            await writer.start_tls(client_tls, server_hostname="localhost")
            writer.write(b"secret")
            assert await reader.readline() == b"192.0.2.7 to 198.51.100.1\r\n"
            assert await reader.readexactly(6) == b"secret"
            writer.close()
            # What is no handshake costs that connection only.
            assert b"192.0.2.7" not in await say(port, LINE + b"EHLO c\r\n")
            assert proxies.counters.connections == 2

    run(loop, work)


@both_loops
def test_bad_headers_are_closed_and_counted(loop: Loops) -> None:
    async def work() -> None:
        async with listening(seconds=0.1) as (port, proxies):
            assert await say(port, b"EHLO c\r\n") == b""
            assert await say(port, LINE[:-1]) == b""
            assert await say(port) == b"", "no octet in time"
            assert proxies.counters.bad_headers == 3
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()  # a health check that only connects
            assert await say(port, LINE) == b"192.0.2.7 to 198.51.100.1\r\n"
            assert proxies.counters.own == 1 and proxies.counters.bad_headers == 3

    run(loop, work)


@both_loops
def test_who_is_not_trusted_gets_nowhere(loop: Loops) -> None:
    async def work() -> None:
        async with listening(network="192.0.2.0/24") as (port, proxies):
            assert await say(port, LINE) == b""
            assert proxies.counters.untrusted == 1 and proxies.counters.connections == 0

    run(loop, work)


async def test_limits_count_the_client_and_not_the_proxy() -> None:
    async with listening(per_address=1) as (port, _):
        first, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(LINE)
        assert await first.readline() == b"192.0.2.7 to 198.51.100.1\r\n"
        assert await say(port, LINE) == b"busy\r\n"
        assert await say(port, LINE.replace(b".7", b".8")) == b"192.0.2.8 to 198.51.100.1\r\n"
        writer.close()


@both_loops
def test_a_tls_handshake_that_does_not_come_is_counted(loop: Loops) -> None:
    """As many as may be open from one address may be on the way; a stop drops them."""

    async def work() -> None:
        authority = trustme.CA()
        server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(server_tls)
        client_tls = ssl.create_default_context()
        authority.configure_trust(client_tls)
        limits = ConnectionLimits(10, 2)
        listener = Listener("test", tell, limits, tls=server_tls, busy=b"busy\r\n")
        sock = bind("127.0.0.1", 0)
        await listener.start(sock)
        port: int = sock.getsockname()[1]
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        assert await silent[2][0].read() == b"", "closed at once"
        silent[0][1].close()
        silent[1][1].write(b"EHLO c\r\n")
        while await silent[1][0].read(100):
            pass
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client_tls, server_hostname="localhost"
        )
        assert await reader.readline() == b"127.0.0.1 to 127.0.0.1\r\n"
        assert limits.count == 1
        writer.close()
        last, writer = await asyncio.open_connection("127.0.0.1", port)
        await listener.stop()
        assert await last.read() == b""
        for _, each in (*silent, (last, writer)):
            each.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    run(loop, work)


async def test_a_stop_drops_who_has_no_header_yet() -> None:
    async with listening() as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(LINE[:10])
        await asyncio.sleep(0.02)
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
