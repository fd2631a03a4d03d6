"""The index: one SQLite database an account, a cache of what the files say.

Promises: a database that is damaged, of another version, or missing though it had been there is
told of by `IndexDamaged`, and `reset` begins it anew; a transaction is whole or not at all. It is
never the only place where something is written that cannot be told from the files.
synchronous=NORMAL: a power cut may lose the last transactions, never the database, and the folders'
times then show that it lags behind.

Calls block; one writer at a time, readers beside it. SQLite gives up the interpreter lock at every
row it yields, so the queries elsewhere are written to yield one row that holds many.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw

from mailsuite.store.errors import StoreUnavailable
from mailsuite.store.values import Facets

SCHEMA_VERSION = 1
IDLE_READERS = 2

_SCHEMA = """
CREATE TABLE mailbox(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    folder TEXT NOT NULL UNIQUE,
    uidvalidity INTEGER NOT NULL,
    mailboxid TEXT NOT NULL,
    special_use TEXT,
    uidnext INTEGER NOT NULL,
    first_recent INTEGER NOT NULL,
    history INTEGER NOT NULL,
    mtime_new INTEGER NOT NULL,
    mtime_cur INTEGER NOT NULL,
    sure INTEGER NOT NULL,
    journal INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    size INTEGER NOT NULL,
    unseen INTEGER NOT NULL,
    deleted INTEGER NOT NULL
);
CREATE TABLE message(
    id INTEGER PRIMARY KEY,
    place INTEGER NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    modseq INTEGER NOT NULL,
    internal_date REAL NOT NULL,
    size INTEGER NOT NULL,
    delivery TEXT
);
CREATE INDEX message_delivery ON message(delivery) WHERE delivery IS NOT NULL;
CREATE TABLE held(
    id INTEGER PRIMARY KEY,
    place INTEGER NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    modseq INTEGER NOT NULL,
    internal_date REAL NOT NULL,
    size INTEGER NOT NULL,
    delivery TEXT
);
CREATE TABLE expunged(
    mailbox INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    PRIMARY KEY(mailbox, modseq, uid)
) WITHOUT ROWID;
CREATE TABLE header(id INTEGER PRIMARY KEY, block BLOB NOT NULL);
CREATE TABLE facets(version INTEGER NOT NULL, names TEXT NOT NULL);
"""


class IndexDamaged(Exception):
    """The database cannot be read; the writer has to begin it anew."""


class Index:
    """Opens itself at the first use, and again after `close`."""

    def __init__(self, path: Path, facets: Facets) -> None:
        self._path = path
        self._facets = facets
        self._lock = threading.RLock()
        self._writer: apsw.Connection | None = None
        self._readers: list[apsw.Connection] = []
        self._generation = 0
        self._begun = False

    @contextlib.contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """Write: committed at the end, rolled back on any exception.

        Raises IndexDamaged or StoreUnavailable for SQLite's own errors.
        """
        with self._lock, _errors():
            db = self._writer or self._open()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def reader(self) -> Iterator[apsw.Connection]:
        """Read what has been committed; does not wait for the writer."""
        with _errors():
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
        """Look through the whole database. Raises IndexDamaged."""
        with self.reader() as db:
            told = db.execute("PRAGMA quick_check(1)").fetchone()
        if told is None or told[0] != "ok":
            raise IndexDamaged(str(told))

    def reset(self) -> None:
        """Throw the database away; the next use begins an empty one."""
        with self._lock:
            self.close()
            self._begun = False
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    self._path.with_name(self._path.name + suffix).unlink()

    def close(self) -> None:
        """Give the files back."""
        with self._lock:
            self._generation += 1
            for db in self._readers:
                db.close()
            self._readers.clear()
            if self._writer is not None:
                writer, self._writer = self._writer, None
                writer.close()

    # -- opening ----------------------------------------------------------------------------------

    def _open(self) -> apsw.Connection:
        try:
            self._writer = self._prepare()
        except apsw.SQLError as error:  # tables that are not ours
            raise IndexDamaged(str(error)) from error
        self._begun = True
        return self._writer

    def _prepare(self) -> apsw.Connection:
        db = self._connect(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        try:
            db.pragma("journal_mode", "wal")
            db.pragma("synchronous", "normal")
            version = db.pragma("user_version")
            if version == 0 and not db.execute("SELECT 1 FROM sqlite_schema").fetchone():
                if self._begun:
                    raise IndexDamaged("it has vanished")
                with db:
                    db.execute(_SCHEMA)
                    db.pragma("user_version", SCHEMA_VERSION)
            elif version != SCHEMA_VERSION:
                raise IndexDamaged(f"version {version}")
            self._prepare_facets(db)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare_facets(self, db: apsw.Connection) -> None:
        """Facets of another version are dropped: they are computed again when they are wanted."""
        want = (self._facets.version, ",".join(self._facets.names))
        if db.execute("SELECT version, names FROM facets").fetchone() == want:
            return
        columns = "".join(f", {column(name)} BLOB NOT NULL" for name in self._facets.names)
        with db:
            db.execute("DROP TABLE IF EXISTS facet")
            db.execute("DELETE FROM header")
            db.execute(f"CREATE TABLE facet(id INTEGER PRIMARY KEY{columns})")
            db.execute("DELETE FROM facets")
            db.execute("INSERT INTO facets VALUES(?, ?)", want)

    def _connect(self, flags: int) -> apsw.Connection:
        db = apsw.Connection(str(self._path), flags=flags)
        db.set_busy_timeout(10_000)
        db.pragma("cache_size", -4096)
        return db


def column(facet: str) -> str:
    """The SQL column of a facet. Raises ValueError for what is no identifier."""
    if not facet.isidentifier():
        raise ValueError(f"not a facet name: {facet!r}")
    return f"f_{facet}"


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise IndexDamaged(str(error)) from error
    except apsw.Error as error:
        raise StoreUnavailable(f"index: {type(error).__name__}: {error}") from error
