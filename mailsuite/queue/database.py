"""The queue's database file: one connection that writes, one for long listings. SQLite.

Promises: a transaction takes all changes or none, and is durable at its end; every method of what
is built on this may be called from any thread. Blocks on the disk, so a server calls it in threads.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw

from mailsuite.queue import schema

BUSY = 10_000  # milliseconds to wait for another process's transaction


class Database:
    """The open database. Raises apsw.Error, for `errors.typed` to sort."""

    def __init__(self, path: Path) -> None:
        """Open or create `path`, whose folder exists."""
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._write = apsw.Connection(str(path))
        self._read = self._write
        try:
            self._write.set_busy_timeout(BUSY)
            self._write.pragma("journal_mode", "wal")
            self._write.pragma("synchronous", "full")
            if self._write.pragma("user_version") != schema.VERSION:
                with self._transaction() as connection:
                    schema.migrate(connection, path)
            # Long listings have a connection of their own, so that no commit waits for them.
            self._read = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
            self._read.set_busy_timeout(BUSY)
            self._read.pragma("query_only", True)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the database."""
        with self._reading:
            self._read.close()
        with self._lock:
            self._write.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[apsw.Connection]:
        with self._lock:
            self._write.execute("BEGIN IMMEDIATE")
            try:
                yield self._write
                self._write.execute("COMMIT")
            except BaseException:
                if self._write.in_transaction:
                    self._write.execute("ROLLBACK")
                raise
