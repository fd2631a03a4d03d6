"""Accounts in an LDAP directory (RFC 4511): found by a search, signed in by a bind.

Promises: every operation is in a thread, one of few, and ends within a time; an empty password is
never sent, since a server takes that for an anonymous bind that succeeds (RFC 4513 §5.1.2). Never
writes to the directory. Needs the library bonsai (`pip install 'mailsuite[ldap]'`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailsuite.accounts import names
from mailsuite.accounts.mirror import Entry, Mirror
from mailsuite.accounts.passwords import MAX_PASSWORD
from mailsuite.accounts.rows import AccountRow, DirectoryUnavailable
from mailsuite.base.errors import UserError
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Threads

if TYPE_CHECKING:
    from bonsai import LDAPClient

log = get_logger("accounts")
PAGE = 500  # entries
MAX_ENTRIES = 1_000_000
# Result codes (RFC 4511 appendix A.1) of a bind that say no, beside invalidCredentials (49):
# inappropriateAuthentication (no password is set), insufficientAccessRights, unwillingToPerform.
_NO = (48, 50, 53)
_NOBODY = "cn=nobody,cn=mailsuite"


@dataclass(frozen=True, slots=True)
class LdapSettings:
    """Where the directory is and how accounts are found.

    url       ldap:// or ldaps:// with host and port
    starttls  TLS on ldap://
    ca        authorities to trust, instead of the system's
    user      who searches; "" for an anonymous search
    filter    of the entries that are accounts
    address   attribute with the account's address
    timeout   seconds, of each operation
    refresh   seconds between two searches
    """

    url: str
    base: str
    starttls: bool = False
    ca: Path | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    filter: str = "(mail=*)"
    address: str = "mail"
    timeout: float = 5.0
    refresh: float = 60.0


class Ldap(Mirror):
    """The accounts of one directory. `threads` bound the connections at once."""

    def __init__(self, settings: LdapSettings, domains: Sequence[str], threads: Threads) -> None:
        """Raises UserError where the library is not there."""
        try:
            import bonsai
        except ImportError as error:
            raise UserError(
                "ldap: the library bonsai is missing (pip install 'mailsuite[ldap]')"
            ) from error
        super().__init__(settings.url, domains, threads, interval=settings.refresh)
        self._bonsai = bonsai
        self._settings = settings

    def _client(self, user: str, password: str) -> "LDAPClient":
        settings = self._settings
        client = self._bonsai.LDAPClient(settings.url, settings.starttls)
        client.set_cert_policy("demand")
        if settings.ca is not None:
            client.set_ca_cert(str(settings.ca))
        client.set_ignore_referrals(True)
        client.set_auto_page_acquire(True)
        if user:
            client.set_credentials("SIMPLE", user=user, password=password)
        return client

    # -- checking -------------------------------------------------------------------------------

    async def _verify(self, secret: str | None, password: str) -> bool:
        if not password or len(password) > MAX_PASSWORD or "\0" in password:
            return False
        # For a name that is not there a bind as well, so that it takes as long.
        return await self._threads.run(self._bind, secret or _NOBODY, password)

    def _bind(self, name: str, password: str) -> bool:
        try:
            self._client(name, password).connect(timeout=self._settings.timeout).close()
        except self._bonsai.AuthenticationError:
            return False
        except self._bonsai.LDAPError as error:
            if name == _NOBODY or error.code in _NO:
                return False
            raise DirectoryUnavailable(f"{self._settings.url}: {error}") from error
        return name != _NOBODY

    # -- searching ------------------------------------------------------------------------------

    def _read(self) -> Mapping[str, Entry]:
        settings = self._settings
        found: dict[str, Entry] = {}
        try:
            client = self._client(settings.user, settings.password)
            with client.connect(timeout=settings.timeout) as connection:
                results = connection.paged_search(
                    settings.base,
                    self._bonsai.LDAPSearchScope.SUBTREE,
                    settings.filter,
                    [settings.address],
                    timeout=settings.timeout,
                    page_size=PAGE,
                )
                for count, entry in enumerate(results):
                    if count >= MAX_ENTRIES:
                        raise UserError(f"{settings.url}: more than {MAX_ENTRIES} entries")
                    self._take(entry, found)
        except self._bonsai.LDAPError as error:
            raise UserError(f"{settings.url}: {error}") from error
        return found

    def _take(self, entry: Any, found: dict[str, Entry]) -> None:
        values = [str(value) for value in entry.get(self._settings.address, [])]
        keys = [key for key in map(names.account_key, values) if key is not None]
        ours = [key for key in keys if key.rpartition("@")[2] in self.domains]
        if not ours:
            return
        if len(ours) > 1 or ours[0] in found:
            # Which one it is must not change with the order in which a server tells them.
            log.warning("not one address, left out", source=self.name, entry=str(entry.dn))
            return
        found[ours[0]] = Entry(AccountRow(ours[0], True, 0.0), str(entry.dn))
