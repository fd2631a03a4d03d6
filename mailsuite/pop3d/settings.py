"""What the POP3 door is told by whoever builds it."""

import ssl
from dataclasses import dataclass

from mailsuite.pop3d.policy import NO_POLICY, Policies


@dataclass(frozen=True, slots=True)
class Settings:
    """Times are in seconds.

    hostname          named in the greeting
    tls               for STLS; None: not offered
    allow_plain_auth  USER and PASS without TLS, for loopback in development only
    idle_timeout      at least ten minutes (RFC 1939 §3); also how long a client may refuse to
                      take octets that are ready for it
    max_failures      failed sign-ins before the connection is closed
    policies          how long mail may stay and how often clients may come
    refuse_utf8       a message with UTF-8 in its header is refused ([UTF8]) to a client that has
                      not said UTF8; else a surrogate in ASCII is sent (RFC 6856 §2.1, §7)
    max_faults        commands that can't be obeyed (unknown, malformed, out of place) before it is
    """

    hostname: str
    tls: ssl.SSLContext | None = None
    allow_plain_auth: bool = False
    idle_timeout: float = 600.0
    max_failures: int = 4
    max_faults: int = 20
    policies: Policies = NO_POLICY
    refuse_utf8: bool = False
