"""Connections that proxies make for clients: the header says whose they are.

Promises: nobody but the trusted proxies is listened to; a connection is nothing to the door before
its header is whole and good; the octets behind the header are not touched. What a proxy may cost is
bounded: octets (`proxy_header`), seconds, and connections on their way (`accepting`).
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from ssl import SSLContext

from mailsuite.base.log import get_logger
from mailsuite.net.accepting import bring_in
from mailsuite.net.proxy_header import BadHeader, HeaderReader, Origin

log = get_logger("net")
HEADER_TIME = 5.0  # seconds; the specification wants three at the least


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


async def welcome(
    sock: socket.socket,
    address: str,
    factory: Callable[[Origin | None], asyncio.BaseProtocol],
    *,
    name: str,
    tls: SSLContext | None,
    proxies: Proxies,
) -> None:
    """Read the header of a connection from `address`, then bring it to the door, or close it."""
    counters = proxies.counters
    if not proxies.trust(address):
        counters.untrusted += 1
        log.warning("not a trusted proxy", listener=name, peer=address)
        sock.close()
        return
    reader = HeaderReader()
    try:
        await _read(sock, reader, proxies.seconds)
    except (BadHeader, OSError) as error:
        sock.close()
        if isinstance(error, TimeoutError) or reader.begun:
            counters.bad_headers += 1
            why = str(error) or "no header in time"
            log.warning("bad proxy header", listener=name, peer=address, why=why)
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
    client = origin.peer if origin else address
    await bring_in(sock, lambda: factory(origin), tls, name=name, client=client)


async def _read(sock: socket.socket, reader: HeaderReader, seconds: float) -> None:
    """Read the header. Raises BadHeader, OSError (TimeoutError is one)."""
    loop = asyncio.get_running_loop()
    sock.setblocking(False)
    async with asyncio.timeout(seconds):
        while reader.need:
            octets = await loop.sock_recv(sock, reader.need)
            if not octets:
                raise BadHeader("closed before the header's end")
            reader.feed(octets)
