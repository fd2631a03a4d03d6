"""What the directory gives out: rows that only hold, and the error of a directory out of order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

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


NO_LIMIT = -1
"""A quota that allows everything, whatever the settings' default is."""


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A user's account. A disabled one can't sign in; mail for it is still taken and kept.

    quota_storage   octets that the account may keep; NO_LIMIT, or None for the settings' default
    quota_messages  messages, likewise
    legacy          it may sign in by CRAM-MD5 and APOP
    scram           and by SCRAM: its password was set or used since there is SCRAM here
    """

    address: str
    enabled: bool
    created: float
    quota_storage: int | None = None
    quota_messages: int | None = None
    legacy: bool = False
    scram: bool = False

    def limits(self, storage: int | None, messages: int | None) -> tuple[int | None, int | None]:
        """The limits in force, given the settings' defaults; None: none."""
        own = (self.quota_storage, self.quota_messages)
        both = zip(own, (storage, messages), strict=True)
        chosen = [default if mine is None else mine for mine, default in both]
        first, second = (None if limit is None or limit < 0 else limit for limit in chosen)
        return first, second


@dataclass(frozen=True, slots=True)
class AliasRow:
    """An address that stands for others; `@domain` is the domain's catch-all."""

    address: str
    targets: tuple[str, ...]
    created: float


DOORS = ("imap", "pop3", "smtp")
"""What an app password may be good for; smtp is the submission of mail."""


@dataclass(frozen=True, slots=True)
class AppPasswordRow:
    """A password of its own for one program or device.

    doors      what it is good for, of DOORS
    created    seconds since the epoch, as all times here
    used       last sign-in with it; None: never (written down once a minute at most)
    used_from  from this network address
    used_by    at this door
    """

    id: int
    address: str
    name: str
    doors: tuple[str, ...]
    created: float
    used: float | None = None
    used_from: str | None = None
    used_by: str | None = None


class Lookups(Protocol):
    """Who has an account: `Directory`, or `several.Directories`.

    All are answered from memory. Each may raise DirectoryUnavailable.
    """

    def is_local(self, domain: str) -> bool: ...
    def lookup(self, address: str) -> AccountRow | AliasRow | None: ...
    def catch_all(self, domain: str) -> AliasRow | None: ...
    def domains(self) -> Sequence[DomainRow]: ...
    def users(self, domain: str | None = None) -> Sequence[AccountRow]: ...
