"""A SQLite database that is a cache: it may be damaged or missing, and is then begun anew.

Promises: a transaction is whole or not at all. synchronous=NORMAL: a power cut may lose the last
transactions, never the database. Calls block; one writer at a time, readers beside it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import apsw

from mailsuite.base import sqlite
from mailsuite.store.errors import StoreUnavailable

IDLE_READERS = 2
BUSY = 10_000  # milliseconds to wait for another process
BUSY_PAUSE = 5
CHECKPOINT_FROM = 1000
CHECKPOINT_NOW = 4000
"""Pages in the log (of 4 kB) that are worth taking over into the database; that can't wait."""


class DatabaseDamaged(Exception):
    """The database cannot be read; it has to be begun anew."""


class DatabaseBusy(Exception):
    """Somebody else is writing."""


class Database(ABC):
    """Opens itself at the first use, and again after `close`. `set_up` is the subclass's.

    With `checkpoints_aside` no transaction waits while the log is taken over into the database:
    somebody has to call `checkpoint` when it `wants_checkpoint`.
    """

    checkpoints_aside = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._checkpointing = threading.RLock()
        self._pages = 0
        self._taken_over = 0
        self._writer: apsw.Connection | None = None
        self._readers: list[apsw.Connection] = []
        self._generation = 0
        self._patient = True

    @abstractmethod
    def set_up(self, db: apsw.Connection) -> None:
        """Check what is there; make the tables of an empty database. Raises DatabaseDamaged."""

    @contextlib.contextmanager
    def transaction(self, *, wait: bool = True) -> Iterator[apsw.Connection]:
        """Write: committed at the end, rolled back on any exception.

        Raises DatabaseDamaged or StoreUnavailable for SQLite's own errors. Somebody else who
        writes is waited for (one of another process, no longer than `BUSY`), or, without `wait`,
        told of at once by DatabaseBusy.
        """
        if not self._lock.acquire(blocking=wait):
            raise DatabaseBusy
        with self._released(), _errors(self._path.name):
            db = self._writer or self._open()
            self._begin(db, wait=wait)
            try:
                yield db
                db.execute("COMMIT")
                if self.checkpoints_aside:
                    self._count_pages(db)
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def _begin(self, db: apsw.Connection, *, wait: bool) -> None:
        self._patient = wait
        try:
            db.execute("BEGIN IMMEDIATE")
        except apsw.BusyError as error:
            if wait:
                raise
            raise DatabaseBusy from error
        finally:
            self._patient = True

    def _wait_for_others(self, times: int) -> bool:
        """SQLite's busy handler of the writer's connection: whether to try again."""
        if not self._patient or times * BUSY_PAUSE >= BUSY:
            return False
        time.sleep(BUSY_PAUSE / 1000)
        return True

    @contextlib.contextmanager
    def _released(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._lock.release()

    @contextlib.contextmanager
    def reader(self) -> Iterator[apsw.Connection]:
        """Read what has been committed; does not wait for the writer."""
        with _errors(self._path.name):
            with self._lock:
                if self._writer is None:
                    self._open()
                generation = self._generation
                db = self._readers.pop() if self._readers else None
            if db is None:
                db = self._connect(apsw.SQLITE_OPEN_READONLY)
            try:
                yield db
            finally:
                with self._lock:
                    keep = generation == self._generation and len(self._readers) < IDLE_READERS
                    if keep and self._writer is not None:
                        self._readers.append(db)
                    else:
                        db.close()

    def check(self) -> None:
        """Look through the whole database. Raises DatabaseDamaged."""
        with self.reader() as db:
            told = db.execute("PRAGMA quick_check(1)").fetchone()
        if told is None or told[0] != "ok":
            raise DatabaseDamaged(str(told))

    @property
    def wants_checkpoint(self) -> bool:
        """The log has grown."""
        return self._pages >= CHECKPOINT_FROM

    def checkpoint(self) -> None:
        """Take the log over, beside the writer. Raises DatabaseDamaged, StoreUnavailable."""
        with self._checkpointing, _errors(self._path.name):
            with self._lock:
                if self._writer is None:
                    return
                self._taken_over += self._pages
                self._pages = 0
            # A connection of its own: the writer's is for the writer.
            db = self._connect(apsw.SQLITE_OPEN_READWRITE)
            try:
                db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            finally:
                db.close()

    def _count_pages(self, db: apsw.Connection) -> None:
        """After a transaction: what it has added to the log."""
        written = db.status(apsw.SQLITE_DBSTATUS_CACHE_WRITE)[0]
        self._pages = written - self._taken_over
        if self._pages >= CHECKPOINT_NOW:
            self._taken_over = written
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def reset(self) -> None:
        """Throw the database away; the next use begins an empty one."""
        with self._checkpointing, self._lock:
            self.close()
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    self._path.with_name(self._path.name + suffix).unlink()

    def close(self) -> None:
        """Give the files back."""
        with self._checkpointing, self._lock:
            self._generation += 1
            for db in self._readers:
                db.close()
            self._readers.clear()
            if self._writer is not None:
                writer, self._writer = self._writer, None
                sqlite.close(writer)

    def _open(self) -> apsw.Connection:
        try:
            self._writer = self._prepare()
        except apsw.SQLError as error:  # tables that are not ours
            raise DatabaseDamaged(str(error)) from error
        return self._writer

    def _prepare(self) -> apsw.Connection:
        db = self._connect(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        # No time for it, which it would cost two more calls to change for a transaction.
        db.set_busy_handler(self._wait_for_others)
        try:
            db.pragma("journal_mode", "wal")
            db.pragma("synchronous", "normal")
            if self.checkpoints_aside:
                db.wal_autocheckpoint(0)
                self._taken_over = 0
            self.set_up(db)
        except BaseException:
            db.close()
            raise
        return db

    def _connect(self, flags: int) -> apsw.Connection:
        db = apsw.Connection(str(self._path), flags=flags)
        db.set_busy_timeout(BUSY)
        db.pragma("cache_size", -4096)
        return db


def is_empty(db: apsw.Connection) -> bool:
    """Nothing has been made in it yet."""
    return (
        not db.pragma("user_version")
        and db.execute("SELECT 1 FROM sqlite_schema").fetchone() is None
    )


@contextlib.contextmanager
def _errors(name: str) -> Iterator[None]:
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise DatabaseDamaged(str(error)) from error
    except apsw.Error as error:
        raise StoreUnavailable(f"{name}: {type(error).__name__}: {error}") from error
