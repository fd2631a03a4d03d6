"""Pure. Where an address leads: a local mailbox, other addresses, another host, or nowhere."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A local account; `detail` is the subaddress (RFC 5233), "shop" in alice+shop@, or ""."""

    account: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Alias:
    """Other addresses, local or remote, each to be routed in its turn."""

    name: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remote:
    """A domain that is not ours."""

    domain: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """One of our domains, but nobody there by that name."""

    address: str


Route: TypeAlias = Mailbox | Alias | Remote | Unknown
