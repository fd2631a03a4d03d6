"""HTTP/1.1, client side: one request, one bounded answer, over TLS that is checked.

Promises: follows no redirect, reads no more than it was told to, ends in time.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

from mailsuite.net.connection import Connection, connect

MAX_HEAD = 1 << 14  # octets of status line and fields


class HttpFailed(Exception):
    """No answer that can be used; the text says why, for the operator."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status code and body."""

    status: int
    body: bytes


async def request(
    url: str,
    *,
    tls: ssl.SSLContext,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 10.0,
    limit: int = 1 << 18,
) -> Answer:
    """GET, or POST where there is a `body`.

    `timeout` in seconds for all of it, `limit` in octets of the answer. `tls` is for https. Raises
    HttpFailed.
    """
    host = urlsplit(url).hostname or ""
    try:
        async with asyncio.timeout(timeout):
            connection = await _connected(url, tls, timeout)
            try:
                return await _exchange(connection, url, body, headers or {}, limit)
            finally:
                connection.abort()
    except TimeoutError as error:
        raise HttpFailed(f"{host}: no answer within {timeout:.0f} s") from error
    except (OSError, h11.ProtocolError) as error:
        raise HttpFailed(f"{host}: {error}") from error


async def _connected(url: str, tls: ssl.SSLContext, timeout: float) -> Connection:
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = OSError("it has no address")
    for *_, address in found[:4]:
        try:
            return await connect(
                str(address[0]),
                port,
                timeout=timeout,
                tls=tls if secure else None,
                name=host if secure else None,
            )
        except OSError as error:
            failure = error
    raise failure


async def _exchange(
    connection: Connection, url: str, body: bytes | None, headers: Mapping[str, str], limit: int
) -> Answer:
    parts = urlsplit(url)
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
    fields = {"Host": parts.netloc.rpartition("@")[2], "Connection": "close", **headers}
    if body is not None:
        fields["Content-Length"] = str(len(body))
    request = h11.Request(
        method="GET" if body is None else "POST",
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        headers=list(fields.items()),
    )
    octets = http.send(request) or b""
    if body is not None:
        octets += http.send(h11.Data(data=body)) or b""
    connection.write(octets + (http.send(h11.EndOfMessage()) or b""))
    status, found = 0, bytearray()
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await connection.read())
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            found += event.data
            if len(found) > limit:
                raise HttpFailed(f"{parts.hostname}: an answer of more than {limit} octets")
        elif isinstance(event, h11.EndOfMessage):
            return Answer(status, bytes(found))
        elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
            raise HttpFailed(f"{parts.hostname}: closed the connection")
