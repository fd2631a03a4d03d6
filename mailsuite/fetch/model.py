"""Pure. The values of fetching: a remote account with its settings, and how it fares."""

from __future__ import annotations

from dataclasses import dataclass

from mailsuite.remote.endpoint import Endpoint, Protocol, Tls
from mailsuite.sasl import ClientLogin

KEEP = -1
"""`leave`: messages stay at the source for ever."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A remote account whose mail comes into the local account `account`.

    folder    of IMAP
    leave     how many days a message stays at the source after it was fetched; 0: it goes at once
    interval  seconds between two visits
    idle      stay connected and be told of new mail, where the server can (IMAP IDLE)
    skip      what is there at the first visit is not fetched
    method    what it is signed in to with: one of `remote.KINDS`
    sealed    that secret, by the vault
    certificate, key  files of a certificate that is shown there, or ""
    """

    id: int
    account: str
    protocol: Protocol
    host: str
    port: int
    tls: Tls
    ca_file: str
    user: str
    folder: str
    leave: int
    interval: float
    idle: bool
    skip: bool
    sealed: bytes
    method: str = "password"
    certificate: str = ""
    key: str = ""

    @property
    def endpoint(self) -> Endpoint:
        """How it is reached, with a name only to sign in."""
        return Endpoint(
            self.protocol,
            self.host,
            self.port,
            self.tls,
            ClientLogin(self.user),
            self.ca_file,
            self.certificate,
            self.key,
        )

    @property
    def about(self) -> str:
        """What the vault binds the secret to."""
        return about(self.protocol, self.user, self.host)


def about(protocol: str, user: str, host: str) -> str:
    """The same, before there is a Remote."""
    return f"fetch {protocol}://{user}@{host}"


@dataclass(frozen=True, slots=True)
class Fares:
    """How a remote account fares. Times in seconds since the epoch, 0: never.

    fetched   messages in all
    failures  visits in a row that failed, and `error` of the last one, "" when none did
    trouble   what the last good visit left at the source, and why; ""
    """

    visited: float = 0.0
    good: float = 0.0
    next: float = 0.0
    fetched: int = 0
    failures: int = 0
    error: str = ""
    trouble: str = ""
