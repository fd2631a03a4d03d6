"""Connections from a listening socket to the protocol that serves them, the same for every door.

Where a proxy stands before the door, its header is read first, before TLS, and the connection is
then the client's: by address, for limits and in logs.
"""

import asyncio
import socket
from collections.abc import Callable
from ssl import SSLContext
from typing import Protocol

from mailsuite.net.proxied import Proxied, Proxies
from mailsuite.net.proxy_header import Origin

BACKLOG = 1024
TLS_HANDSHAKE = 30.0  # seconds

Factory = Callable[[Origin | None], asyncio.BaseProtocol]
"""Makes the protocol of a new connection; `Origin` is the client's, where a proxy told it."""


class Serving(Protocol):
    """A socket that accepts."""

    async def stop(self) -> None:
        """Accept no more, and drop who has not reached the door yet."""
        ...


class _Direct:
    def __init__(self, server: asyncio.AbstractServer) -> None:
        self._server = server

    async def stop(self) -> None:
        self._server.close()


async def serve(
    sock: socket.socket,
    factory: Factory,
    *,
    name: str,
    tls: SSLContext | None = None,
    proxies: Proxies | None = None,
) -> Serving:
    """Accept on `sock`, which is bound, until the result is stopped.

    name     of the listener, for the log
    tls      TLS from the first octet, or right behind the proxy's header
    proxies  the listener is for these and nobody else
    """
    loop = asyncio.get_running_loop()
    if proxies is not None:
        return Proxied(sock, factory, name=name, tls=tls, proxies=proxies, handshake=TLS_HANDSHAKE)
    if sock.family == socket.AF_UNIX:
        return _Direct(
            await loop.create_unix_server(lambda: factory(None), sock=sock, backlog=BACKLOG)
        )
    return _Direct(
        await loop.create_server(
            lambda: factory(None),
            sock=sock,
            ssl=tls,
            backlog=BACKLOG,
            ssl_handshake_timeout=TLS_HANDSHAKE if tls else None,
        )
    )
