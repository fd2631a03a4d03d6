"""A listening socket and the sessions that came in by it.

Promises: one task a session; an exception in a session is logged and costs that session only;
`stop` tells every session (by cancelling it) and waits. Connections over the limits are refused
with the protocol's own words.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable

from mailsuite.base.errors import UserError
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Tasks
from mailsuite.net.connection import Connection
from mailsuite.net.limits import ConnectionLimits
from mailsuite.net.proxied import Proxies
from mailsuite.net.serving import Serving, serve

log = get_logger("net")


def bind(address: str, port: int) -> socket.socket:
    """A bound TCP socket, not yet listening. Port 0 lets the system choose.

    Raises UserError that names the address and port.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # Named as TCP: asyncio sets TCP_NODELAY only then, and without it an answer in two pieces waits
    # for the client's delayed acknowledgement.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # One socket for [::] and one for 0.0.0.0, whatever the system's default is.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise UserError(f"cannot listen on {address} port {port}: {error.strerror}") from error
    return sock


class Listener:
    """Accepts connections on one socket and runs `session` for each."""

    def __init__(
        self,
        name: str,
        session: Callable[[Connection], Awaitable[None]],
        limits: ConnectionLimits,
        *,
        tls: ssl.SSLContext | None = None,
        busy: bytes = b"",
        proxies: Proxies | None = None,
    ) -> None:
        """`tls` makes it implicit TLS; `busy` is sent to a client that is over the limits.

        proxies  those that stand before it, where there are any
        """
        self.name = name
        self._session = session
        self._limits = limits
        self._tls = tls
        self._busy = busy
        self._proxies = proxies
        self._server: Serving | None = None
        self._tasks = Tasks(name)

    @property
    def sessions(self) -> int:
        """Sessions open now."""
        return len(self._tasks)

    async def start(self, sock: socket.socket) -> None:
        """Accept from now on."""
        self._server = await serve(
            sock,
            lambda origin: Connection(self._opened, self._closed, origin),
            self._limits,
            name=self.name,
            tls=self._tls,
            proxies=self._proxies,
        )

    def _opened(self, connection: Connection) -> None:
        if not self._limits.enter(connection.peer):
            log.warning("too many connections", listener=self.name, peer=connection.peer)
            connection.write(self._busy)
            connection.peer = ""  # not counted, so not to be counted out
            connection.close()
            return
        self._tasks.start(self._run(connection), connection.peer)

    def _closed(self, connection: Connection) -> None:
        if connection.peer:
            self._limits.leave(connection.peer)

    async def _run(self, connection: Connection) -> None:
        try:
            await self._session(connection)
        except (ConnectionError, TimeoutError, ssl.SSLError) as error:
            log.info("connection lost", listener=self.name, peer=connection.peer, why=str(error))
        finally:
            connection.close()

    async def stop(self, grace: float = 1.0) -> None:
        """Accept no more, cancel the sessions, wait up to `grace` seconds for their last words."""
        if self._server is not None:
            await self._server.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._tasks.cancel()
