"""The directory: is this domain ours, who is that address, is the password right.

Promises: look-ups are answered from memory, which is emptied as soon as any process has changed
the file (`lag` seconds later at the latest), and cost microseconds on the event loop; changes are
durable when they return. Changes and sign-ins block or compute, so a server makes the former in
threads; `verify` does so itself.
"""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailsuite.accounts import names
from mailsuite.accounts.app_passwords import AppPasswords
from mailsuite.accounts.credentials import Credentials
from mailsuite.accounts.database import Database
from mailsuite.accounts.lost import Count, Lost
from mailsuite.accounts.passwords import Hasher
from mailsuite.accounts.rows import AccountRow, AliasRow, DomainRow
from mailsuite.accounts.sealed import Sealed
from mailsuite.base.errors import UserError
from mailsuite.sasl.scram import Hash, Verifier
from mailsuite.vault import Vault

if TYPE_CHECKING:
    from mailsuite.base.tasks import Threads

KEY_FILE = "secrets.key"
CACHED_LOOKUPS = 50_000
MAX_TARGETS = 1000  # of one alias
_USER = (
    "address, enabled, created, quota_storage, quota_messages, legacy IS NOT NULL,"
    " scram IS NOT NULL"
)


class Directory:
    """Domains, users and aliases in one SQLite file. Methods may be called from any thread."""

    def __init__(
        self,
        path: Path,
        threads: "Threads | None" = None,
        *,
        vault: Vault | None = None,
        hasher: Hasher | None = None,
        lag: float = 0.0,
    ) -> None:
        """Open or create `path`, whose folder exists. `threads` is needed for `verify` only.

        `lag`: seconds for which look-ups may not know what another process has changed; each
        look at the file costs a server that has many of them more than the look-up itself.
        `vault` seals what is kept of passwords; else one with the key file beside `path`. Raises
        DirectoryUnavailable (a UserError).
        """
        self._database = Database(path, lag=lag)
        sealed = Sealed(vault or Vault(path.with_name(KEY_FILE)))
        self.credentials = Credentials(self._database, threads, hasher or Hasher(), sealed)
        self.app_passwords = AppPasswords(self._database, sealed)
        self.decoy = sealed.decoy
        self._lost = Lost(self._database, sealed)
        self._lock = threading.Lock()
        self._state = -1
        self._domains: frozenset[str] = frozenset()
        self._all_have_verifiers = self._some_have_secrets = False
        self._found: dict[str, AccountRow | AliasRow | None] = {}

    @property
    def path(self) -> Path:
        """The file."""
        return self._database.path

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # -- look-ups: from memory, on the event loop -----------------------------------------------

    def is_local(self, domain: str) -> bool:
        """Whether mail for `domain` is ours to keep."""
        key = names.domain_key(domain)
        with self._lock:
            self._refresh()
            return key in self._domains

    @property
    def local_domains(self) -> frozenset[str]:
        """Our domains, in the form in which they are compared."""
        with self._lock:
            self._refresh()
            return frozenset(self._domains)

    def lookup(self, address: str) -> AccountRow | AliasRow | None:
        """The account or alias of exactly this address; no subaddress, no catch-all."""
        key = names.account_key(address)
        return None if key is None else self._lookup(key)

    def catch_all(self, domain: str) -> AliasRow | None:
        """Where mail for unknown addresses of `domain` goes, if anywhere."""
        key = names.domain_key(domain)
        found = None if key is None else self._lookup("@" + key)
        return found if isinstance(found, AliasRow) else None

    def _lookup(self, key: str) -> AccountRow | AliasRow | None:
        with self._lock:
            self._refresh()
            if key in self._found:
                return self._found[key]
            if len(self._found) >= CACHED_LOOKUPS:
                self._found.clear()
            row = self._find(key)
            self._found[key] = row
            return row

    def _refresh(self) -> None:
        """Forget what is remembered if the file has changed."""
        state = self._database.state()
        if state != self._state:
            # The state is read before the rows: a change in between costs one more refresh.
            self._found.clear()
            self._domains = frozenset(
                name for (name,) in self._database.read("SELECT name FROM domains")
            )
            self._all_have_verifiers, self._some_have_secrets = map(
                bool,
                self._database.read(
                    "SELECT NOT EXISTS (SELECT 1 FROM users WHERE enabled AND scram IS NULL),"
                    " EXISTS (SELECT 1 FROM users WHERE enabled AND legacy IS NOT NULL)"
                )[0],
            )
            self._all_have_verifiers &= not self._lost.some_verifiers()
            self._state = state

    def _find(self, key: str) -> AccountRow | AliasRow | None:
        for row in self._database.read(f"SELECT {_USER} FROM users WHERE address = ?", key):
            return _account(row)
        for row in self._database.read(
            "SELECT address, targets, created FROM aliases WHERE address = ?", key
        ):
            return _alias(row)
        return None

    # -- sign-in --------------------------------------------------------------------------------

    async def verify(self, name: str, password: str) -> str | None:
        """The account's address when `password` is right and the account enabled, else None.

        `name` is the full address, in any case. Unknown names cost what known ones do. Raises
        DirectoryUnavailable. A cancelled call returns when its computing thread has ended, so the
        number of checks at work stays bounded; waiting ones are as many as there are sessions.
        """
        return await self.credentials.verify(name, password)

    def check(self, name: str, password: str) -> str | None:
        """As `verify`, here and now: tens of milliseconds of computing."""
        return self.credentials.check(name, password)

    def enabled(self, name: str) -> str | None:
        """The address of the account `name`, if there is one that may sign in."""
        found = self.lookup(name)
        return found.address if isinstance(found, AccountRow) and found.enabled else None

    def verifier(self, name: str, hash: Hash) -> Verifier | None:
        """What SCRAM needs of an enabled account's password; None where there is none."""
        return self.credentials.verifier(name, hash)

    def secret(self, name: str) -> str | None:
        """The password of an enabled account that has opted in to CRAM-MD5 and APOP, else None.

        Raises DirectoryUnavailable where it can't be read any more.
        """
        return self.credentials.secret(name)

    def lost(self) -> Count:
        """How much the server's key does not open. Blocks. UserError: there is no usable key."""
        with self._lock:
            self._state = -1
            return self._lost.look()

    @property
    def all_have_verifiers(self) -> bool:
        """Every enabled account's password is known as SCRAM verifiers, of use as far as known."""
        with self._lock:
            self._refresh()
            return self._all_have_verifiers

    @property
    def some_have_secrets(self) -> bool:
        """Some enabled account has opted in to CRAM-MD5 and APOP."""
        with self._lock:
            self._refresh()
            return self._some_have_secrets

    def set_legacy(self, address: str, password: str | None) -> None:
        """Opt the account in to CRAM-MD5 and APOP: its password is kept so that it can be read.

        None: opt out, forget it. UserError: no such account, not its password.
        """
        self.credentials.set_legacy(self.require_user(address).address, password)

    # -- domains --------------------------------------------------------------------------------

    def domains(self) -> list[DomainRow]:
        """All domains, by name."""
        rows = self._database.read(
            "SELECT name, created,"
            " (SELECT count(*) FROM users WHERE domain = name),"
            " (SELECT count(*) FROM aliases WHERE domain = name)"
            " FROM domains ORDER BY name"
        )
        return [DomainRow(*row) for row in rows]

    def add_domain(self, name: str) -> DomainRow:
        """Take mail for `name` from now on. UserError: not a domain, or there already."""
        key = names.require_domain(name)
        created = time.time()
        with self._database.write() as connection:
            if _one(connection, "SELECT 1 FROM domains WHERE name = ?", key):
                raise UserError(f"domain exists already: {key}")
            connection.execute("INSERT INTO domains VALUES (?, ?)", (key, created))
        return DomainRow(key, created)

    def remove_domain(self, name: str, *, force: bool = False) -> list[str]:
        """Take no more mail for `name`; gives the accounts that went with it.

        UserError while it has users or aliases, unless `force`, which removes them as well. The
        mail of removed accounts stays on the disk.
        """
        key = names.require_domain(name)
        with self._database.write() as connection:
            _require_domain(connection, key)
            users = [
                address
                for (address,) in connection.execute(
                    "SELECT address FROM users WHERE domain = ? ORDER BY address", (key,)
                )
            ]
            aliases = _one(connection, "SELECT count(*) FROM aliases WHERE domain = ?", key)
            if (users or aliases) and not force:
                raise UserError(
                    f"domain {key} has {_count(len(users), 'user', 'users')} and "
                    f"{_count(int(aliases), 'alias', 'aliases')} "
                    f"(remove them as well: mailsuite domain remove --force {key})"
                )
            connection.execute("DELETE FROM users WHERE domain = ?", (key,))
            connection.executemany(
                "DELETE FROM app_passwords WHERE address = ?", [(user,) for user in users]
            )
            connection.execute("DELETE FROM aliases WHERE domain = ?", (key,))
            connection.execute("DELETE FROM domains WHERE name = ?", (key,))
        return users

    # -- users ----------------------------------------------------------------------------------

    def users(self, domain: str | None = None) -> list[AccountRow]:
        """All accounts, or those of one domain, by address."""
        sql = f"SELECT {_USER} FROM users{{}} ORDER BY domain, address"
        if domain is None:
            rows = self._database.read(sql.format(""))
        else:
            rows = self._database.read(
                sql.format(" WHERE domain = ?"), names.require_domain(domain)
            )
        return [_account(row) for row in rows]

    def add_user(self, address: str, password: str) -> AccountRow:
        """A new account. UserError: not an address, taken, no such domain, unfit password."""
        key = names.require_address(address)
        with self._database.write() as connection:  # mistakes are told before the hash is made
            self._require_free(connection, key)
        kept, scram = self.credentials.columns(key, password)
        created = time.time()
        with self._database.write() as connection:
            self._require_free(connection, key)
            connection.execute(
                "INSERT INTO users (address, domain, password, scram, enabled, created)"
                " VALUES (?, ?, ?, ?, 1, ?)",
                (key, _domain(key), kept, scram, created),
            )
        return AccountRow(key, True, created)

    def require_user(self, address: str) -> AccountRow:
        """The account, or a UserError that says there is none."""
        key = names.require_address(address)
        rows = self._database.read(f"SELECT {_USER} FROM users WHERE address = ?", key)
        if not rows:
            raise UserError(f"no such user: {key} (see: mailsuite user list)")
        return _account(rows[0])

    def require_free(self, address: str) -> str:
        """The address in the form an account would have; UserError where none could be made."""
        key = names.require_alias(address)
        with self._database.write() as connection:
            self._require_free(connection, key)
        return key

    def set_password(self, address: str, password: str) -> None:
        """Change the password; the old one is refused from this moment on."""
        self.credentials.set_password(self.require_user(address).address, password)

    def enable(self, address: str) -> None:
        """Let the account sign in again."""
        self._change_user(names.require_address(address), "enabled", 1)

    def disable(self, address: str) -> None:
        """Refuse sign-ins; mail for the account is still taken."""
        self._change_user(names.require_address(address), "enabled", 0)

    def set_quota(self, address: str, storage: int | None, messages: int | None) -> AccountRow:
        """Limit what the account may keep: octets and messages, as in `AccountRow`."""
        key = names.require_address(address)
        with self._database.write() as connection:
            connection.execute(
                "UPDATE users SET quota_storage = ?, quota_messages = ? WHERE address = ?",
                (storage, messages, key),
            )
        return self.require_user(key)

    def remove_user(self, address: str) -> None:
        """Remove the account; its mail stays on the disk."""
        key = names.require_address(address)
        with self._database.write() as connection:
            connection.execute("DELETE FROM users WHERE address = ?", (key,))
            if not connection.changes():
                raise UserError(f"no such user: {key} (see: mailsuite user list)")
            connection.execute("DELETE FROM app_passwords WHERE address = ?", (key,))

    def _change_user(self, key: str, column: str, value: object) -> None:
        with self._database.write() as connection:
            connection.execute(f"UPDATE users SET {column} = ? WHERE address = ?", (value, key))
            if not connection.changes():
                raise UserError(f"no such user: {key} (see: mailsuite user list)")

    @staticmethod
    def _require_free(connection: Any, key: str, *, alias_too: bool = True) -> None:
        _require_domain(connection, _domain(key))
        if _one(connection, "SELECT 1 FROM users WHERE address = ?", key):
            raise UserError(f"address exists already: {key} is a user")
        targets = _one(connection, "SELECT targets FROM aliases WHERE address = ?", key)
        if targets and alias_too:
            raise UserError(f"address exists already: {key} is an alias for {_listed(targets)}")

    # -- aliases --------------------------------------------------------------------------------

    def aliases(self, domain: str | None = None) -> list[AliasRow]:
        """All aliases, or those of one domain; a domain's catch-all comes first."""
        sql = "SELECT address, targets, created FROM aliases{} ORDER BY domain, address"
        if domain is None:
            rows = self._database.read(sql.format(""))
        else:
            rows = self._database.read(
                sql.format(" WHERE domain = ?"), names.require_domain(domain)
            )
        return [_alias(row) for row in rows]

    def add_alias(self, address: str, targets: Sequence[str], *, replace: bool = False) -> AliasRow:
        """Let `address` (or `@domain`, the catch-all) stand for `targets`, in any domain.

        UserError: not an address, no such domain of ours, taken by a user, or an alias already
        (unless `replace`).
        """
        key = names.require_alias(address)
        kept = tuple(dict.fromkeys(names.require_target(target) for target in targets))
        if not kept:
            raise UserError(f"alias {key} needs at least one target address")
        if len(kept) > MAX_TARGETS:
            raise UserError(f"alias {key} has more than {MAX_TARGETS} targets")
        if any(names.account_key(target) == key for target in kept):
            raise UserError(f"alias {key} would lead to itself")
        created = time.time()
        with self._database.write() as connection:
            self._require_free(connection, key, alias_too=not replace)
            connection.execute(
                "INSERT OR REPLACE INTO aliases (address, domain, targets, created)"
                " VALUES (?, ?, ?, ?)",
                (key, _domain(key), "\n".join(kept), created),
            )
        return AliasRow(key, kept, created)

    def remove_alias(self, address: str) -> None:
        """Remove the alias. UserError: there is none."""
        key = names.require_alias(address)
        with self._database.write() as connection:
            connection.execute("DELETE FROM aliases WHERE address = ?", (key,))
            if not connection.changes():
                raise UserError(f"no such alias: {key} (see: mailsuite alias list)")


def _account(row: tuple[Any, ...]) -> AccountRow:
    return AccountRow(row[0], bool(row[1]), row[2], row[3], row[4], bool(row[5]), bool(row[6]))


def _alias(row: tuple[Any, ...]) -> AliasRow:
    return AliasRow(row[0], tuple(row[1].split("\n")), row[2])


def _one(connection: Any, sql: str, key: str) -> Any:
    return connection.execute(sql, (key,)).get


def _domain(key: str) -> str:
    return key.rpartition("@")[2]


def _require_domain(connection: Any, key: str) -> None:
    if not _one(connection, "SELECT 1 FROM domains WHERE name = ?", key):
        raise UserError(f"no such domain: {key} (add it: mailsuite domain add {key})")


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _listed(targets: str) -> str:
    found = targets.split("\n")
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
