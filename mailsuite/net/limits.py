"""How many connections may be open at once: in all, and from one address.

IPv6 clients are counted by /64, the smallest block that one customer is given (RFC 6177).
"""

import ipaddress
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache


@dataclass(slots=True)
class _Bounds:
    """The same for all doors."""

    total: int
    per_address: int


@dataclass(slots=True)
class _Count:
    """Connections open now, through doors that are counted together."""

    value: int = 0


class ConnectionLimits:
    """Counts open connections. One object may be shared by several listeners."""

    def __init__(self, total: int, per_address: int) -> None:
        self._bounds = _Bounds(total, per_address)
        self._count = _Count()
        self._open: Counter[str] = Counter()

    def apart(self) -> "ConnectionLimits":
        """The same bounds for another kind of door, whose addresses are counted by themselves.

        Many mail clients behind one address, each with several IMAP connections, leave it all its
        SMTP connections. The total is one for all kinds.
        """
        other = self.on_the_way()
        other._count = self._count
        return other

    def on_the_way(self) -> "ConnectionLimits":
        """The same bounds for those who have not reached the door yet, who are counted apart."""
        other = ConnectionLimits(0, 0)
        other._bounds = self._bounds
        return other

    @property
    def count(self) -> int:
        """Connections open now, through doors of all kinds."""
        return self._count.value

    @property
    def full(self) -> bool:
        """No connection more, from wherever."""
        return self._count.value >= self._bounds.total

    def resize(self, total: int, per_address: int) -> None:
        """Other bounds from now on, for all kinds; connections that are open stay open."""
        self._bounds.total = total
        self._bounds.per_address = per_address

    def enter(self, address: str) -> bool:
        """Count a new connection from `address`; False when there are too many."""
        key = network_key(address)
        if self.full or self._open[key] >= self._bounds.per_address:
            if not self._open[key]:
                del self._open[key]
            return False
        self._open[key] += 1
        self._count.value += 1
        return True

    def leave(self, address: str) -> None:
        """A connection that `enter` has counted is closed."""
        key = network_key(address)
        self._count.value -= 1
        self._open[key] -= 1
        if not self._open[key]:
            del self._open[key]


@lru_cache(maxsize=4096)
def network_key(address: str) -> str:
    """The address a client is known by: IPv4 as it is, IPv6 as its /64."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
