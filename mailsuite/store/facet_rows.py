"""SQL over the index's header blocks, facets and derived values of messages. Calls block.

Rows have the ids of `sql`. What belongs to messages that are gone may stay a while: `leftover`
says which rows those are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import apsw

from mailsuite.store.index import column, facet_tables
from mailsuite.store.sql import ids, pieces, value
from mailsuite.store.values import Facets

MAX_DERIVATIONS = 8


def drop_facets(db: apsw.Connection, mailbox: int, wanted: Sequence[int]) -> None:
    """Delete header blocks and facets."""
    for some in pieces(wanted):
        _drop_facets(db, ids(mailbox, some))


def _drop_facets(db: apsw.Connection, rows: str) -> None:
    for table in ("header", "facet"):
        where = "id IN (SELECT value FROM json_each(?))"
        db.execute(f"DELETE FROM {table} WHERE {where}", (rows,))
    db.execute(
        "DELETE FROM derived WHERE number IN (SELECT number FROM derivation)"
        " AND id IN (SELECT value FROM json_each(?))",
        (rows,),
    )


def clear_leftovers(db: apsw.Connection, count: int) -> bool:
    """Delete so many header blocks and facets of messages that are gone; False: there are none."""
    sql = "SELECT json_group_array(id) FROM (SELECT id FROM leftover LIMIT ?)"
    rows = value(db, sql, (count,))
    if rows == "[]":
        return False
    _drop_facets(db, rows)
    db.execute("DELETE FROM leftover WHERE id IN (SELECT value FROM json_each(?))", (rows,))
    return True


def derivation(db: apsw.Connection, key: str) -> int:
    """The number under which values derived by `key` are kept; 0: they are not."""
    return int(value(db, "SELECT number FROM derivation WHERE key = ?", (key,)) or 0)


def keep_derived(db: apsw.Connection, key: str, values: Sequence[tuple[int, bytes]]) -> None:
    """Keep derived values of present messages (row id, octets); the oldest key makes room."""
    number = derivation(db, key)
    if not number:
        db.execute("INSERT INTO derivation(key) VALUES(?)", (key,))
        number = db.last_insert_rowid()
        oldest = number - MAX_DERIVATIONS
        db.execute("DELETE FROM derivation WHERE number <= ?", (oldest,))
        db.execute("DELETE FROM derived WHERE number <= ?", (oldest,))
    db.executemany(
        "INSERT OR REPLACE INTO derived SELECT ?1, id, ?3 FROM message WHERE id = ?2",
        ((number, row, octets) for row, octets in values),
    )


def without_facets(db: apsw.Connection, mailbox: int, wanted: Sequence[int]) -> list[int]:
    """Those of these messages whose facets have not been computed."""
    text = value(
        db,
        "SELECT json_group_array(m.id & 0xffffffff) FROM json_each(?) AS j"
        " CROSS JOIN message AS m ON m.id = j.value"
        " WHERE NOT EXISTS (SELECT 1 FROM facet WHERE facet.id = m.id)",
        (ids(mailbox, wanted),),
    )
    return list(json.loads(text))


def copy_facets(db: apsw.Connection, facets: Facets, pairs: Sequence[tuple[int, int]]) -> None:
    """Give copies the header blocks and facets of their originals; `pairs` are row ids.

    As far as originals still have them, and copies are still there and have none.
    """
    rows = json.dumps(pairs)
    tables = {
        table: [column(name) for name in names] for table, names in facet_tables(facets).items()
    }
    for table, columns in {"header": ["block"], **tables}.items():
        picks = "".join(f", t.{name}" for name in columns)
        db.execute(
            f"INSERT OR IGNORE INTO {table} SELECT j.value ->> 1{picks} FROM json_each(?) AS j"
            f" CROSS JOIN {table} AS t ON t.id = j.value ->> 0"
            " WHERE EXISTS (SELECT 1 FROM message WHERE id = j.value ->> 1)",
            (rows,),
        )
