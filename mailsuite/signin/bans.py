"""Bans, and from where accounts are used: kept in one SQLite file, over a restart.

Promises: a change made by any process (`mailsuite bans`) takes effect at once in all others. Reads
are from memory; writes block on the disk.
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import apsw

from mailsuite.base.errors import UserError
from mailsuite.base.private import make_private

BUSY_TIMEOUT = 5000  # milliseconds
MAX_KNOWN = 200_000
_TABLES = """
    CREATE TABLE IF NOT EXISTS bans (
        kind TEXT NOT NULL, -- address or account
        key TEXT NOT NULL,
        since REAL NOT NULL,
        until REAL NOT NULL,
        level INTEGER NOT NULL, -- how many there were before it
        PRIMARY KEY (kind, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS known (
        account TEXT NOT NULL,
        network TEXT NOT NULL,
        last REAL NOT NULL,
        PRIMARY KEY (account, network)
    ) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Ban:
    """`kind` is "address" or "account", `key` the network or the address; seconds since the epoch.

    level  how many there were before it, within the time that is remembered
    """

    kind: str
    key: str
    since: float
    until: float
    level: int = 0


class Bans:
    """The open file. Methods may be called from any thread. Raises UserError that names it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._state = -1
        self._bans: dict[tuple[str, str], Ban] = {}
        self._known: dict[tuple[str, str], float] = {}
        with self._told():
            make_private(path)
            self._connection = apsw.Connection(str(path))
            self._connection.set_busy_timeout(BUSY_TIMEOUT)
            self._connection.pragma("journal_mode", "wal")
            self._connection.pragma("synchronous", 1)
            self._connection.execute(_TABLES)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (apsw.Error, OSError) as error:
            raise UserError(f"{self.path}: {error}") from error

    def _refresh(self) -> None:
        """Read again what another process has changed: our own commits do not count."""
        state = int(self._connection.pragma("data_version"))
        if state == self._state:
            return
        self._bans = {
            (row[0], row[1]): Ban(*row)
            for row in self._connection.execute("SELECT kind, key, since, until, level FROM bans")
        }
        self._known = {
            (account, network): last
            for account, network, last in self._connection.execute("SELECT * FROM known")
        }
        self._state = state

    def get(self, kind: str, key: str) -> Ban | None:
        """The ban, which may be over."""
        with self._told(), self._lock:
            self._refresh()
            return self._bans.get((kind, key))

    def all(self, now: float) -> list[Ban]:
        """Those in force, the longest first."""
        with self._told(), self._lock:
            self._refresh()
            return sorted((b for b in self._bans.values() if b.until > now), key=lambda b: -b.until)

    def put(self, ban: Ban, *, forget_before: float = 0.0) -> None:
        """Ban; those that ended before `forget_before` are forgotten."""
        with self._told(), self._lock:
            self._refresh()
            self._bans[ban.kind, ban.key] = ban
            old = [key for key, each in self._bans.items() if each.until < forget_before]
            with self._connection:
                self._connection.execute(
                    "INSERT OR REPLACE INTO bans VALUES (?, ?, ?, ?, ?)",
                    (ban.kind, ban.key, ban.since, ban.until, ban.level),
                )
                self._connection.execute("DELETE FROM bans WHERE until < ?", (forget_before,))
            for key in old:
                del self._bans[key]

    def lift(self, key: str | None) -> list[Ban]:
        """End the bans of this network or account (None: all); gives them."""
        with self._told(), self._lock:
            self._refresh()
            lifted = [ban for ban in self._bans.values() if key in (None, ban.key)]
            with self._connection:
                self._connection.executemany(
                    "DELETE FROM bans WHERE kind = ? AND key = ?",
                    [(ban.kind, ban.key) for ban in lifted],
                )
            for ban in lifted:
                del self._bans[ban.kind, ban.key]
            return lifted

    def last_use(self, account: str, network: str) -> float:
        """When the account was last used from there; 0: never."""
        with self._told(), self._lock:
            self._refresh()
            return self._known.get((account, network), 0.0)

    def note_use(self, account: str, network: str, now: float, *, forget_before: float) -> None:
        """The account is used from there."""
        with self._told(), self._lock:
            self._refresh()
            self._known[account, network] = now
            if len(self._known) > MAX_KNOWN:
                forget_before = sorted(self._known.values())[MAX_KNOWN // 10]
            self._known = {k: last for k, last in self._known.items() if last >= forget_before}
            with self._connection:
                self._connection.execute(
                    "INSERT OR REPLACE INTO known VALUES (?, ?, ?)", (account, network, now)
                )
                self._connection.execute("DELETE FROM known WHERE last < ?", (forget_before,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
