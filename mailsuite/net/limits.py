"""How many connections may be open at once: in all, and from one address.

IPv6 clients are counted by /64, the smallest block that one customer is given (RFC 6177).
"""

import ipaddress
from collections import Counter
from functools import lru_cache


class ConnectionLimits:
    """Counts open connections. One object may be shared by several listeners."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._open: Counter[str] = Counter()
        self._count = 0

    @property
    def count(self) -> int:
        """Connections open now."""
        return self._count

    @property
    def full(self) -> bool:
        """No connection more, from wherever."""
        return self._count >= self._total

    def resize(self, total: int, per_address: int) -> None:
        """Other limits from now on; connections that are open stay open."""
        self._total = total
        self._per_address = per_address

    def enter(self, address: str) -> bool:
        """Count a new connection from `address`; False when there are too many."""
        key = network_key(address)
        if self.full or self._open[key] >= self._per_address:
            if not self._open[key]:
                del self._open[key]
            return False
        self._open[key] += 1
        self._count += 1
        return True

    def leave(self, address: str) -> None:
        """A connection that `enter` has counted is closed."""
        key = network_key(address)
        self._count -= 1
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
