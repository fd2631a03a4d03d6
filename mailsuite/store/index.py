"""The index: one SQLite database an account, a cache of what the files say.

Promises: a database that is damaged, of another version, or missing though it had been there is
told of by `IndexDamaged`, and `reset` begins it anew; a transaction is whole or not at all. It is
never the only place where something is written that cannot be told from the files.
synchronous=NORMAL: a power cut may lose the last transactions, never the database, and the folders'
times then show that it lags behind.

Calls block; one writer at a time, readers beside it. SQLite gives up the interpreter lock at every
row it yields, so the queries elsewhere are written to yield one row that holds many.
"""

import secrets
from pathlib import Path

import apsw

from mailsuite.base.sqlite import transaction
from mailsuite.store.database import Database, DatabaseBusy, DatabaseDamaged, is_empty
from mailsuite.store.values import Facets

SCHEMA_VERSION = 5

_SCHEMA = """
CREATE TABLE mailbox(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    folder TEXT NOT NULL UNIQUE,
    uidvalidity INTEGER NOT NULL,
    mailboxid TEXT NOT NULL,
    special_use TEXT,
    uidnext INTEGER NOT NULL,
    first_recent INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    gaps TEXT NOT NULL,
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
-- Totals of all mailboxes, kept by SQLite itself, so that no change can forget them.
CREATE TABLE usage(messages INTEGER NOT NULL, size INTEGER NOT NULL);
INSERT INTO usage VALUES(0, 0);
CREATE TRIGGER usage_insert AFTER INSERT ON mailbox BEGIN
    UPDATE usage SET messages = messages + new.messages, size = size + new.size;
END;
CREATE TRIGGER usage_update AFTER UPDATE OF messages, size ON mailbox
WHEN new.messages <> old.messages OR new.size <> old.size BEGIN
    UPDATE usage SET messages = messages + new.messages - old.messages,
        size = size + new.size - old.size;
END;
CREATE TRIGGER usage_delete AFTER DELETE ON mailbox BEGIN
    UPDATE usage SET messages = messages - old.messages, size = size - old.size;
END;
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
-- Values that doors derive from header blocks: each way to derive has a number.
CREATE TABLE derivation(number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE);
CREATE TABLE derived(
    number INTEGER NOT NULL,
    id INTEGER NOT NULL,
    octets BLOB NOT NULL,
    PRIMARY KEY(number, id)
) WITHOUT ROWID;
-- Rows of header, facet and derived whose messages are gone: they are cleared away by and by.
CREATE TABLE leftover(id INTEGER PRIMARY KEY);
-- All of a mailbox's columns in one row (see `store.snapshot`).
CREATE TABLE snapshot(
    mailbox INTEGER PRIMARY KEY,
    modseq INTEGER NOT NULL,
    layout TEXT NOT NULL,
    uids BLOB NOT NULL,
    numbers BLOB NOT NULL,
    modseqs BLOB NOT NULL,
    fresh BLOB NOT NULL,
    states TEXT NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE TABLE facets(version INTEGER NOT NULL, names TEXT NOT NULL);
"""


IndexDamaged = DatabaseDamaged
IndexBusy = DatabaseBusy


class Index(Database):
    """Opens itself at the first use, and again after `close`."""

    checkpoints_aside = True

    def __init__(self, path: Path, facets: Facets) -> None:
        super().__init__(path)
        self._facets = facets
        self._begun = False

    @property
    def birth(self) -> int:
        """Another number for each database that has ever been begun here.

        Ids of mailboxes mean the same as long as this is the same. Raises as `reader` does.
        """
        with self.reader() as db:
            return int(db.pragma("application_id"))

    def reset(self) -> None:
        """Throw the database away; the next use begins an empty one."""
        with self._checkpointing, self._lock:
            super().reset()
            self._begun = False

    def set_up(self, db: apsw.Connection) -> None:
        """Make the tables, or check their version. Raises IndexDamaged."""
        if is_empty(db):
            if self._begun:
                raise IndexDamaged("it has vanished")
            with transaction(db):
                db.execute(_SCHEMA)
                db.pragma("user_version", SCHEMA_VERSION)
                db.pragma("application_id", secrets.randbits(31))
        elif (version := db.pragma("user_version")) != SCHEMA_VERSION:
            raise IndexDamaged(f"version {version}")
        self._prepare_facets(db)
        self._begun = True

    def _prepare_facets(self, db: apsw.Connection) -> None:
        """Facets of another version are dropped: they are computed again when they are wanted."""
        facets = self._facets
        want = (facets.version, f"{','.join(facets.names)};{','.join(facets.apart)}")
        if db.execute("SELECT version, names FROM facets").fetchone() == want:
            return
        old = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'facet_*'"
        with transaction(db):
            for (table,) in db.execute(old).fetchall():
                db.execute(f"DROP TABLE {table}")
            db.execute("DROP TABLE IF EXISTS facet")
            db.execute("DELETE FROM header")
            for table, names in facet_tables(facets).items():
                columns = "".join(f", {column(name)} BLOB NOT NULL" for name in names)
                db.execute(f"CREATE TABLE {table}(id INTEGER PRIMARY KEY{columns})")
            for name in facets.apart:
                table = table_of(facets, name)
                db.execute(
                    f"CREATE TRIGGER {table}_delete AFTER DELETE ON facet BEGIN"
                    f" DELETE FROM {table} WHERE id = old.id; END"
                )
            db.execute("DELETE FROM facets")
            db.execute("INSERT INTO facets VALUES(?, ?)", want)


def facet_tables(facets: Facets) -> dict[str, tuple[str, ...]]:
    """The tables, and the names of the facets in each.

    What is deleted from the first, which has a row for every message with facets, is deleted from
    all by SQLite itself.
    """
    together = tuple(name for name in facets.names if name not in facets.apart)
    return {"facet": together, **{table_of(facets, name): (name,) for name in facets.apart}}


def table_of(facets: Facets, name: str) -> str:
    """The table of one facet."""
    return f"facet_{name}" if name in facets.apart else "facet"


def column(facet: str) -> str:
    """The SQL column of a facet. Raises ValueError for what is no identifier."""
    if not facet.isidentifier():
        raise ValueError(f"not a facet name: {facet!r}")
    return f"f_{facet}"
