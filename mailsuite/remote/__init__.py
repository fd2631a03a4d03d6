"""Clients for accounts on other servers: IMAP and POP3.

Pure dialogues and parsers, and sessions that carry them out over a connection. Knows nothing of our
own mailboxes.
"""

from mailsuite.remote.endpoint import PORTS, Endpoint, Location, Tls, parse_url
from mailsuite.remote.errors import (
    Nonsense,
    Refused,
    RemoteError,
    SignInRefused,
    TlsFailed,
    Unreachable,
)

__all__ = [
    "PORTS",
    "Endpoint",
    "Location",
    "Nonsense",
    "Refused",
    "RemoteError",
    "SignInRefused",
    "Tls",
    "TlsFailed",
    "Unreachable",
    "parse_url",
]
