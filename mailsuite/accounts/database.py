"""The directory's SQLite file: its tables, one connection that reads and one that writes.

Promises: a reader never waits for a writer (WAL); a change is durable when `write` returns; a
failure is a DirectoryUnavailable that names the file. The file is readable by its owner only.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from mailsuite.accounts.rows import DirectoryUnavailable
from mailsuite.base.private import make_private

BUSY_TIMEOUT = 5000  # milliseconds

# One script a version of the file; a later one is added at the end, never changed afterwards.
MIGRATIONS = (
    """
    CREATE TABLE domains (
        name TEXT PRIMARY KEY,
        created REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE users (
        address TEXT PRIMARY KEY,
        domain TEXT NOT NULL REFERENCES domains (name),
        password TEXT NOT NULL,
        enabled INTEGER NOT NULL DEFAULT 1,
        created REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX users_domain ON users (domain);
    CREATE TABLE aliases (
        address TEXT PRIMARY KEY,
        domain TEXT NOT NULL REFERENCES domains (name),
        targets TEXT NOT NULL, -- one address a line
        created REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX aliases_domain ON aliases (domain);
    """,
    """
    -- NULL: as the settings say; negative: no limit
    ALTER TABLE users ADD COLUMN quota_storage INTEGER;
    ALTER TABLE users ADD COLUMN quota_messages INTEGER;
    """,
    """
    -- Both sealed by the vault. scram NULL: not known yet; empty: SASLprep prohibits the password.
    -- legacy: the password itself, of accounts that have opted in.
    ALTER TABLE users ADD COLUMN scram BLOB;
    ALTER TABLE users ADD COLUMN legacy BLOB;
    -- Of accounts of any directory, so without a reference to users.
    CREATE TABLE app_passwords (
        id INTEGER PRIMARY KEY,
        address TEXT NOT NULL,
        name TEXT NOT NULL,
        doors TEXT NOT NULL, -- comma-separated; empty: all
        digest BLOB NOT NULL,
        scram BLOB NOT NULL,
        created REAL NOT NULL,
        used REAL,
        used_from TEXT,
        used_by TEXT,
        UNIQUE (address, name)
    ) STRICT;
    """,
)


class Database:
    """The open file. Its methods may be called from any thread."""

    def __init__(self, path: Path, *, lag: float = 0.0) -> None:
        """Open `path`, making it where it is missing. Raises DirectoryUnavailable.

        `lag`: seconds for which `state` may not know what another process has changed.
        """
        self.path = path
        self._lag = lag
        self._state = 0
        self._state_until = 0.0
        self._read_lock = threading.Lock()
        self._write_lock = threading.Lock()
        with self._told():
            make_private(path)
            self._writer = _connect(path)
            try:
                self._prepare()
                self._reader = _connect(path)
            except BaseException:
                self._writer.close()
                raise
            self._reader.pragma("query_only", True)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn SQLite's and the system's errors into one that a person understands."""
        try:
            yield
        except apsw.BusyError as error:
            raise DirectoryUnavailable(
                f"{self.path}: another program holds it locked; try again"
            ) from error
        except (apsw.CantOpenError, apsw.PermissionsError, apsw.ReadOnlyError) as error:
            raise DirectoryUnavailable(
                f"{self.path}: cannot open for reading and writing ({error}); "
                "run this as the server's user or as root"
            ) from error
        except (apsw.NotADBError, apsw.CorruptError) as error:
            raise DirectoryUnavailable(
                f"{self.path}: not a usable database ({error}); restore it from a backup"
            ) from error
        except apsw.Error as error:
            raise DirectoryUnavailable(f"{self.path}: {error}") from error
        except OSError as error:
            raise DirectoryUnavailable(f"{self.path}: {error.strerror}") from error

    def _prepare(self) -> None:
        """Bring the tables to today's version."""
        if self._version() == len(MIGRATIONS):
            return
        if self._writer.pragma("journal_mode") != "wal":
            self._writer.pragma("journal_mode", "wal")
        with self._transaction():
            version = self._version()  # again: another process may have done it meanwhile
            if version > len(MIGRATIONS):
                raise DirectoryUnavailable(
                    f"{self.path}: written by a newer mailsuite (version {version} of the file, "
                    f"this program knows {len(MIGRATIONS)})"
                )
            for script in MIGRATIONS[version:]:
                self._writer.execute(script)
            self._writer.pragma("user_version", len(MIGRATIONS))

    def _version(self) -> int:
        return int(self._writer.pragma("user_version"))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._writer.execute("COMMIT")
        except BaseException:
            if not self._writer.get_autocommit():
                self._writer.execute("ROLLBACK")
            raise

    def state(self) -> int:
        """A number that is another one after any change, by whichever process. Microseconds."""
        now = time.monotonic()
        if now < self._state_until:
            return self._state
        with self._told(), self._read_lock:
            self._state = int(self._reader.pragma("data_version"))
            self._state_until = now + self._lag
            return self._state

    def read(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """All rows of one query."""
        with self._told(), self._read_lock:
            return self._reader.execute(sql, arguments).fetchall()

    @contextlib.contextmanager
    def write(self) -> Iterator[apsw.Connection]:
        """A transaction: committed and durable at the end of the block, undone by an exception."""
        try:
            with self._told(), self._write_lock, self._transaction():
                yield self._writer
        finally:
            with self._read_lock:
                self._state_until = 0.0

    def close(self) -> None:
        """Close both connections; calling it again does nothing."""
        with self._read_lock, self._write_lock:
            self._reader.close()
            self._writer.close()


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_TIMEOUT)
    connection.pragma("foreign_keys", True)
    connection.pragma("synchronous", 2)  # FULL: a commit is on the disk, not only in the log
    return connection
