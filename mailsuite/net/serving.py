"""Connections from a listening socket to the protocol that serves them, the same for every door.

Where a proxy stands before the door, its header is read first, before TLS, and the connection is
then the client's: by address, for limits and in logs. Who has to do a TLS handshake first counts
from the moment of the connection.
"""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from ssl import SSLContext
from typing import Protocol

from mailsuite.net.accepting import BACKLOG, Accepting, bring_in
from mailsuite.net.limits import ConnectionLimits
from mailsuite.net.proxied import Proxies, welcome
from mailsuite.net.proxy_header import Origin

MOST_PROXIED = 1024  # connections whose header or TLS handshake is not there yet

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
    limits: ConnectionLimits,
    *,
    name: str,
    tls: SSLContext | None = None,
    proxies: Proxies | None = None,
) -> Serving:
    """Accept on `sock`, which is bound, until the result is stopped.

    limits   of the door; they hold for those who have not reached it yet as well
    name     of the listener, for the log
    tls      TLS from the first octet, or right behind the proxy's header
    proxies  the listener is for these and nobody else
    """
    loop = asyncio.get_running_loop()
    if proxies is not None:
        # A proxy's address is that of all its clients, who are counted at the door.
        waiting = ConnectionLimits(MOST_PROXIED, MOST_PROXIED)
        greet = partial(welcome, factory=factory, name=name, tls=tls, proxies=proxies)
        return Accepting(sock, greet, name=name, waiting=waiting)
    if tls is not None:

        async def handshake(accepted: socket.socket, address: str) -> None:
            await bring_in(accepted, lambda: factory(None), tls, name=name, client=address)

        return Accepting(sock, handshake, name=name, waiting=limits.on_the_way())
    if sock.family == socket.AF_UNIX:
        server = await loop.create_unix_server(lambda: factory(None), sock=sock, backlog=BACKLOG)
    else:
        server = await loop.create_server(lambda: factory(None), sock=sock, backlog=BACKLOG)
    return _Direct(server)
