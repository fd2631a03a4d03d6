"""What the POP3 door is told by whoever builds it."""

import ssl
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Times are in seconds.

    hostname          named in the greeting
    tls               for STLS; None: not offered
    allow_plain_auth  USER and PASS without TLS, for loopback in development only
    idle_timeout      at least ten minutes (RFC 1939 §3); also how long a client may refuse to
                      take octets that are ready for it
    max_failures      failed sign-ins before the connection is closed
    max_faults        commands that can't be obeyed (unknown, malformed, out of place) before it is
    """

    hostname: str
    tls: ssl.SSLContext | None = None
    allow_plain_auth: bool = False
    idle_timeout: float = 600.0
    max_failures: int = 4
    max_faults: int = 20
