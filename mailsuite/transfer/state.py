"""What has been brought over from where: so that an import can go on, or be run again.

One SQLite database for all accounts. It says what was seen, the Maildir says what is there: a row
is written after its message is durable, and a message that is there without its row is known again
by its delivery id. So the database may be deleted; then flags changed meanwhile aren't noticed, and
messages that their owner has removed come again.

Calls block; one thread at a time.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import apsw

from mailsuite.base.errors import UserError
from mailsuite.base.sqlite import transaction

BUSY = 10_000  # milliseconds
VERSION = 2
AT_ONCE = 5_000
Key: TypeAlias = int | str
"""What names a message in its folder over there: a UID, or a text."""

_SCHEMA = f"""
CREATE TABLE source(
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE(account, name)
);
CREATE TABLE folder(
    id INTEGER PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES source(id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    uidvalidity INTEGER NOT NULL,
    place TEXT NOT NULL DEFAULT '', -- the mailbox that it was brought to; '': not known
    UNIQUE(source, name, uidvalidity)
);
CREATE TABLE message(
    folder INTEGER NOT NULL,
    key NOT NULL,
    uidvalidity INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    flags TEXT NOT NULL,
    PRIMARY KEY(folder, key)
) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
"""

_FROM_1 = f"""
ALTER TABLE folder ADD COLUMN place TEXT NOT NULL DEFAULT '';
PRAGMA user_version = {VERSION};
"""


@dataclass(frozen=True, slots=True)
class Known:
    """A message that has been brought over: where it was put, and its flags over there then."""

    uidvalidity: int
    uid: int
    flags: frozenset[str]


class State:
    """See the module."""

    def __init__(self, path: Path) -> None:
        """Open it, or make it. Raises UserError when that can't be done."""
        try:
            self._db = apsw.Connection(str(path))
            self._db.set_busy_timeout(BUSY)
            self._db.pragma("journal_mode", "wal")
            self._db.pragma("synchronous", "normal")
            version = self._db.pragma("user_version")
            if version == 0:
                with transaction(self._db):
                    self._db.execute(_SCHEMA)
            elif version == 1:
                with transaction(self._db):
                    self._db.execute(_FROM_1)
            elif version != VERSION:
                raise UserError(f"{path} is of another version ({version}): remove it")
        except apsw.Error as error:
            raise UserError(f"{path} can't be used: {error} (it may be removed)") from error

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    def folder(self, account: str, source: str, name: str, uidvalidity: int) -> int:
        """The number of a folder over there, under this UIDVALIDITY (0: it has none)."""
        with transaction(self._db):
            self._db.execute(
                "INSERT OR IGNORE INTO source(account, name) VALUES(?, ?)", (account, source)
            )
            number = self._one(
                "SELECT id FROM source WHERE account = ? AND name = ?", (account, source)
            )
            values = (number, name, uidvalidity)
            self._db.execute(
                "INSERT OR IGNORE INTO folder(source, name, uidvalidity) VALUES(?, ?, ?)", values
            )
        return self._one(
            "SELECT id FROM folder WHERE source = ? AND name = ? AND uidvalidity = ?", values
        )

    def place(self, folder: int) -> str:
        """The mailbox that it was brought to; "" where that is not known."""
        row = self._db.execute("SELECT place FROM folder WHERE id = ?", (folder,)).fetchone()
        return "" if row is None else str(row[0])

    def placed(self, folder: int, place: str) -> None:
        """It is brought to this mailbox."""
        with transaction(self._db):
            self._db.execute("UPDATE folder SET place = ? WHERE id = ?", (place, folder))

    def anew(self, folder: int) -> bool:
        """It was known under another UIDVALIDITY, and nothing has come from it under this one."""
        sql = (
            "SELECT count(*) FROM folder AS f JOIN folder AS g ON g.source = f.source"
            " AND g.name = f.name AND g.id <> f.id WHERE f.id = ?"
        )
        return self._one(sql, (folder,)) > 0 and self.count(folder) == 0

    def _one(self, sql: str, values: tuple[object, ...]) -> int:
        row = self._db.execute(sql, values).fetchone()
        assert row is not None
        return int(row[0])

    def known(self, folder: int, keys: Sequence[Key]) -> dict[Key, Known]:
        """Those of these messages that have been brought over."""
        found: dict[Key, Known] = {}
        for start in range(0, len(keys), AT_ONCE):
            some = json.dumps(list(keys[start : start + AT_ONCE]))
            rows = self._db.execute(
                "SELECT m.key, m.uidvalidity, m.uid, m.flags FROM json_each(?) AS j"
                " CROSS JOIN message AS m ON m.folder = ? AND m.key = j.value",
                (some, folder),
            )
            for key, uidvalidity, uid, flags in rows:
                found[key] = Known(uidvalidity, uid, frozenset(flags.split()))
        return found

    def record(self, folder: int, rows: Iterable[tuple[Key, Known]]) -> None:
        """These have been brought over, or have other flags now."""
        with transaction(self._db):
            self._db.executemany(
                "INSERT OR REPLACE INTO message VALUES(?, ?, ?, ?, ?)",
                (
                    (folder, key, one.uidvalidity, one.uid, " ".join(sorted(one.flags)))
                    for key, one in rows
                ),
            )

    def count(self, folder: int) -> int:
        """How many have been brought over from there."""
        return self._one("SELECT count(*) FROM message WHERE folder = ?", (folder,))

    def uids(self, folder: int) -> array[int]:
        """Their UIDs over there, ascending; of a folder whose keys are UIDs."""
        rows = self._db.execute("SELECT key FROM message WHERE folder = ? ORDER BY key", (folder,))
        return array("I", (row[0] for row in rows))

    def keys(self, folder: int) -> Iterator[Key]:
        """Their keys."""
        sql = "SELECT key FROM message WHERE folder = ? ORDER BY key"
        for row in self._db.execute(sql, (folder,)):
            yield row[0]

    def forget(self, folder: int, keys: Iterable[Key]) -> None:
        """These are gone over there, and have been removed here."""
        with transaction(self._db):
            self._db.executemany(
                "DELETE FROM message WHERE folder = ? AND key = ?", ((folder, key) for key in keys)
            )
