"""The tables of the queue's database, and the way to them from those of earlier versions."""

from pathlib import Path

import apsw

from mailsuite.base.errors import UserError

VERSION = 2

SCHEMA = f"""
CREATE TABLE message (
    id TEXT PRIMARY KEY,
    envelope TEXT NOT NULL,          -- all but the recipients, JSON
    received_at REAL NOT NULL,
    size INTEGER NOT NULL,           -- octets of the message, without what stands before it
    "offset" INTEGER NOT NULL,       -- octets before the message in the spool file
    prefixed INTEGER NOT NULL        -- they are the local trace fields of this envelope
) WITHOUT ROWID;
CREATE TABLE recipient (
    message TEXT NOT NULL,
    idx INTEGER NOT NULL,
    address TEXT NOT NULL,
    params TEXT NOT NULL,            -- all but the address, JSON
    courier TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'due',
    leased INTEGER NOT NULL,
    tried INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt REAL NOT NULL,
    last_attempt REAL,
    status TEXT NOT NULL DEFAULT '',
    text TEXT NOT NULL DEFAULT '',
    history TEXT NOT NULL DEFAULT '[]',  -- its attempts, JSON
    PRIMARY KEY (message, idx)
) WITHOUT ROWID;
CREATE INDEX due ON recipient (courier, next_attempt) WHERE state = 'due' AND leased = 0;
PRAGMA user_version = {VERSION};
"""

# From each version to the next.
MIGRATIONS = {1: "ALTER TABLE recipient ADD COLUMN history TEXT NOT NULL DEFAULT '[]';"}


def migrate(connection: apsw.Connection, path: Path) -> None:
    """Make the tables, or bring those of an earlier version up to date."""
    version = connection.pragma("user_version")
    if not version:
        connection.execute(SCHEMA)
        return
    if version > VERSION:
        raise UserError(
            f"{path}: written by a newer mailsuite (version {version}); update this one"
        )
    while version < VERSION:
        connection.execute(MIGRATIONS[version])
        version += 1
    connection.pragma("user_version", VERSION)
