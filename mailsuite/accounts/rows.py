"""What the directory gives out: rows that only hold, and the error of a directory out of order."""

from dataclasses import dataclass

from mailsuite.base.errors import UserError


class DirectoryUnavailable(UserError):
    """The directory can't be read or written now (disk, permissions, lock).

    A door answers a temporary failure; the text is for the operator, never for a peer.
    """


@dataclass(frozen=True, slots=True)
class DomainRow:
    """One of our domains.

    name     lower case, A-labels (`xn--…`) where it is internationalised
    created  seconds since the epoch
    """

    name: str
    created: float
    users: int = 0
    aliases: int = 0


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A user's account. A disabled one can't sign in; mail for it is still taken and kept."""

    address: str
    enabled: bool
    created: float


@dataclass(frozen=True, slots=True)
class AliasRow:
    """An address that stands for others; `@domain` is the domain's catch-all."""

    address: str
    targets: tuple[str, ...]
    created: float
