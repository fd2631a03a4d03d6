"""Connections on their way to a door: a proxy's header or a TLS handshake is to come first.

Promises: who is on the way is counted, in all and by address, so that nobody can keep many by
saying nothing; the listening socket is read from by one task, which survives what single
connections do.
"""

import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine
from ssl import SSLContext
from typing import Any

from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Tasks
from mailsuite.net.limits import ConnectionLimits

log = get_logger("net")
BACKLOG = 1024
TLS_HANDSHAKE = 30.0  # seconds
PAUSE = 1.0  # seconds, where the system has no more sockets
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_BROKEN = (errno.EBADF, errno.EINVAL, errno.ENOTSOCK)

Welcome = Callable[[socket.socket, str], Coroutine[Any, Any, None]]
"""Brings a connection from this address to the door, or closes it."""


class Accepting:
    """A listening socket whose connections are welcomed one by one. Made by `serve`."""

    def __init__(
        self, sock: socket.socket, welcome: Welcome, *, name: str, waiting: ConnectionLimits
    ) -> None:
        """Accepts from now on; `waiting` counts who is on the way."""
        self._sock = sock
        self._welcome = welcome
        self._name = name
        self._limits = waiting
        self._waiting = Tasks(f"{name} welcome")
        self._accepting = Tasks(name)
        sock.listen(BACKLOG)
        self._accepting.start(self._accept(), "accept")

    async def stop(self) -> None:
        """Accept no more, and drop who has not reached the door yet."""
        await self._accepting.cancel()
        await self._waiting.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    sock, address = await loop.sock_accept(self._sock)
                except OSError as error:
                    if error.errno in _BROKEN:
                        raise
                    log.error("could not accept", listener=self._name, why=str(error))
                    await asyncio.sleep(PAUSE if error.errno in _EXHAUSTED else 0)
                    continue
                self._accepted(sock, address[0])
        finally:
            self._sock.close()

    def _accepted(self, sock: socket.socket, address: str) -> None:
        if self._limits.enter(address):
            self._waiting.start(self._on_the_way(sock, address), address)
        else:
            log.warning("too many connections", listener=self._name, peer=address)
            sock.close()

    async def _on_the_way(self, sock: socket.socket, address: str) -> None:
        try:
            await self._welcome(sock, address)
        finally:
            self._limits.leave(address)


async def bring_in(
    sock: socket.socket,
    factory: Callable[[], asyncio.BaseProtocol],
    tls: SSLContext | None,
    *,
    name: str,
    client: str,
) -> None:
    """Begin a connection's protocol, under TLS where it is given. A failure is logged."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        await asyncio.get_running_loop().connect_accepted_socket(
            factory, sock, ssl=tls, ssl_handshake_timeout=TLS_HANDSHAKE if tls else None
        )
    except OSError as error:
        log.info("connection lost", listener=name, peer=client, why=str(error))
