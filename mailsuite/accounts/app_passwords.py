"""App passwords: one for each program or device, made by us, shown once, revocable alone.

Promises: a revoked one is refused from that moment on in every process; only a keyed digest is kept
of each (and its SCRAM verifiers, sealed). They are 100 random bits, so nobody guesses them.
"""

import hmac
import secrets
import time
from collections.abc import Iterable
from typing import Any

from mailsuite.accounts.database import Database
from mailsuite.accounts.rows import DOORS, AppPasswordRow
from mailsuite.accounts.sealed import Sealed
from mailsuite.base.errors import UserError
from mailsuite.sasl.scram import Hash, Verifier

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # nothing that looks like something else
_GROUPS, _LETTERS = 4, 5
MAX_NAME = 80
MAX_PER_ACCOUNT = 100
NOTED_EVERY = 60.0  # seconds
_COLUMNS = "id, address, name, doors, created, used, used_from, used_by"


class AppPasswords:
    """Those in one directory's file. Methods may be called from any thread."""

    def __init__(self, database: Database, sealed: Sealed) -> None:
        self._database = database
        self._sealed = sealed
        self._noted: dict[int, float] = {}

    def add(self, key: str, name: str, doors: Iterable[str] = ()) -> tuple[AppPasswordRow, str]:
        """A new one, and the password itself, which nobody can get at again.

        No `doors`: good for all. UserError: a name that is taken or can't be, an unknown door.
        """
        name = name.strip()
        if not name or len(name) > MAX_NAME or not name.isprintable():
            raise UserError(f"an app password needs a name of up to {MAX_NAME} characters")
        chosen = set(doors)
        if unknown := chosen.difference(DOORS):
            raise UserError(f"no such scope: {', '.join(sorted(unknown))} (of: {', '.join(DOORS)})")
        kept = ",".join(door for door in DOORS if door in chosen)
        password = "-".join(
            "".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS)) for _ in range(_GROUPS)
        )
        verifiers, created = self._sealed.verifiers(key, password), time.time()
        with self._database.write() as connection:
            names = [row[0] for row in connection.execute(
                "SELECT name FROM app_passwords WHERE address = ?", (key,)
            )]  # fmt: skip
            if name in names:
                raise UserError(f"{key} has an app password of this name already: {name}")
            if len(names) >= MAX_PER_ACCOUNT:
                raise UserError(f"{key} has {MAX_PER_ACCOUNT} app passwords; revoke one first")
            connection.execute(
                "INSERT INTO app_passwords (address, name, doors, digest, scram, created)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (key, name, kept, self._sealed.digest(password), verifiers, created),
            )
            number = connection.last_insert_rowid()
        return AppPasswordRow(number, key, name, _doors(kept), created), password

    def of(self, key: str | None = None) -> list[AppPasswordRow]:
        """Those of one account, or all, by address and age."""
        sql = f"SELECT {_COLUMNS} FROM app_passwords{{}} ORDER BY address, id"
        if key is None:
            return [_row(row) for row in self._database.read(sql.format(""))]
        return [_row(row) for row in self._database.read(sql.format(" WHERE address = ?"), key)]

    def revoke(self, key: str, name: str) -> None:
        """Refuse it from now on. UserError: there is none of this name."""
        with self._database.write() as connection:
            connection.execute(
                "DELETE FROM app_passwords WHERE address = ? AND name = ?", (key, name)
            )
            if not connection.changes():
                raise UserError(f"{key} has no app password named {name}")

    def find(self, key: str, password: str) -> AppPasswordRow | None:
        """The one that this is, for whatever door. Microseconds."""
        digest = self._sealed.digest(password)
        found = None
        for *row, kept in self._database.read(
            f"SELECT {_COLUMNS}, digest FROM app_passwords WHERE address = ?", key
        ):
            if hmac.compare_digest(kept, digest):
                found = _row(tuple(row))
        return found

    def verifiers(self, key: str, hash: Hash, door: str) -> list[tuple[AppPasswordRow, Verifier]]:
        """Of those that are good for `door`."""
        found = []
        for *columns, sealed in self._database.read(
            f"SELECT {_COLUMNS}, scram FROM app_passwords WHERE address = ?", key
        ):
            row = _row(tuple(columns))
            verifier = self._sealed.open_verifier(key, sealed, hash)
            if door in row.doors and verifier is not None:
                found.append((row, verifier))
        return found

    def should_note(self, row: AppPasswordRow, now: float) -> bool:
        """Whether its use is to be written down now (seconds since the epoch)."""
        return now - max(row.used or 0.0, self._noted.get(row.id, 0.0)) >= NOTED_EVERY

    def note(self, row: AppPasswordRow, peer: str, door: str, now: float) -> None:
        """Write down that it was used. Blocks on the disk."""
        if len(self._noted) > 10_000:
            self._noted.clear()
        self._noted[row.id] = now
        with self._database.write() as connection:
            connection.execute(
                "UPDATE app_passwords SET used = ?, used_from = ?, used_by = ? WHERE id = ?",
                (now, peer, door, row.id),
            )


def _doors(kept: str) -> tuple[str, ...]:
    return tuple(kept.split(",")) if kept else DOORS


def _row(row: tuple[Any, ...]) -> AppPasswordRow:
    number, address, name, doors, *rest = row
    return AppPasswordRow(number, address, name, _doors(doors), *rest)
