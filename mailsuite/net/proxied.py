"""Accepts connections that proxies make for clients, and learns from their header whose they are.

Promises: nobody but the trusted proxies is listened to; a connection is nothing to the door before
its header is whole and good; the octets behind the header are not touched. What a proxy may cost is
bounded: octets (`proxy_header`), seconds, and connections without a header yet.
"""

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from ssl import SSLContext

from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Tasks
from mailsuite.net.proxy_header import BadHeader, HeaderReader, Origin

log = get_logger("net")
BACKLOG = 1024
MOST_WAITING = 1024  # connections whose header or TLS handshake is not there yet
HEADER_TIME = 5.0  # seconds; the specification wants three at the least
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
BROKEN = (errno.EBADF, errno.EINVAL, errno.ENOTSOCK)
PAUSE = 1.0  # seconds, where the system has no more sockets


@dataclass(slots=True)
class ProxyCounters:
    """Plain counts of one listener; they only grow.

    connections  clients that came by a proxy
    own          the proxies' own, such as health checks, which may say nothing at all
    untrusted    refused: not from a trusted address
    bad_headers  refused: the header was wrong, or not there in time
    """

    connections: int = 0
    own: int = 0
    untrusted: int = 0
    bad_headers: int = 0

    def as_dict(self) -> dict[str, int]:
        """All of them by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies before a listener: where they are, and what they did. `seconds` for a header."""

    networks: Sequence[IPv4Network | IPv6Network]
    seconds: float = HEADER_TIME
    counters: ProxyCounters = field(default_factory=ProxyCounters)

    def trust(self, address: str) -> bool:
        """Whether a proxy may connect from there."""
        ip = ip_address(address.partition("%")[0])
        return any(ip in network for network in self.networks)


class Proxied:
    """A listening socket that only proxies connect to. Made by `serve`."""

    def __init__(
        self,
        sock: socket.socket,
        factory: Callable[[Origin | None], asyncio.BaseProtocol],
        *,
        name: str,
        tls: SSLContext | None,
        proxies: Proxies,
        handshake: float,
    ) -> None:
        """Accepts from now on. `handshake`: seconds for TLS."""
        self._sock = sock
        self._factory = factory
        self._name = name
        self._tls = tls
        self._proxies = proxies
        self._handshake = handshake
        self._waiting = Tasks(f"{name} proxied")
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
                    if error.errno in BROKEN:
                        raise
                    log.error("could not accept", listener=self._name, why=str(error))
                    await asyncio.sleep(PAUSE if error.errno in EXHAUSTED else 0)
                    continue
                self._accepted(sock, address[0])
        finally:
            self._sock.close()

    def _accepted(self, sock: socket.socket, address: str) -> None:
        counters = self._proxies.counters
        if not self._proxies.trust(address):
            counters.untrusted += 1
            log.warning("not a trusted proxy", listener=self._name, peer=address)
            sock.close()
        elif len(self._waiting) >= MOST_WAITING:
            counters.bad_headers += 1
            log.warning("too many connections without a header", listener=self._name, peer=address)
            sock.close()
        else:
            self._waiting.start(self._welcome(sock, address), address)

    async def _welcome(self, sock: socket.socket, address: str) -> None:
        counters = self._proxies.counters
        reader = HeaderReader()
        try:
            await self._read(sock, reader)
        except (BadHeader, OSError) as error:
            sock.close()
            if isinstance(error, TimeoutError) or reader.begun:
                counters.bad_headers += 1
                why = str(error) or "no header in time"
                log.warning("bad proxy header", listener=self._name, peer=address, why=why)
            else:
                counters.own += 1
            return
        except BaseException:
            sock.close()
            raise
        origin = reader.origin
        if origin is None:
            counters.own += 1
        else:
            counters.connections += 1
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._factory(origin),
                sock,
                ssl=self._tls,
                ssl_handshake_timeout=self._handshake if self._tls else None,
            )
        except OSError as error:
            client = origin.peer if origin else address
            log.info("connection lost", listener=self._name, peer=client, why=str(error))

    async def _read(self, sock: socket.socket, reader: HeaderReader) -> None:
        """Read the header. Raises BadHeader, OSError (TimeoutError is one)."""
        loop = asyncio.get_running_loop()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(self._proxies.seconds):
            while reader.need:
                octets = await loop.sock_recv(sock, reader.need)
                if not octets:
                    raise BadHeader("closed before the header's end")
                reader.feed(octets)
