"""TLS that fails half-way: told in words, and no password is said after it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme

from mailsuite.remote import Endpoint, RemoteError
from mailsuite.remote.imap import open_imap
from mailsuite.remote.pop3 import open_pop3
from mailsuite.sasl import ClientLogin

BEFORE = {
    "imap": [
        b"* OK [CAPABILITY IMAP4rev1 STARTTLS] hello\r\n",
        b"A1 OK begin\r\n",
    ],
    "pop3": [b"+OK hello\r\n", b"+OK\r\nSTLS\r\n.\r\n", b"+OK begin\r\n"],
}
ALERT = b"\x15\x03\x03\x00\x02\x02\x28"  # fatal, handshake_failure (RFC 5246 §7.2)
FAILURES = {
    "hangs up": b"",
    "goes on in the clear": b"* OK never mind, LOGIN please\r\n+OK\r\n",
    "alert": ALERT,
    "half a record": b"\x16\x03\x03\x40\x00half",
    "zeros": b"\0" * 20_000,
}


@asynccontextmanager
async def server(protocol: str, failure: bytes, heard: bytearray) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first, *others = BEFORE[protocol]
            writer.write(first)
            for answer in others:
                heard.extend(await reader.readline())
                writer.write(answer)
            heard.extend(await reader.read(1))  # the handshake begins
            writer.write(failure)
            await writer.drain()
            writer.write_eof()
            heard.extend(await reader.read())
        except ConnectionError:
            return
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await listening.wait_closed()


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("protocol", BEFORE)
async def test_half_way(protocol: str, failure: str) -> None:
    heard = bytearray()
    async with server(protocol, FAILURES[failure], heard) as port:
        login = ClientLogin("bob", "a secret")
        endpoint = Endpoint(protocol, "127.0.0.1", port, "starttls", login)
        opened = open_imap(endpoint) if protocol == "imap" else open_pop3(endpoint)
        with pytest.raises(RemoteError, match=f"127.0.0.1:{port}"):
            async with asyncio.timeout(20):
                await opened
    assert b"secret" not in heard and b"bob" not in heard


async def test_a_session_that_ends_in_the_middle_of_a_record() -> None:
    """Whatever came before it counts, and the loss is told as one of the connection."""
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* PREAUTH [CAPABILITY IMAP4rev1] hello\r\n")
        await reader.readline()
        writer.write(b"* 1 EXISTS\r\n* 1 FETCH (UID 1 BO")
        await writer.drain()
        writer.transport.abort()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = listening.sockets[0].getsockname()[1]
    with ca.cert_pem.tempfile() as path:
        endpoint = Endpoint("imap", "127.0.0.1", port, "implicit", ClientLogin("bob"), path)
        session = await open_imap(endpoint)
        with pytest.raises(RemoteError, match=f"127.0.0.1:{port}"):
            await session.call(b"NOOP")
        session.abort()
    listening.close()
    await listening.wait_closed()
