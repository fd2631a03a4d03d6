"""SQL over the index's rows of mailboxes and messages. Calls block.

A message's row id is `mailbox << 32 | uid`, so that a mailbox's messages lie side by side by UID.
Lists go in and come out as one JSON value, so that a query is one step, not one for each row.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import apsw

from mailsuite.store.facet_rows import drop_facets
from mailsuite.store.filename import OPEN_END
from mailsuite.store.sql import IS_DELETED, ids, pieces, row_id, span, value

NEW, CUR, TMP = 0, 1, 2
MAX_EXPUNGED = 100_000
READ_AT_ONCE = 10_000
SUM_AT_ONCE = 2_000
FEW = 64
PLACES = ("new", "cur", "tmp")
_FIELDS = "place, name, state, modseq, internal_date, size, delivery"


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
    modseq         of the mailbox's row when they were kept as a snapshot; 0: read from the rows
    """

    uids: array[int] = field(default_factory=lambda: array("I"))
    numbers: array[int] = field(default_factory=lambda: array("I"))
    states: list[str] = field(default_factory=list)
    modseqs: array[int] = field(default_factory=lambda: array("Q"))
    new: list[int] = field(default_factory=list)
    modseq: int = 0


# -- messages --------------------------------------------------------------------------------------


def columns(db: apsw.Connection, mailbox: int) -> Columns:
    """All of a mailbox, for its view."""
    found = Columns()
    known: dict[str, int] = {}
    last, high = span(mailbox)
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
    text = value(
        db,
        "SELECT json_group_array(id & 0xffffffff) FROM"
        f" (SELECT id FROM {table} WHERE id >= ? AND id < ? ORDER BY id)",
        (low + first, low + before),
    )
    return list(json.loads(text))


def deleted(db: apsw.Connection, mailbox: int) -> list[int]:
    r"""UIDs of the messages that have \Deleted, ascending."""
    text = value(
        db,
        "SELECT json_group_array(id & 0xffffffff) FROM (SELECT id FROM message"
        f" WHERE id > ? AND id < ? AND {IS_DELETED} ORDER BY id)",
        span(mailbox),
    )
    return list(json.loads(text))


def some_uids(
    db: apsw.Connection, mailbox: int, first: int, stop: int | None, limit: int
) -> list[int]:
    """UIDs from `first` on, below `stop`, ascending, so many at most."""
    low, high = span(mailbox)
    text = value(
        db,
        "SELECT json_group_array(id & 0xffffffff) FROM"
        " (SELECT id FROM message WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)",
        (low + first, high if stop is None else low + stop, limit),
    )
    return list(json.loads(text))


def count_from(db: apsw.Connection, mailbox: int, first: int) -> int:
    """How many messages have this UID or a greater one."""
    low, high = span(mailbox)
    return int(
        value(db, "SELECT count(*) FROM message WHERE id >= ? AND id < ?", (low + first, high))
    )


def entries(db: apsw.Connection, mailbox: int, wanted: Iterable[int] | None) -> list[Entry]:
    """Rows of these messages (None: all), ascending; those that do not exist are left out."""
    where = "id IN (SELECT value FROM json_each(?))"
    if wanted is None:
        wanted = uids(db, mailbox)
    found: list[Entry] = []
    for some in pieces(sorted(wanted)):
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


def sizes(
    db: apsw.Connection, mailbox: int, wanted: Sequence[int]
) -> tuple[array[int], array[int]]:
    """(UIDs, sizes over the wire) of these messages (ascending), as far as they exist.

    In a range whose ends are known no message can have come, so as many rows as UIDs are these.
    """
    uids_, found = array("I"), array("Q")
    sql = "FROM (SELECT id, size FROM message WHERE id BETWEEN ? AND ? ORDER BY id)"
    for start in range(0, len(wanted), READ_AT_ONCE):
        some = wanted[start : start + READ_AT_ONCE]
        span = row_id(mailbox, some[0]), row_id(mailbox, some[-1])
        row = db.execute(f"SELECT count(*), group_concat(size) {sql}", span).fetchone()
        if row is None or not row[0]:
            continue
        if row[0] == len(some):
            uids_.extend(some)
            found.extend(map(int, row[1].split(",")))
            continue
        asked = set(some)
        text = value(db, f"SELECT json_group_array(json_array(id & 0xffffffff, size)) {sql}", span)
        for uid, size in json.loads(text):
            if uid in asked:
                uids_.append(uid)
                found.append(size)
    return uids_, found


def open_ended(db: apsw.Connection, mailbox: int, first: int, last: int) -> list[int]:
    """UIDs, of those from `first` to `last`, of messages whose octets end with no line's end."""
    text = value(
        db,
        "SELECT json_group_array(id & 0xffffffff) FROM message"
        f" WHERE id BETWEEN ? AND ? AND instr(name, ',{OPEN_END}') > 0",
        (row_id(mailbox, first), row_id(mailbox, last)),
    )
    return list(json.loads(text))


def entries_in_new(db: apsw.Connection, mailbox: int, before: int) -> list[Entry]:
    """Rows of messages still in new/ with UIDs less than `before`."""
    low, _ = span(mailbox)
    return _entries(db, "message", "id > ? AND id < ? AND place = 0", (low, low + before))


def held(db: apsw.Connection, mailbox: int, wanted: Iterable[int] | None) -> list[Entry]:
    """Rows of expunged messages that are kept for sessions not yet told (None: all)."""
    if wanted is None:
        return _entries(db, "held", "id > ? AND id < ?", span(mailbox))
    where = "id IN (SELECT value FROM json_each(?))"
    return _entries(db, "held", where, (ids(mailbox, wanted),))


def _entries(db: apsw.Connection, table: str, where: str, arguments: Sequence[Any]) -> list[Entry]:
    row = db.execute(
        "SELECT group_concat(id & 0xffffffff), group_concat(place), group_concat(name, char(10)),"
        " group_concat(state, char(10)), group_concat(modseq),"
        " group_concat(format('%.6f', internal_date)),"
        " group_concat(size), json_group_array(delivery) FILTER (WHERE delivery IS NOT NULL),"
        " group_concat(id & 0xffffffff) FILTER (WHERE delivery IS NOT NULL)"
        f" FROM (SELECT id, {_FIELDS} FROM {table} WHERE {where} ORDER BY id)",
        arguments,
    ).fetchone()
    if row is None or row[0] is None:
        return []
    uids_, places_, modseqs, sizes = (map(int, row[n].split(",")) for n in (0, 1, 4, 6))
    names_, states = row[2].split("\n"), row[3].split("\n")
    dates = map(float, row[5].split(","))
    found = list(map(Entry, uids_, places_, names_, states, modseqs, dates, sizes))
    if row[8] is not None:
        marks = dict(zip(map(int, row[8].split(",")), json.loads(row[7]), strict=True))
        for entry in found:
            entry.delivery = marks.get(entry.uid)
    return found


def names(db: apsw.Connection, mailbox: int) -> tuple[dict[str, int], dict[str, int]]:
    """File names as the index has them: (in new/, in cur/), each name -> UID."""
    found: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for place in (NEW, CUR):
        last, high = span(mailbox)
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


def names_sum(db: apsw.Connection, mailbox: int, place: int) -> tuple[int, int]:
    """How many file names the index has in new/ or cur/, and the sum of their hashes."""
    count = total = 0
    last, high = span(mailbox)
    while True:
        row = db.execute(
            "SELECT group_concat(name, char(10)), max(id)"
            " FROM (SELECT id, name FROM message WHERE id > ? AND id < ? AND place = ?"
            " ORDER BY id LIMIT ?)",
            (last, high, place, SUM_AT_ONCE),
        ).fetchone()
        if row is None or row[0] is None:
            return count, total
        names_ = row[0].split("\n")
        count += len(names_)
        total += sum(map(hash, names_))
        last = row[1]


def add(db: apsw.Connection, mailbox: int, new: Sequence[Entry]) -> None:
    """Insert rows."""
    _insert(db, "message", mailbox, new)


def _insert(db: apsw.Connection, table: str, mailbox: int, new: Sequence[Entry]) -> None:
    picks = ", ".join(f"value ->> {number}" for number in range(8))
    for some in pieces(new):
        rows = json.dumps([entry.values(mailbox) for entry in some])
        db.execute(f"INSERT INTO {table} SELECT {picks} FROM json_each(?)", (rows,))


def update(db: apsw.Connection, mailbox: int, changed: Sequence[Entry]) -> None:
    """Write place, name, state and modseq of existing rows."""
    for some in pieces(changed):
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
    """Delete rows and note the expunge; the rows in `keep` go on as held.

    Header blocks and facets of many are only noted, for `clear_leftovers`.
    """
    for some in pieces(gone):
        rows = ids(mailbox, some)
        db.execute("DELETE FROM message WHERE id IN (SELECT value FROM json_each(?))", (rows,))
        db.execute(
            "INSERT INTO expunged SELECT ?, ?, value & 0xffffffff FROM json_each(?)",
            (mailbox, modseq, rows),
        )
    _insert(db, "held", mailbox, keep)
    kept = {entry.uid for entry in keep}
    without = [uid for uid in gone if uid not in kept]
    if len(without) <= FEW:
        drop_facets(db, mailbox, without)
    for some in pieces(without if len(without) > FEW else ()):
        rows = ids(mailbox, some)
        db.execute("INSERT OR IGNORE INTO leftover SELECT value FROM json_each(?)", (rows,))


def let_go(db: apsw.Connection, mailbox: int, wanted: Sequence[int]) -> None:
    """Delete rows of held messages."""
    rows = ids(mailbox, wanted)
    db.execute("DELETE FROM held WHERE id IN (SELECT value FROM json_each(?))", (rows,))
    drop_facets(db, mailbox, wanted)


def find_delivery(db: apsw.Connection, mark: str) -> tuple[int, int] | None:
    """(UIDVALIDITY, UID) of a delivery, by its mark."""
    text = value(
        db,
        "SELECT json_array(b.uidvalidity, m.id & 0xffffffff) FROM message AS m"
        " JOIN mailbox AS b ON b.id = m.id >> 32 WHERE m.delivery = ? ORDER BY m.id LIMIT 1",
        (mark,),
    )
    return None if text is None else tuple(json.loads(text))


def prune_expunged(db: apsw.Connection, mailbox: int) -> int:
    """Bound the history of expunges; the MODSEQ up to which it has been forgotten, or 0."""
    count = int(value(db, "SELECT count(*) FROM expunged WHERE mailbox = ?", (mailbox,)))
    if count <= MAX_EXPUNGED:
        return 0
    sql = "SELECT modseq FROM expunged WHERE mailbox = ? ORDER BY modseq LIMIT 1 OFFSET ?"
    last = int(value(db, sql, (mailbox, count - MAX_EXPUNGED // 2)))
    db.execute("DELETE FROM expunged WHERE mailbox = ? AND modseq <= ?", (mailbox, last))
    return last


def expunged_since(db: apsw.Connection, mailbox: int, modseq: int) -> list[int]:
    """UIDs expunged after `modseq`, ascending."""
    text = value(
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
