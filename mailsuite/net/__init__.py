"""What every door shares below its protocol: sockets, connections, limits. Knows no mail."""

from mailsuite.net.connection import Connection, connect
from mailsuite.net.limits import ConnectionLimits
from mailsuite.net.listener import Listener, bind
from mailsuite.net.unix import bind_unix, connect_unix, peer_uid

__all__ = [
    "Connection",
    "ConnectionLimits",
    "Listener",
    "bind",
    "bind_unix",
    "connect",
    "connect_unix",
    "peer_uid",
]
