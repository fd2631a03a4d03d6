"""What an account of the built-in directory signs in with, and whether it is right.

Promises: a check costs the same whether the account exists or not; a change of the password is in
force at once in every process; what is missing of SCRAM verifiers is filled in when the password is
next seen. Checks compute: `verify` runs them in threads, a bounded number at once.
"""

import asyncio
import os
import time
from typing import TYPE_CHECKING

from mailsuite.accounts import names
from mailsuite.accounts.database import Database
from mailsuite.accounts.passwords import MAX_PASSWORD, Hasher, Remembered, prepare, require
from mailsuite.accounts.rows import DirectoryUnavailable
from mailsuite.accounts.sealed import Sealed
from mailsuite.base.errors import UserError
from mailsuite.sasl.scram import Hash, Verifier
from mailsuite.vault import Unreadable

if TYPE_CHECKING:
    from mailsuite.base.tasks import Threads


class Credentials:
    """Of all accounts in one file. Methods may be called from any thread, `verify` on the loop."""

    def __init__(
        self, database: Database, threads: "Threads | None", hasher: Hasher, sealed: Sealed
    ) -> None:
        """`threads` is needed for `verify` only."""
        self._database = database
        self._threads = threads
        self._hasher = hasher
        self._sealed = sealed
        self._remembered = Remembered()
        self._checks = asyncio.Semaphore(max(1, min(4, os.cpu_count() or 1)))

    # -- checking -------------------------------------------------------------------------------

    async def verify(self, name: str, password: str) -> str | None:
        """See `Directory.verify`."""
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
        key, kept, enabled, scram = self._row(name)
        octets = prepare(password[:MAX_PASSWORD])
        fits = self._hasher.check(kept, octets)
        if not fits or kept is None or len(password) > MAX_PASSWORD or not enabled:
            return None
        self._remembered.add(key, kept, octets, time.monotonic())
        if self._hasher.is_dated(kept):
            self._fill(key, kept, "password", self._hasher.make(octets))
        elif scram is None or (scram and self._sealed.is_unusable(key, scram)):
            self._fill(key, kept, "scram", self._sealed.verifiers(key, password))
        return key

    def _recall(self, name: str, password: str) -> str | None:
        """The address, if the same check succeeded a short while ago and nothing changed since."""
        key, kept, enabled, _ = self._row(name)
        if kept is None or not enabled or len(password) > MAX_PASSWORD:
            return None
        known = self._remembered.has(key, kept, prepare(password), time.monotonic())
        return key if known else None

    def _row(self, name: str) -> tuple[str, str | None, bool, bytes | None]:
        """Address, kept hash (None: no such account), whether it is enabled, and verifiers."""
        key = names.account_key(name) or ""
        rows = self._database.read(
            "SELECT password, enabled, scram FROM users WHERE address = ?", key
        )
        for kept, enabled, scram in rows:
            return key, kept, bool(enabled), scram
        return key, None, False, None

    def _fill(self, key: str, kept: str, column: str, value: object) -> None:
        """Keep today's form of what is kept, unless the password was changed meanwhile."""
        try:
            with self._database.write() as connection:
                connection.execute(
                    f"UPDATE users SET {column} = ? WHERE address = ? AND password = ?",
                    (value, key, kept),
                )
        except DirectoryUnavailable as error:
            from mailsuite.base.log import get_logger

            # The sign-in itself was right; the next one tries again.
            get_logger("accounts").warning(
                "password not kept in today's form", account=key, why=str(error)
            )

    # -- what challenge-response mechanisms need ------------------------------------------------

    def verifier(self, name: str, hash: Hash) -> Verifier | None:
        """Of an enabled account's password; None where there is none."""
        key, _, enabled, scram = self._row(name)
        return self._sealed.open_verifier(key, scram, hash) if enabled else None

    def secret(self, name: str) -> str | None:
        """The password of an enabled account that has opted in; None for every other name.

        Raises DirectoryUnavailable where it can't be read any more.
        """
        key = names.account_key(name) or ""
        rows = self._database.read(
            "SELECT legacy FROM users WHERE address = ? AND enabled AND legacy IS NOT NULL", key
        )
        if not rows:
            return None
        try:
            return self._sealed.open_secret(key, rows[0][0])
        except Unreadable as error:
            raise DirectoryUnavailable(str(error)) from error

    # -- setting --------------------------------------------------------------------------------

    def columns(self, key: str, password: str) -> tuple[str, bytes]:
        """Hash and sealed verifiers of a new password. Raises UserError for an unfit one."""
        return self._hasher.make(require(password)), self._sealed.verifiers(key, password)

    def set_password(self, key: str, password: str) -> None:
        """Change it in all its forms. `key` is an account's address."""
        hashed, scram = self.columns(key, password)
        legacy = self._sealed.secret(key, password)
        self._update(
            "password = ?, scram = ?, legacy = CASE WHEN legacy IS NULL THEN NULL ELSE ? END",
            (hashed, scram, legacy, key),
        )

    def set_legacy(self, key: str, password: str | None) -> None:
        """Keep the password so that it can be read, or (None) forget it.

        UserError: the password is not the account's, or there is no such account.
        """
        if password is None:
            self._update("legacy = NULL", (key,))
            return
        kept = self._row(key)[1]
        if kept is None or not self._hasher.check(kept, prepare(password[:MAX_PASSWORD])):
            raise UserError(f"that is not the password of {key}")
        with self._database.write() as connection:
            connection.execute(
                "UPDATE users SET legacy = ? WHERE address = ? AND password = ?",
                (self._sealed.secret(key, password), key, kept),
            )
            if not connection.changes():
                raise UserError(f"the password of {key} has just been changed; try again")

    def _update(self, columns: str, arguments: tuple[object, ...]) -> None:
        with self._database.write() as connection:
            connection.execute(f"UPDATE users SET {columns} WHERE address = ?", arguments)
            if not connection.changes():
                raise UserError(f"no such user: {arguments[-1]} (see: mailsuite user list)")
