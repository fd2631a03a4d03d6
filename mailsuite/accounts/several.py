"""Several directories as one: the built-in one first, then those that mirror others.

Promises: an address in a domain whose list can't be read now is never said to be nobody's: that
raises DirectoryUnavailable, and the doors answer with a temporary failure. Aliases, catch-alls, app
passwords and what CRAM-MD5 needs are kept in the built-in directory, for accounts of any.
"""

from collections.abc import Sequence

from mailsuite.accounts import names
from mailsuite.accounts.app_passwords import AppPasswords
from mailsuite.accounts.directory import Directory
from mailsuite.accounts.mirror import Mirror
from mailsuite.accounts.rows import AccountRow, AliasRow, DirectoryUnavailable, DomainRow
from mailsuite.sasl.scram import Hash, Verifier


class Directories:
    """What `Directory` is to the doors and the router, over several."""

    def __init__(self, own: Directory, others: Sequence[Mirror] = ()) -> None:
        self.own = own
        self._others = tuple(others)

    # -- look-ups -------------------------------------------------------------------------------

    def is_local(self, domain: str) -> bool:
        """Whether mail for `domain` is ours to keep."""
        return self.own.is_local(domain) or bool(self._serving(names.domain_key(domain)))

    def lookup(self, address: str) -> AccountRow | AliasRow | None:
        """The account or alias of exactly this address. Raises DirectoryUnavailable."""
        found = self.own.lookup(address)
        key = names.account_key(address)
        if found is not None or key is None:
            return found
        serving = self._serving(key.rpartition("@")[2])
        for other in serving:
            row = other.find(key)
            if row is not None:
                return row
        for other in serving:
            if not other.reliable:
                raise DirectoryUnavailable(f"{other.name}: the list of accounts is not known now")
        return None

    def catch_all(self, domain: str) -> AliasRow | None:
        """Where mail for unknown addresses of `domain` goes, if anywhere."""
        return self.own.catch_all(domain)

    def domains(self) -> list[DomainRow]:
        """All domains, by name."""
        found = {row.name: row for row in self.own.domains()}
        for other in self._others:
            for name in other.domains:
                found.setdefault(name, DomainRow(name, 0.0))
        return [found[name] for name in sorted(found)]

    def users(self, domain: str | None = None) -> list[AccountRow]:
        """All accounts, or those of one domain; the built-in directory's first."""
        found = {row.address: row for row in self.own.users(domain)}
        key = None if domain is None else names.require_domain(domain)
        for other in self._others:
            for row in other.users():
                if key in (None, row.address.rpartition("@")[2]):
                    found.setdefault(row.address, row)
        return list(found.values())

    def _serving(self, domain: str | None) -> list[Mirror]:
        return [other for other in self._others if domain in other.domains]

    # -- sign-in --------------------------------------------------------------------------------

    @property
    def local_domains(self) -> frozenset[str]:
        """All our domains."""
        return self.own.local_domains.union(*(other.domains for other in self._others))

    def enabled(self, name: str) -> str | None:
        """The address of the account `name`, if there is one that may sign in."""
        found = self.lookup(name)
        return found.address if isinstance(found, AccountRow) and found.enabled else None

    async def verify(self, name: str, password: str) -> str | None:
        """The account's address when `password` is right and the account enabled, else None.

        Raises DirectoryUnavailable.
        """
        key = names.account_key(name) or ""
        serving = self._serving(key.rpartition("@")[2])
        if not serving or self.own.lookup(name) is not None:
            return await self.own.verify(name, password)
        for other in serving:
            if other.find(key) is not None:
                return key if await other.verify(key, password) else None
        self.lookup(name)  # raises where nobody can say that there is no such account
        for other in serving:
            await other.verify(key, password)  # takes as long as for one that is there
        return None

    @property
    def all_have_verifiers(self) -> bool:
        """Every enabled account's password is known as SCRAM verifiers: never those elsewhere."""
        return not self._others and self.own.all_have_verifiers

    @property
    def some_have_secrets(self) -> bool:
        """Some enabled account has opted in to CRAM-MD5 and APOP."""
        return self.own.some_have_secrets

    @property
    def app_passwords(self) -> AppPasswords:
        """App passwords, for accounts of any directory."""
        return self.own.app_passwords

    def verifier(self, name: str, hash: Hash) -> Verifier | None:
        """See `Directory.verifier`."""
        return self.own.verifier(name, hash)

    def decoy(self, key: str, hash: Hash) -> Verifier:
        """See `Sealed.decoy`."""
        return self.own.decoy(key, hash)

    def secret(self, name: str) -> str | None:
        """See `Directory.secret`."""
        return self.own.secret(name)

    # -- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Read the lists of the others."""
        for other in self._others:
            await other.start()

    async def stop(self) -> None:
        """Read them no more."""
        for other in self._others:
            await other.close()
