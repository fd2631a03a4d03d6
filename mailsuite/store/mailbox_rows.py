"""SQL over the index's rows of mailboxes, and sums over them. Calls block."""

from __future__ import annotations

import json

import apsw

from mailsuite.store.sql import IS_DELETED, span, value


def drop_mailbox(db: apsw.Connection, mailbox: int) -> None:
    """Delete a mailbox's row and all that belongs to it."""
    for table in ("message", "held", "header", "facet"):
        db.execute(f"DELETE FROM {table} WHERE id > ? AND id < ?", span(mailbox))
    db.execute(
        "DELETE FROM derived WHERE number IN (SELECT number FROM derivation) AND id > ? AND id < ?",
        span(mailbox),
    )
    db.execute("DELETE FROM expunged WHERE mailbox = ?", (mailbox,))
    db.execute("DELETE FROM snapshot WHERE mailbox = ?", (mailbox,))
    db.execute("DELETE FROM mailbox WHERE id = ?", (mailbox,))


def mailboxes_at(db: apsw.Connection, folder: str) -> list[int]:
    """Ids of the rows for a folder."""
    text = value(db, "SELECT json_group_array(id) FROM mailbox WHERE folder = ?", (folder,))
    return list(json.loads(text))


def mailbox_with(db: apsw.Connection, mailboxid: str, uidvalidity: int) -> int:
    """Id of a mailbox's row, 0 when there is none."""
    sql = "SELECT id FROM mailbox WHERE mailboxid = ? AND uidvalidity = ?"
    return int(value(db, sql, (mailboxid, uidvalidity)) or 0)


def folders(db: apsw.Connection) -> set[str]:
    """Folder names of all mailboxes that the index knows."""
    return set(json.loads(value(db, "SELECT json_group_array(folder) FROM mailbox")))


def usage(db: apsw.Connection) -> tuple[int, int]:
    """(messages, octets) of all mailboxes that the index knows."""
    row = db.execute("SELECT messages, size FROM usage").fetchone()
    return (0, 0) if row is None else (row[0], row[1])


def deleted_size(db: apsw.Connection, mailbox: int) -> int:
    r"""Octets of the messages that have \Deleted."""
    sql = f"SELECT coalesce(sum(size), 0) FROM message WHERE id > ? AND id < ? AND {IS_DELETED}"
    return int(value(db, sql, span(mailbox)))


def special_uses(db: apsw.Connection) -> dict[str, str | None]:
    """Folder name -> special use, of all mailboxes that the index knows."""
    text = value(db, "SELECT json_group_object(folder, special_use) FROM mailbox")
    return dict(json.loads(text))
