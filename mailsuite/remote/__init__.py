"""Clients for accounts on other servers: IMAP and POP3.

Pure dialogues and parsers, and sessions that carry them out over a connection. Knows nothing of our
own mailboxes.
"""

from mailsuite.remote.credential import (
    KINDS,
    Certificate,
    Credential,
    Password,
    RefreshToken,
    TokenCommand,
    TokenFile,
    as_dict,
    from_dict,
    kind_of,
    packed,
    unpacked,
)
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
    "KINDS",
    "PORTS",
    "Certificate",
    "Credential",
    "Endpoint",
    "Location",
    "Nonsense",
    "Password",
    "RefreshToken",
    "Refused",
    "RemoteError",
    "SignInRefused",
    "Tls",
    "TlsFailed",
    "TokenCommand",
    "TokenFile",
    "Unreachable",
    "as_dict",
    "from_dict",
    "kind_of",
    "packed",
    "parse_url",
    "unpacked",
]
