"""One connection, a client's or to a server: octets both ways, TLS on demand, back-pressure.

Promises: never holds more than `READ_LIMIT` octets that the session has not read; `drain` waits
while the client does not read; nothing received before STARTTLS is ever seen after it.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import cast

from mailsuite.net.proxy_header import Origin

READ_LIMIT = 1 << 16
WRITE_LIMIT = 1 << 18


class Connection(asyncio.Protocol):
    """What a session reads from and writes to. Made by `Listener` and by `connect`."""

    __slots__ = (
        "_buffer",
        "_closed",
        "_on_close",
        "_on_open",
        "_origin",
        "_paused",
        "_read_waiter",
        "_transport",
        "_write_waiter",
        "at_once",
        "local",
        "peer",
        "tls",
    )

    def __init__(
        self,
        on_open: Callable[["Connection"], None],
        on_close: Callable[["Connection"], None],
        origin: Origin | None = None,
    ) -> None:
        """`origin`: whose connection it is, where a proxy told it."""
        self._origin = origin
        self._on_open = on_open
        self._on_close = on_close
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._read_waiter: asyncio.Future[None] | None = None
        self._write_waiter: asyncio.Future[None] | None = None
        self._paused = False
        self._closed = False
        self.at_once: Callable[[bytes], bool] | None = None
        """Is shown what comes while somebody waits in `read`, before it wakes up: True: it has been
        dealt with. Saves a turn of the loop, for what can be answered from memory."""
        self.peer = ""
        self.local = ""
        self.tls = False

    # -- what the event loop calls ------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_LIMIT)
        self.peer, self.local = endpoints(transport, self._origin)
        self.tls = transport.get_extra_info("ssl_object") is not None
        self._on_open(self)

    def data_received(self, data: bytes) -> None:
        if (
            self.at_once is not None
            and self._read_waiter is not None
            and not self._buffer
            and self.at_once(data)
        ):
            return
        self._buffer += data
        if len(self._buffer) >= READ_LIMIT and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake(self._read_waiter)

    def eof_received(self) -> bool:
        # The session reads what is left, then sees b"". Keep the writing side open (not under
        # TLS, where asyncio closes the transport itself).
        self._closed = True
        self._wake(self._read_waiter)
        return not self.tls

    def pause_writing(self) -> None:
        self._write_waiter = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        waiter, self._write_waiter = self._write_waiter, None
        self._wake(waiter)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is None:
            return
        self._closed = True
        self._wake(self._read_waiter)
        self.resume_writing()
        self._transport = None
        self._on_close(self)

    @staticmethod
    def _wake(waiter: asyncio.Future[None] | None) -> None:
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # -- what the session calls ---------------------------------------------------------------

    @property
    def is_closing(self) -> bool:
        """No answer can reach the client any more."""
        return self._transport is None or self._transport.is_closing()

    @property
    def pending(self) -> bool:
        """The client has sent octets that have not been read yet (it pipelines)."""
        return bool(self._buffer)

    async def read(self) -> bytes:
        """All octets that are there, waiting for the first; b"" when the client has hung up.

        One reader at a time. Safe to cancel: no octet is lost.
        """
        while not self._buffer:
            if self._closed:
                return b""
            self._read_waiter = asyncio.get_running_loop().create_future()
            try:
                await self._read_waiter
            finally:
                self._read_waiter = None
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send octets. Follow big or many writes with `drain`."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def writelines(self, chunks: list[bytes]) -> None:
        """Send several pieces as one."""
        self.write(b"".join(chunks))

    @property
    def is_open(self) -> bool:
        """It has not been lost: `drain` would raise nothing."""
        return self._transport is not None

    @property
    def is_full(self) -> bool:
        """The client has yet to take what was sent: `drain` would wait."""
        return self._write_waiter is not None

    async def drain(self) -> None:
        """Wait until the client has taken most of what was sent; bounded by `WRITE_LIMIT`.

        Raises ConnectionError when it is gone.
        """
        while (waiter := self._write_waiter) is not None:
            await asyncio.shield(waiter)
        if self._transport is None:
            raise ConnectionResetError("client has gone")

    async def start_tls(self, context: ssl.SSLContext, reply: bytes) -> None:
        """Send `reply`, then go over to TLS; what the client had already sent is discarded.

        (RFC 3207 §4.2, RFC 9051 §6.2.1, RFC 2595 §4.) Raises OSError (ssl.SSLError is one) when
        the handshake fails; the connection is then closed.
        """
        await self._over_to_tls(context, reply, server_side=True, timeout=30)

    async def begin_tls(self, context: ssl.SSLContext, name: str, timeout: float) -> None:
        """The client's side of `start_tls`, once the server has agreed; `name` is asked for (SNI).

        What the server sent before the handshake is discarded. Raises as `start_tls`.
        """
        await self._over_to_tls(context, b"", name=name, timeout=timeout)

    async def _over_to_tls(
        self,
        context: ssl.SSLContext,
        reply: bytes,
        *,
        server_side: bool = False,
        name: str | None = None,
        timeout: float,
    ) -> None:
        if self._transport is None:
            raise ConnectionResetError("the other side has gone")
        # Paused, so that the other side's first TLS octets can't land in our plain-text buffer.
        if not self._paused:
            self._transport.pause_reading()
        self._paused = False
        self._buffer.clear()
        if reply:
            self._transport.write(reply)
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(
                self._transport,
                self,
                context,
                server_side=server_side,
                server_hostname=name,
                ssl_handshake_timeout=timeout,
            )
        except BaseException:
            self.abort()
            # A connection that is reset within the handshake, the event loop tells its TLS layer of
            # and nobody else.
            self.connection_lost(None)
            raise
        if transport is None or self._closed:
            self.abort()
            raise ConnectionResetError("the other side has gone")
        self._transport = transport
        self._transport.set_write_buffer_limits(high=WRITE_LIMIT)
        self.tls = True

    @property
    def has_ended(self) -> bool:
        """The other side has closed it, or it is closed here."""
        return self._closed or self.is_closing

    @property
    def ssl_object(self) -> ssl.SSLObject | None:
        """The TLS session, for its version, cipher and client certificate."""
        if self._transport is None:
            return None
        return cast(ssl.SSLObject | None, self._transport.get_extra_info("ssl_object"))

    def probe(self, after: int, every: int, times: int) -> None:
        """Have the system find out whether a silent peer is there still (TCP keepalive); seconds.

        One that has vanished, a laptop asleep, is then lost like one that hangs up, `after` seconds
        and so many unanswered questions later.
        """
        sock = None if self._transport is None else self._transport.get_extra_info("socket")
        if sock is None or sock.family == getattr(socket, "AF_UNIX", None):
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        wanted = {"TCP_KEEPIDLE": after, "TCP_KEEPINTVL": every, "TCP_KEEPCNT": times}
        for name, value in wanted.items():
            if (option := getattr(socket, name, None)) is not None:  # each system has some of them
                sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def close(self) -> None:
        """Send what is buffered, then close."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()


def endpoints(transport: asyncio.BaseTransport, origin: Origin | None) -> tuple[str, str]:
    """The client's address and ours; "" where there is none, as with Unix sockets."""
    if origin is not None:
        return origin.peer, origin.local
    peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    # A Unix socket's name is a text, and in no tuple.
    return (
        peer[0] if isinstance(peer, tuple) else "",
        local[0] if isinstance(local, tuple) else "",
    )


async def connect(
    address: str,
    port: int,
    *,
    timeout: float,
    tls: ssl.SSLContext | None = None,
    name: str | None = None,
) -> Connection:
    """A connection to an IP address, under TLS from the first octet where `tls` is given.

    `name` is asked for in the handshake (SNI). Raises OSError (TimeoutError and ssl.SSLError are
    such). Seconds.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout):
        _, protocol = await loop.create_connection(
            lambda: Connection(_nothing, _nothing),
            address,
            port,
            ssl=tls,
            server_hostname=name if tls else None,
        )
    return protocol


def _nothing(connection: Connection) -> None:
    """Nobody counts connections to servers."""
