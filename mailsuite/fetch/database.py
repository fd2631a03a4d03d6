"""Which accounts are fetched, what of them has been, and how they fare. SQLite.

Promises: what was noted survives a power cut (synchronous=FULL). Calls block; one thread at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import apsw

from mailsuite.base.errors import UserError
from mailsuite.base.private import make_private
from mailsuite.base.sqlite import transaction
from mailsuite.fetch.model import Fares, Remote

BUSY = 10_000  # milliseconds
VERSION = 4
AT_ONCE = 5_000
MAX_REMOTES = 10_000

_LEFT = """
-- What could not be fetched and is at the source still, with its octets (0: it was not given).
CREATE TABLE left_there(
    remote INTEGER NOT NULL REFERENCES remote(id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY(remote, key)
) WITHOUT ROWID;
"""
_SCHEMA = f"""
CREATE TABLE remote(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    protocol TEXT NOT NULL,
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    tls TEXT NOT NULL,
    ca_file TEXT NOT NULL,
    user TEXT NOT NULL,
    folder TEXT NOT NULL,
    leave INTEGER NOT NULL,
    interval REAL NOT NULL,
    idle INTEGER NOT NULL,
    skip INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    method TEXT NOT NULL,
    certificate TEXT NOT NULL,
    key TEXT NOT NULL
);
CREATE TABLE fares(
    id INTEGER PRIMARY KEY REFERENCES remote(id) ON DELETE CASCADE,
    visited REAL NOT NULL DEFAULT 0,
    good REAL NOT NULL DEFAULT 0,
    next REAL NOT NULL DEFAULT 0,
    fetched INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    trouble TEXT NOT NULL DEFAULT '',
    uidvalidity INTEGER NOT NULL DEFAULT 0,
    high INTEGER NOT NULL DEFAULT 0,   -- every UID up to here has been seen to
    begun INTEGER NOT NULL DEFAULT 0   -- there has been a whole visit
);
-- What has been fetched and is at the source still: by POP3's unique ids, or IMAP's UIDs that are
-- to be deleted one day.
CREATE TABLE seen(
    remote INTEGER NOT NULL REFERENCES remote(id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    at REAL NOT NULL,
    digest TEXT NOT NULL DEFAULT '',   -- of a message's octets, by POP3; '': not known
    PRIMARY KEY(remote, key)
) WITHOUT ROWID;
{_LEFT}
PRAGMA user_version = {VERSION};
"""
_FROM_1 = """
ALTER TABLE remote ADD COLUMN method TEXT NOT NULL DEFAULT 'password';
ALTER TABLE remote ADD COLUMN certificate TEXT NOT NULL DEFAULT '';
ALTER TABLE remote ADD COLUMN key TEXT NOT NULL DEFAULT '';
"""
_FROM_3 = f"""
ALTER TABLE seen ADD COLUMN digest TEXT NOT NULL DEFAULT '';
PRAGMA user_version = {VERSION};
"""
_TO_NOW = {0: _SCHEMA, 1: _FROM_1 + _LEFT + _FROM_3, 2: _LEFT + _FROM_3, 3: _FROM_3}
_REMOTE = [field.name for field in fields(Remote)]
_FARES = [field.name for field in fields(Fares)]


class FetchDatabase:
    """See the module."""

    def __init__(self, path: Path) -> None:
        """Open it, or make it. Raises UserError."""
        self._path = path
        try:
            make_private(path)
            self._db = apsw.Connection(str(path))
            self._db.set_busy_timeout(BUSY)
            self._db.pragma("journal_mode", "wal")
            self._db.pragma("synchronous", "full")
            self._db.pragma("foreign_keys", True)
            version = self._db.pragma("user_version")
            if version in _TO_NOW:
                with transaction(self._db):
                    self._db.execute(_TO_NOW[version])
            elif version != VERSION:
                raise UserError(f"{path} is of another version ({version}); update mailsuite")
        except (apsw.Error, OSError) as error:
            raise UserError(f"{path} can't be used: {error}") from error

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    # -- accounts ----------------------------------------------------------------------------------

    def add(self, remote: Remote) -> Remote:
        """A new one; its `id` is given here. UserError when it is there already."""
        same = (remote.account, remote.protocol, remote.host, remote.user, remote.folder)
        with transaction(self._db):
            if self._db.execute(
                "SELECT 1 FROM remote WHERE account = ? AND protocol = ? AND host = ?"
                " AND user = ? AND folder = ?",
                same,
            ).fetchone():
                raise UserError(f"{remote.user} at {remote.host} is fetched already")
            names = [name for name in _REMOTE if name != "id"]
            marks = ", ".join("?" * len(names))
            self._db.execute(
                f"INSERT INTO remote({', '.join(names)}) VALUES({marks})",
                [getattr(remote, name) for name in names],
            )
            number = self._db.last_insert_rowid()
            self._db.execute("INSERT INTO fares(id) VALUES(?)", (number,))
        return self.require(number)

    def remove(self, number: int) -> Remote:
        """Forget one, with all that is known of it. UserError: there is none."""
        remote = self.require(number)
        with transaction(self._db):
            self._db.execute("DELETE FROM remote WHERE id = ?", (number,))
        return remote

    def sign_in_by(self, remote: Remote) -> None:
        """Its method, secret and certificate are these from now on."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE remote SET method = ?, sealed = ?, certificate = ?, key = ? WHERE id = ?",
                (remote.method, remote.sealed, remote.certificate, remote.key, remote.id),
            )

    def remotes(self) -> list[Remote]:
        """All, the oldest first."""
        sql = f"SELECT {', '.join(_REMOTE)} FROM remote ORDER BY id LIMIT {MAX_REMOTES}"
        return [_remote(row) for row in self._db.execute(sql)]

    def require(self, number: int) -> Remote:
        """One of them. UserError: there is none."""
        sql = f"SELECT {', '.join(_REMOTE)} FROM remote WHERE id = ?"
        row = self._db.execute(sql, (number,)).fetchone()
        if row is None:
            raise UserError(f"nothing is fetched under the number {number} (mailsuite fetch list)")
        return _remote(row)

    # -- how they fare -----------------------------------------------------------------------------

    def fares(self, number: int) -> Fares:
        """How one fares."""
        sql = f"SELECT {', '.join(_FARES)} FROM fares WHERE id = ?"
        row = self._db.execute(sql, (number,)).fetchone()
        return Fares() if row is None else Fares(*row)

    def note(self, number: int, fares: Fares) -> None:
        """The same, written; but for `fetched`, which counts by itself."""
        names = [name for name in _FARES if name != "fetched"]
        sets = ", ".join(f"{name} = ?" for name in names)
        with transaction(self._db):
            self._db.execute(
                f"UPDATE fares SET {sets} WHERE id = ?",
                [*(getattr(fares, name) for name in names), number],
            )

    # -- what has been seen to ---------------------------------------------------------------------

    def place(self, number: int) -> tuple[int, int, bool]:
        """IMAP: (UIDVALIDITY, every UID up to here has been seen to, there was a whole visit)."""
        sql = "SELECT uidvalidity, high, begun FROM fares WHERE id = ?"
        row = self._db.execute(sql, (number,)).fetchone()
        return (0, 0, False) if row is None else (row[0], row[1], bool(row[2]))

    def set_place(self, number: int, uidvalidity: int, high: int) -> None:
        """The same, written: what was seen under another UIDVALIDITY is forgotten."""
        with transaction(self._db):
            for table in ("seen", "left_there"):
                self._db.execute(
                    f"DELETE FROM {table} WHERE remote = ?1 AND EXISTS"
                    " (SELECT 1 FROM fares WHERE id = ?1 AND uidvalidity <> ?2)",
                    (number, uidvalidity),
                )
            self._db.execute(
                "UPDATE fares SET uidvalidity = ?, high = ? WHERE id = ?",
                (uidvalidity, high, number),
            )

    def begun(self, number: int) -> None:
        """There was a whole visit."""
        with transaction(self._db):
            self._db.execute("UPDATE fares SET begun = 1 WHERE id = ?", (number,))

    def fetched(
        self,
        number: int,
        keys: Sequence[str],
        at: float,
        *,
        high: int = 0,
        remember: bool = True,
        digest: str = "",
    ) -> None:
        """These are in the queue; IMAP: and every UID up to `high` has been seen to.

        Without `remember` they are only counted. `digest`: of the octets of the one that it is.
        """
        with transaction(self._db):
            if remember:
                self._db.executemany(
                    "INSERT OR IGNORE INTO seen SELECT ?1, ?2, ?3, ?4 WHERE EXISTS"
                    " (SELECT 1 FROM remote WHERE id = ?1)",
                    ((number, key, at, digest) for key in keys),
                )
            self._arrived(number, keys)
            self._db.execute(
                "UPDATE fares SET fetched = fetched + ?, high = max(high, ?) WHERE id = ?",
                (len(keys), high, number),
            )

    def leave(self, number: int, sizes: Mapping[str, int]) -> None:
        """These could not be fetched: what is known of their octets, or 0."""
        with transaction(self._db):
            self._db.executemany(
                "INSERT OR REPLACE INTO left_there SELECT ?1, ?2, ?3 WHERE EXISTS"
                " (SELECT 1 FROM remote WHERE id = ?1)",
                ((number, key, size) for key, size in sizes.items()),
            )

    def left(self, number: int) -> dict[str, int]:
        """What could not be fetched so far, and its octets as far as they are known."""
        sql = "SELECT key, size FROM left_there WHERE remote = ?"
        return dict(self._db.execute(sql, (number,)))

    def no_longer_left(self, number: int, keys: Iterable[str]) -> None:
        """These are not at the source any more."""
        with transaction(self._db):
            self._arrived(number, keys)

    def _arrived(self, number: int, keys: Iterable[str]) -> None:
        self._db.executemany(
            "DELETE FROM left_there WHERE remote = ? AND key = ?", ((number, key) for key in keys)
        )

    def skip(self, number: int, keys: Iterable[str], at: float) -> None:
        """These were there before, and are not wanted."""
        with transaction(self._db):
            self._db.executemany(
                "INSERT OR IGNORE INTO seen(remote, key, at) VALUES(?, ?, ?)",
                ((number, key, at) for key in keys),
            )

    def seen(self, number: int, keys: Sequence[str]) -> dict[str, float]:
        """Those of these that have been fetched, and when."""
        found: dict[str, float] = {}
        for start in range(0, len(keys), AT_ONCE):
            rows = self._db.execute(
                "SELECT s.key, s.at FROM json_each(?) AS j"
                " CROSS JOIN seen AS s ON s.remote = ? AND s.key = j.value",
                (json.dumps(list(keys[start : start + AT_ONCE])), number),
            )
            found.update(rows)
        return found

    def vanished(self, number: int, keys: Sequence[str]) -> dict[str, list[float]]:
        """When those that are not among these were fetched, by the digests of their octets."""
        found: dict[str, list[float]] = {}
        sql = (
            "SELECT digest, at FROM seen WHERE remote = ? AND digest <> ''"
            " AND key NOT IN (SELECT value FROM json_each(?))"
        )
        for digest, at in self._db.execute(sql, (number, json.dumps(list(keys)))):
            found.setdefault(digest, []).append(at)
        return found

    def renamed(self, number: int, key: str, at: float, digest: str) -> None:
        """One that was fetched at that time goes by this key now."""
        with transaction(self._db):
            self._db.execute(
                "INSERT OR IGNORE INTO seen SELECT ?1, ?2, ?3, ?4 WHERE EXISTS"
                " (SELECT 1 FROM remote WHERE id = ?1)",
                (number, key, at, digest),
            )

    def older(self, number: int, than: float) -> list[str]:
        """What was fetched before that time."""
        sql = "SELECT key FROM seen WHERE remote = ? AND at < ?"
        return [key for (key,) in self._db.execute(sql, (number, than))]

    def forget(self, number: int, keys: Iterable[str]) -> None:
        """These are no longer at the source."""
        with transaction(self._db):
            self._db.executemany(
                "DELETE FROM seen WHERE remote = ? AND key = ?", ((number, key) for key in keys)
            )

    def keep_only(self, number: int, keys: Sequence[str]) -> None:
        """Forget all that is not among these, which are at the source."""
        with transaction(self._db):
            present = json.dumps(list(keys))
            for table in ("seen", "left_there"):
                self._db.execute(
                    f"DELETE FROM {table} WHERE remote = ?"
                    " AND key NOT IN (SELECT value FROM json_each(?))",
                    (number, present),
                )


def _remote(row: tuple[Any, ...]) -> Remote:
    values = dict(zip(_REMOTE, row, strict=True))
    return Remote(**values | {"idle": bool(values["idle"]), "skip": bool(values["skip"])})
