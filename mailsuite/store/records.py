"""SQL over the index's rows of mailboxes and messages. Calls block.

A message's row id is `mailbox << 32 | uid`, so that a mailbox's messages lie side by side by UID.
Lists go in and come out as one JSON value, so that a query is one step, not one for each row.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import apsw

NEW, CUR, TMP = 0, 1, 2
MAX_EXPUNGED = 100_000
READ_AT_ONCE = 10_000
WRITE_AT_ONCE = 1_000
MAX_DERIVATIONS = 8
T = TypeVar("T")
PLACES = ("new", "cur", "tmp")
_FIELDS = "place, name, state, modseq, internal_date, size, delivery"
_JSON_FIELDS = f"json_array(m.id & 0xffffffff, {', '.join('m.' + f for f in _FIELDS.split(', '))})"


@dataclass(slots=True)
class Entry:
    """A message's row: `place` NEW, CUR or (held) TMP; `size` over the wire."""

    uid: int
    place: int
    name: str
    state: str
    modseq: int
    internal_date: float
    size: int
    delivery: str | None = None

    def values(self, mailbox: int) -> list[Any]:
        """The row as the tables want it."""
        return [
            row_id(mailbox, self.uid),
            self.place,
            self.name,
            self.state,
            self.modseq,
            self.internal_date,
            self.size,
            self.delivery,
        ]


@dataclass(slots=True)
class Columns:
    """What a view is made of: parallel columns, ascending by UID.

    uids, modseqs  as in `Mailbox`
    numbers        for each message, which of `states` is its own
    states         the states that occur, each once
    new            UIDs of messages still in new/
    """

    uids: array[int] = field(default_factory=lambda: array("I"))
    numbers: array[int] = field(default_factory=lambda: array("I"))
    states: list[str] = field(default_factory=list)
    modseqs: array[int] = field(default_factory=lambda: array("Q"))
    new: list[int] = field(default_factory=list)


def row_id(mailbox: int, uid: int) -> int:
    """Where a message's row is."""
    return mailbox << 32 | uid


def ids(mailbox: int, uids: Iterable[int]) -> str:
    base = mailbox << 32
    return json.dumps([base | uid for uid in uids])


def _pieces(whole: Sequence[T]) -> Iterator[Sequence[T]]:
    """Short lists, so that no single step keeps other threads from running for long."""
    for start in range(0, len(whole), WRITE_AT_ONCE):
        yield whole[start : start + WRITE_AT_ONCE]


def _span(mailbox: int) -> tuple[int, int]:
    return mailbox << 32, (mailbox + 1) << 32


def _value(db: apsw.Connection, sql: str, arguments: Sequence[Any] = ()) -> Any:
    row = db.execute(sql, arguments).fetchone()
    return None if row is None else row[0]


# -- messages --------------------------------------------------------------------------------------


def columns(db: apsw.Connection, mailbox: int) -> Columns:
    """All of a mailbox, for its view."""
    found = Columns()
    known: dict[str, int] = {}
    last, high = _span(mailbox)
    while True:
        row = db.execute(
            "SELECT group_concat(id & 0xffffffff), group_concat(state, char(10)),"
            " group_concat(modseq), group_concat(iif(place = 0, id & 0xffffffff, NULL))"
            " FROM (SELECT id, state, modseq, place FROM message"
            " WHERE id > ? AND id < ? ORDER BY id LIMIT ?)",
            (last, high, READ_AT_ONCE),
        ).fetchone()
        if row is None or row[0] is None:
            found.states = list(known)
            return found
        states = row[1].split("\n")
        for state in states:
            known.setdefault(state, len(known))
        found.uids.extend(map(int, row[0].split(",")))
        found.numbers.extend(map(known.__getitem__, states))
        found.modseqs.extend(map(int, row[2].split(",")))
        if row[3]:
            found.new.extend(map(int, row[3].split(",")))
        last = row_id(mailbox, found.uids[-1])


def uids(
    db: apsw.Connection,
    mailbox: int,
    *,
    first: int = 1,
    before: int = 1 << 32,
    table: str = "message",
) -> list[int]:
    """UIDs from `first` on, ascending; of the table `message` or `held`."""
    low = mailbox << 32
    text = _value(
        db,
        "SELECT json_group_array(id & 0xffffffff) FROM"
        f" (SELECT id FROM {table} WHERE id >= ? AND id < ? ORDER BY id)",
        (low + first, low + before),
    )
    return list(json.loads(text))


def some_uids(
    db: apsw.Connection, mailbox: int, first: int, stop: int | None, limit: int
) -> list[int]:
    """UIDs from `first` on, below `stop`, ascending, so many at most."""
    low, high = _span(mailbox)
    text = _value(
        db,
        "SELECT json_group_array(id & 0xffffffff) FROM"
        " (SELECT id FROM message WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)",
        (low + first, high if stop is None else low + stop, limit),
    )
    return list(json.loads(text))


def count_from(db: apsw.Connection, mailbox: int, first: int) -> int:
    """How many messages have this UID or a greater one."""
    low, high = _span(mailbox)
    return int(
        _value(db, "SELECT count(*) FROM message WHERE id >= ? AND id < ?", (low + first, high))
    )


def entries(db: apsw.Connection, mailbox: int, wanted: Iterable[int] | None) -> list[Entry]:
    """Rows of these messages (None: all), ascending; those that do not exist are left out."""
    where = "id IN (SELECT value FROM json_each(?))"
    if wanted is None:
        wanted = uids(db, mailbox)
    found: list[Entry] = []
    for some in _pieces(sorted(wanted)):
        found += _entries(db, "message", where, (ids(mailbox, some),))
    return found


def places(
    db: apsw.Connection, mailbox: int, wanted: Sequence[int]
) -> dict[int, tuple[int, str, int]]:
    """UID -> (place, name, size over the wire) of these messages, as far as they exist."""
    row = db.execute(
        "SELECT group_concat(id & 0xffffffff), group_concat(place), group_concat(name, char(10)),"
        " group_concat(size) FROM (SELECT m.id, place, name, size FROM json_each(?) AS j"
        " CROSS JOIN message AS m ON m.id = j.value)",
        (ids(mailbox, wanted),),
    ).fetchone()
    if row is None or row[0] is None:
        return {}
    uids_, places_, sizes = (map(int, text.split(",")) for text in (row[0], row[1], row[3]))
    return dict(zip(uids_, zip(places_, row[2].split("\n"), sizes, strict=True), strict=True))


def entries_in_new(db: apsw.Connection, mailbox: int, before: int) -> list[Entry]:
    """Rows of messages still in new/ with UIDs less than `before`."""
    low, _ = _span(mailbox)
    return _entries(db, "message", "id > ? AND id < ? AND place = 0", (low, low + before))


def held(db: apsw.Connection, mailbox: int, wanted: Iterable[int] | None) -> list[Entry]:
    """Rows of expunged messages that are kept for sessions not yet told (None: all)."""
    if wanted is None:
        return _entries(db, "held", "id > ? AND id < ?", _span(mailbox))
    where = "id IN (SELECT value FROM json_each(?))"
    return _entries(db, "held", where, (ids(mailbox, wanted),))


def _entries(db: apsw.Connection, table: str, where: str, arguments: Sequence[Any]) -> list[Entry]:
    text = _value(
        db,
        f"SELECT json_group_array({_JSON_FIELDS}) FROM"
        f" (SELECT id, {_FIELDS} FROM {table} WHERE {where} ORDER BY id) AS m",
        arguments,
    )
    return [Entry(*row) for row in json.loads(text)]


def names(db: apsw.Connection, mailbox: int) -> tuple[dict[str, int], dict[str, int]]:
    """File names as the index has them: (in new/, in cur/), each name -> UID."""
    found: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for place in (NEW, CUR):
        last, high = _span(mailbox)
        while True:
            row = db.execute(
                "SELECT group_concat(name, char(10)), group_concat(id & 0xffffffff), max(id)"
                " FROM (SELECT id, name FROM message WHERE id > ? AND id < ? AND place = ?"
                " ORDER BY id LIMIT ?)",
                (last, high, place, READ_AT_ONCE),
            ).fetchone()
            if row is None or row[0] is None:
                break
            numbers = map(int, row[1].split(","))
            found[place].update(zip(row[0].split("\n"), numbers, strict=True))
            last = row[2]
    return found


def add(db: apsw.Connection, mailbox: int, new: Sequence[Entry]) -> None:
    """Insert rows."""
    _insert(db, "message", mailbox, new)


def _insert(db: apsw.Connection, table: str, mailbox: int, new: Sequence[Entry]) -> None:
    picks = ", ".join(f"value ->> {number}" for number in range(8))
    for some in _pieces(new):
        rows = json.dumps([entry.values(mailbox) for entry in some])
        db.execute(f"INSERT INTO {table} SELECT {picks} FROM json_each(?)", (rows,))


def update(db: apsw.Connection, mailbox: int, changed: Sequence[Entry]) -> None:
    """Write place, name, state and modseq of existing rows."""
    for some in _pieces(changed):
        rows = [
            [row_id(mailbox, entry.uid), entry.place, entry.name, entry.state, entry.modseq]
            for entry in some
        ]
        db.execute(
            "UPDATE message SET place = j.value ->> 1, name = j.value ->> 2,"
            " state = j.value ->> 3, modseq = j.value ->> 4"
            " FROM json_each(?) AS j WHERE message.id = j.value ->> 0",
            (json.dumps(rows),),
        )


def remove(
    db: apsw.Connection, mailbox: int, gone: Sequence[int], modseq: int, keep: Sequence[Entry]
) -> None:
    """Delete rows and note the expunge; the rows in `keep` go on as held."""
    for some in _pieces(gone):
        rows = ids(mailbox, some)
        db.execute("DELETE FROM message WHERE id IN (SELECT value FROM json_each(?))", (rows,))
        db.execute(
            "INSERT INTO expunged SELECT ?, ?, value & 0xffffffff FROM json_each(?)",
            (mailbox, modseq, rows),
        )
    _insert(db, "held", mailbox, keep)
    kept = {entry.uid for entry in keep}
    drop_facets(db, mailbox, [uid for uid in gone if uid not in kept])


def let_go(db: apsw.Connection, mailbox: int, wanted: Sequence[int]) -> None:
    """Delete rows of held messages."""
    rows = ids(mailbox, wanted)
    db.execute("DELETE FROM held WHERE id IN (SELECT value FROM json_each(?))", (rows,))
    drop_facets(db, mailbox, wanted)


def drop_facets(db: apsw.Connection, mailbox: int, wanted: Sequence[int]) -> None:
    """Delete header blocks and facets."""
    for some in _pieces(wanted):
        rows = ids(mailbox, some)
        for table in ("header", "facet"):
            where = "id IN (SELECT value FROM json_each(?))"
            db.execute(f"DELETE FROM {table} WHERE {where}", (rows,))
        db.execute(
            "DELETE FROM derived WHERE number IN (SELECT number FROM derivation)"
            " AND id IN (SELECT value FROM json_each(?))",
            (rows,),
        )


def derivation(db: apsw.Connection, key: str) -> int:
    """The number under which values derived by `key` are kept; 0: they are not."""
    return int(_value(db, "SELECT number FROM derivation WHERE key = ?", (key,)) or 0)


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
    text = _value(
        db,
        "SELECT json_group_array(m.id & 0xffffffff) FROM json_each(?) AS j"
        " CROSS JOIN message AS m ON m.id = j.value"
        " WHERE NOT EXISTS (SELECT 1 FROM facet WHERE facet.id = m.id)",
        (ids(mailbox, wanted),),
    )
    return list(json.loads(text))


def copy_facets(
    db: apsw.Connection, source: int, target: int, pairs: Sequence[tuple[int, int]]
) -> None:
    """Give copies the header blocks and facets of their originals; `pairs` are UIDs."""
    rows = json.dumps([[row_id(source, old), row_id(target, new)] for old, new in pairs])
    for table in ("header", "facet"):
        columns_ = [row[1] for row in db.execute(f"PRAGMA table_info({table})")][1:]
        picks = "".join(f", t.{name}" for name in columns_)
        db.execute(
            f"INSERT INTO {table} SELECT j.value ->> 1{picks} FROM json_each(?) AS j"
            f" CROSS JOIN {table} AS t ON t.id = j.value ->> 0",
            (rows,),
        )


def find_delivery(db: apsw.Connection, mark: str) -> tuple[int, int] | None:
    """(UIDVALIDITY, UID) of a delivery, by its mark."""
    text = _value(
        db,
        "SELECT json_array(b.uidvalidity, m.id & 0xffffffff) FROM message AS m"
        " JOIN mailbox AS b ON b.id = m.id >> 32 WHERE m.delivery = ? ORDER BY m.id LIMIT 1",
        (mark,),
    )
    return None if text is None else tuple(json.loads(text))


def prune_expunged(db: apsw.Connection, mailbox: int) -> int:
    """Bound the history of expunges; the MODSEQ up to which it has been forgotten, or 0."""
    count = int(_value(db, "SELECT count(*) FROM expunged WHERE mailbox = ?", (mailbox,)))
    if count <= MAX_EXPUNGED:
        return 0
    sql = "SELECT modseq FROM expunged WHERE mailbox = ? ORDER BY modseq LIMIT 1 OFFSET ?"
    last = int(_value(db, sql, (mailbox, count - MAX_EXPUNGED // 2)))
    db.execute("DELETE FROM expunged WHERE mailbox = ? AND modseq <= ?", (mailbox, last))
    return last


def expunged_since(db: apsw.Connection, mailbox: int, modseq: int) -> list[int]:
    """UIDs expunged after `modseq`, ascending."""
    text = _value(
        db,
        "SELECT json_group_array(uid) FROM"
        " (SELECT uid FROM expunged WHERE mailbox = ? AND modseq > ? ORDER BY uid)",
        (mailbox, modseq),
    )
    return list(json.loads(text))


def expunges_since(db: apsw.Connection, mailbox: int, modseq: int) -> tuple[list[int], int]:
    """UIDs expunged after `modseq`, and the greatest MODSEQ of these expunges, or 0."""
    row = db.execute(
        "SELECT json_group_array(uid), max(modseq) FROM expunged WHERE mailbox = ? AND modseq > ?",
        (mailbox, modseq),
    ).fetchone()
    return (json.loads(row[0]), row[1] or 0) if row else ([], 0)


def drop_mailbox(db: apsw.Connection, mailbox: int) -> None:
    """Delete a mailbox's row and all that belongs to it."""
    for table in ("message", "held", "header", "facet"):
        db.execute(f"DELETE FROM {table} WHERE id > ? AND id < ?", _span(mailbox))
    db.execute(
        "DELETE FROM derived WHERE number IN (SELECT number FROM derivation) AND id > ? AND id < ?",
        _span(mailbox),
    )
    db.execute("DELETE FROM expunged WHERE mailbox = ?", (mailbox,))
    db.execute("DELETE FROM mailbox WHERE id = ?", (mailbox,))


def mailboxes_at(db: apsw.Connection, folder: str) -> list[int]:
    """Ids of the rows for a folder."""
    text = _value(db, "SELECT json_group_array(id) FROM mailbox WHERE folder = ?", (folder,))
    return list(json.loads(text))


def mailbox_with(db: apsw.Connection, mailboxid: str, uidvalidity: int) -> int:
    """Id of a mailbox's row, 0 when there is none."""
    sql = "SELECT id FROM mailbox WHERE mailboxid = ? AND uidvalidity = ?"
    return int(_value(db, sql, (mailboxid, uidvalidity)) or 0)


def folders(db: apsw.Connection) -> set[str]:
    """Folder names of all mailboxes that the index knows."""
    return set(json.loads(_value(db, "SELECT json_group_array(folder) FROM mailbox")))


def usage(db: apsw.Connection) -> tuple[int, int]:
    """(messages, octets) of all mailboxes that the index knows."""
    row = db.execute("SELECT messages, size FROM usage").fetchone()
    return (0, 0) if row is None else (row[0], row[1])


def deleted_size(db: apsw.Connection, mailbox: int) -> int:
    r"""Octets of the messages that have \Deleted."""
    sql = (
        "SELECT coalesce(sum(size), 0) FROM message WHERE id > ? AND id < ?"
        " AND instr(substr(state, 1, instr(state || ' ', ' ')), 'T')"
    )
    return int(_value(db, sql, _span(mailbox)))


def special_uses(db: apsw.Connection) -> dict[str, str | None]:
    """Folder name -> special use, of all mailboxes that the index knows."""
    text = _value(db, "SELECT json_group_object(folder, special_use) FROM mailbox")
    return dict(json.loads(text))
