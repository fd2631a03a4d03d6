"""The history's database. One row an event, in the order of time. SQLite."""

from pathlib import Path

import apsw

from mailsuite.base.sqlite import transaction

BUSY = 10_000  # milliseconds
VERSION = 1
SCHEMA = f"""
CREATE TABLE event (
    number INTEGER PRIMARY KEY,
    message TEXT NOT NULL,           -- queue id
    parent TEXT,                     -- queue id of the message that it follows from
    message_id TEXT,
    at REAL NOT NULL,                -- seconds since the epoch
    fields TEXT NOT NULL             -- JSON
);
CREATE INDEX by_message ON event (message);
CREATE INDEX by_parent ON event (parent) WHERE parent IS NOT NULL;
CREATE INDEX by_message_id ON event (message_id) WHERE message_id IS NOT NULL;
PRAGMA user_version = {VERSION};
"""


def open_for_writing(path: Path) -> apsw.Connection:
    """The database, made if it is not there; one of another version is begun anew."""
    db = apsw.Connection(str(path))
    try:
        db.set_busy_timeout(BUSY)
        db.pragma("journal_mode", "wal")
        db.pragma("synchronous", "normal")
        if db.pragma("user_version") != VERSION:
            with transaction(db):
                db.execute("DROP TABLE IF EXISTS event")
                db.execute(SCHEMA)
    except BaseException:
        db.close()
        raise
    return db


def open_for_reading(path: Path) -> apsw.Connection | None:
    """The database, or None where there is none yet."""
    if not path.exists():
        return None
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    db.set_busy_timeout(BUSY)
    if db.pragma("user_version") != VERSION:
        db.close()
        return None
    return db
