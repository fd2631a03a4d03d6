"""What every door shares below its protocol: sockets, connections, limits. Knows no mail."""

from mailsuite.net.adopted import adopt
from mailsuite.net.browsers import is_http_request
from mailsuite.net.connection import Connection, connect, endpoints
from mailsuite.net.limits import ConnectionLimits, network_key
from mailsuite.net.listener import Listener, bind
from mailsuite.net.proxied import Proxies
from mailsuite.net.proxy_header import Origin
from mailsuite.net.serving import Serving, serve
from mailsuite.net.unix import bind_unix, connect_unix, peer_uid

__all__ = [
    "Connection",
    "ConnectionLimits",
    "Listener",
    "Origin",
    "Proxies",
    "Serving",
    "adopt",
    "bind",
    "bind_unix",
    "connect",
    "connect_unix",
    "endpoints",
    "is_http_request",
    "network_key",
    "peer_uid",
    "serve",
]
