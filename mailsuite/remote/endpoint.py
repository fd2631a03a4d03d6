"""Pure. Which account of which server is meant, and how it is reached."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal, TypeAlias
from urllib.parse import unquote

from mailsuite.sasl import ClientLogin

Protocol: TypeAlias = Literal["imap", "pop3"]
Tls: TypeAlias = Literal["implicit", "starttls", "none"]
PORTS: dict[tuple[Protocol, Tls], int] = {
    ("imap", "implicit"): 993,
    ("imap", "starttls"): 143,
    ("imap", "none"): 143,
    ("pop3", "implicit"): 995,
    ("pop3", "starttls"): 110,
    ("pop3", "none"): 110,
}
_SCHEMES: dict[str, tuple[Protocol, Tls]] = {
    "imap": ("imap", "starttls"),
    "imaps": ("imap", "implicit"),
    "pop3": ("pop3", "starttls"),
    "pop3s": ("pop3", "implicit"),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An account on another server.

    tls          implicit: from the first octet; starttls: asked for at once, or nothing is said;
                 none
    ca_file      PEM with the authorities to believe; "": the system's
    certificate  PEM with the certificate to show, and those above it; "": none
    key          PEM with its key; "": it stands beside the certificate
    """

    protocol: Protocol
    host: str
    port: int
    tls: Tls
    login: ClientLogin
    ca_file: str = ""
    certificate: str = ""
    key: str = ""

    @property
    def name(self) -> str:
        """As a URL, the same for the same account, whatever the port and TLS."""
        host = f"[{self.host}]" if ":" in self.host else self.host.lower()
        return f"{self.protocol}://{self.login.name}@{host}"

    @property
    def is_loopback(self) -> bool:
        """Nobody else can listen on the way, so a password may be said without TLS."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"


@dataclass(frozen=True, slots=True)
class Location:
    """What a URL says; None: it does not say it."""

    protocol: Protocol
    host: str
    port: int | None
    tls: Tls
    user: str


def parse_url(url: str) -> Location:
    """imap://user@host[:port] and the same with imaps, pop3, pop3s. Raises ValueError.

    The user's name may hold an "@" of its own; imap: and pop3: mean STARTTLS.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in _SCHEMES:
        raise ValueError("expected imap://, imaps://, pop3:// or pop3s://")
    protocol, tls = _SCHEMES[scheme.lower()]
    user, at, place = rest.removesuffix("/").rpartition("@")
    if not at or not user:
        raise ValueError("expected a user name, an @ and a host")
    if ":" in user:
        raise ValueError("a password does not belong there: it is asked for")
    host, port = _place(place)
    return Location(protocol, host, port, tls, unquote(user))


def _place(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise ValueError("expected [address]:port")
        port = port[1:]
    else:
        host, _, port = text.partition(":")
    if not host or "/" in host or any(character.isspace() for character in host):
        raise ValueError("expected a host name or an address")
    if not port:
        return host, None
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise ValueError(f"{port!r} is no port")
    return host, int(port)
