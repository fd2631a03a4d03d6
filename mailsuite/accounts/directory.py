"""The directory: is this domain ours, who is that address, is the password right.

Promises: look-ups are answered from memory, which is emptied as soon as any process has changed
the file, and cost microseconds on the event loop; changes are durable when they return. Changes
and sign-ins block or compute, so a server makes the former in threads; `verify` does so itself.
"""

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailsuite.accounts import names
from mailsuite.accounts.database import Database
from mailsuite.accounts.passwords import MAX_PASSWORD, Hasher, Remembered, prepare, require
from mailsuite.accounts.rows import AccountRow, AliasRow, DirectoryUnavailable, DomainRow
from mailsuite.base.errors import UserError

if TYPE_CHECKING:
    from mailsuite.base.tasks import Threads

CACHED_LOOKUPS = 50_000
MAX_TARGETS = 1000  # of one alias
_USER = "address, enabled, created, quota_storage, quota_messages"


class Directory:
    """Domains, users and aliases in one SQLite file. Methods may be called from any thread."""

    def __init__(
        self, path: Path, threads: "Threads | None" = None, *, hasher: Hasher | None = None
    ) -> None:
        """Open or create `path`, whose folder exists. `threads` is needed for `verify` only.

        Raises DirectoryUnavailable (a UserError).
        """
        self._database = Database(path)
        self._threads = threads
        self._hasher = hasher or Hasher()
        self._remembered = Remembered()
        self._checks = asyncio.Semaphore(max(1, min(4, os.cpu_count() or 1)))
        self._lock = threading.Lock()
        self._state = -1
        self._domains: frozenset[str] = frozenset()
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
        from mailsuite.base.tasks import committed

        if self._threads is None:
            raise RuntimeError("this Directory was opened without threads")
        address = self._recall(name, password)
        if address is not None:
            return address
        async with self._checks:
            # Another connection of the same client may have done the work meanwhile.
            address = self._recall(name, password)
            if address is not None:
                return address
            return await committed(self._threads.run(self.check, name, password))

    def check(self, name: str, password: str) -> str | None:
        """As `verify`, here and now: tens of milliseconds of computing."""
        key, kept, enabled = self._secret(name)
        octets = prepare(password[:MAX_PASSWORD])
        fits = self._hasher.check(kept, octets)
        if not fits or kept is None or len(password) > MAX_PASSWORD or not enabled:
            return None
        self._remembered.add(key, kept, octets, time.monotonic())
        if self._hasher.is_dated(kept):
            self._rehash(key, kept, octets)
        return key

    def _recall(self, name: str, password: str) -> str | None:
        """The address, if the same check succeeded a short while ago and nothing changed since."""
        key, kept, enabled = self._secret(name)
        if kept is None or not enabled or len(password) > MAX_PASSWORD:
            return None
        known = self._remembered.has(key, kept, prepare(password), time.monotonic())
        return key if known else None

    def _secret(self, name: str) -> tuple[str, str | None, bool]:
        """Address, kept hash (None: no such account) and whether the account is enabled."""
        key = names.account_key(name) or ""
        rows = self._database.read("SELECT password, enabled FROM users WHERE address = ?", key)
        return (key, rows[0][0], bool(rows[0][1])) if rows else (key, None, False)

    def _rehash(self, key: str, kept: str, octets: bytes) -> None:
        """Keep the password under today's parameters, unless it was changed meanwhile."""
        fresh = self._hasher.make(octets)
        try:
            with self._database.write() as connection:
                connection.execute(
                    "UPDATE users SET password = ? WHERE address = ? AND password = ?",
                    (fresh, key, kept),
                )
        except DirectoryUnavailable as error:
            from mailsuite.base.log import get_logger

            # The sign-in itself was right; the next one tries again.
            get_logger("accounts").warning("password not rehashed", account=key, why=str(error))

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
        kept = self._hasher.make(require(password))
        created = time.time()
        with self._database.write() as connection:
            self._require_free(connection, key)
            connection.execute(
                "INSERT INTO users (address, domain, password, enabled, created)"
                " VALUES (?, ?, ?, 1, ?)",
                (key, _domain(key), kept, created),
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
        key = self.require_user(address).address
        self._change_user(key, "password", self._hasher.make(require(password)))

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
    return AccountRow(row[0], bool(row[1]), *row[2:])


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
