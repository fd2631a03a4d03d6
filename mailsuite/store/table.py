"""The index as a table: columns of many messages at once; what it does not have yet is computed.

A query is one step of SQLite: numbers come as one text, octets joined with their lengths. Values
that are derived from header blocks are kept once many have been asked for. Calls block; they may
run beside the account's writer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from struct import Struct
from typing import Any

import apsw

from mailsuite.store import facet_rows, filename, reading, records, sql
from mailsuite.store.files import AccountFiles
from mailsuite.store.folder import Folder
from mailsuite.store.index import column, table_of
from mailsuite.store.values import SYSTEM_COLUMNS, Column, Derived, Facets, Row

COMPUTE_AT_ONCE = 64
KEEP_FROM = 64
"""Derived values are kept when so many were missing: for a few it is not worth a transaction."""
FROM_NAME: dict[str, Callable[[filename.FileName], Any]] = {
    "saved": filename.saved,
    "identity": filename.identity,
}
"""Columns that the file's name tells."""
HELD_NAME = "substr(m.name, instr(m.name, '.') + 1)"
"""Of a held message's name, what it was called before `alter.set_aside`."""
ZONE = (
    "CASE instr(m.name, ',Z=') WHEN 0 THEN ''"
    " ELSE replace(substr(m.name, instr(m.name, ',Z=') + 3, 5), ',', ' ') END"
)
"""The zone in a message's name, or what stands in its place."""
Arguments = tuple[Any, ...]
Table = list[list[Any]]
"""The column of UIDs, ascending, then the columns asked for."""


def check_columns(files: AccountFiles, columns: Sequence[Column]) -> None:
    """Raises ValueError for a column that does not exist."""
    for name in columns:
        if not isinstance(name, Derived) and name not in SYSTEM_COLUMNS + files.facets.names:
            raise ValueError(f"no such column: {name!r}")


def table(
    files: AccountFiles,
    folder: Folder,
    uids: Sequence[int],
    columns: Sequence[Column],
    *,
    compute_missing: bool = True,
) -> Table:
    """`Mailbox.table`; computes and keeps facets that the index does not have."""
    wanted = sorted(set(uids))
    if not wanted:
        return [[] for _ in range(len(columns) + 1)]
    _inherit(files, folder, wanted, columns)
    with files.index.reader() as db, db:  # one state for all that is asked
        numbers = _numbers(db, columns)
        found = _select(db, "message", folder.id, wanted, columns, files.facets, numbers)
        if len(found[0]) < len(wanted):
            missing = sorted(set(wanted).difference(found[0]))
            held = _select(db, "held", folder.id, missing, columns, files.facets, numbers)
            if held[0]:
                both = [*zip(*found, strict=True), *zip(*held, strict=True)]
                found = _transposed(sorted(both, key=lambda row: int(row[0])), columns)
    if compute_missing:
        _compute_facets(files, folder, found, columns)
    for number, name in enumerate(columns, 1):
        if isinstance(name, Derived) and None in found[number]:
            _derive(files, folder, found, number, name)
    if compute_missing and any(None in values for values in found[1:]):
        found = _without_gone(found, columns)
    return found


def front(
    files: AccountFiles,
    folder: Folder,
    uids: Sequence[int],
    columns: Sequence[Column],
    max_octets: int,
    *,
    compute_missing: bool = True,
) -> tuple[int, Table]:
    """`Mailbox.front`."""
    wanted = sorted(set(uids))
    count = len(wanted)
    _inherit(files, folder, wanted, columns)
    with files.index.reader() as db:
        numbers = _numbers(db, columns)
        while count > 1:
            some = wanted[:count]
            octets, lacking = _measure(db, folder.id, some, columns, files.facets, numbers)
            if lacking and compute_missing and count > COMPUTE_AT_ONCE:
                count = COMPUTE_AT_ONCE
            elif octets > max_octets:
                count //= 2
            else:
                break
    return count, table(files, folder, wanted[:count], columns, compute_missing=compute_missing)


def _inherit(
    files: AccountFiles, folder: Folder, uids: Sequence[int], columns: Sequence[Column]
) -> None:
    """Give copies among these what their originals have, where it is asked for."""
    if files.origins and any(isinstance(n, Derived) or n not in SYSTEM_COLUMNS for n in columns):
        reading.inherit(files, folder, uids)


def _measure(
    db: apsw.Connection,
    mailbox: int,
    uids: Sequence[int],
    columns: Sequence[Column],
    facets: Facets,
    numbers: dict[str, int],
) -> tuple[int, bool]:
    """(octets kept of these columns, which SQLite need not read for that; are some lacking).

    Of those that are lacking it is not known. A message may be one large header: its octets count.
    """
    low, high = uids[0], uids[-1]
    if high - low < 2 * len(uids):
        where = "id BETWEEN ? AND ?"
        arguments: Arguments = sql.row_id(mailbox, low), sql.row_id(mailbox, high)
    else:
        where = "id IN (SELECT value FROM json_each(?))"
        arguments = (sql.ids(mailbox, uids),)

    def kept(source: str, value: str, condition: str = "") -> tuple[int, int]:
        query = f"SELECT count(*), total(length({value})) FROM {source} WHERE {condition}{where}"
        ((rows, size),) = db.execute(query, arguments)
        return int(rows), int(size)

    octets, lacking = 0, False
    for name in columns:
        rows, size = 0, 0
        if isinstance(name, Derived):
            if number := numbers[name.key]:
                rows, size = kept("derived", "octets", f"number = {number} AND ")
        elif name in facets.names:
            rows, size = kept(table_of(facets, name), column(name))
        elif name != "header":
            continue
        octets += size
        if rows < len(uids) and name not in facets.names:
            rows, size = kept("header", "block")  # of which it is made, or which it is
            octets += size
        lacking = lacking or rows < len(uids)
    if lacking:
        octets += int(sql.value(db, f"SELECT total(size) FROM message WHERE {where}", arguments))
    return octets, lacking


def _transposed(rows: Sequence[Row], columns: Sequence[Column]) -> Table:
    if not rows:
        return [[] for _ in range(len(columns) + 1)]
    return [list(values) for values in zip(*rows, strict=True)]


def _compute_facets(
    files: AccountFiles, folder: Folder, found: Table, columns: Sequence[Column]
) -> None:
    """Fill in what is missing of header blocks and facets."""
    places = {name: number for number, name in enumerate(("header", *files.facets.names))}
    kept = [
        (found[number], places[name])
        for number, name in enumerate(columns, 1)
        if isinstance(name, str) and name in places and None in found[number]
    ]
    if not kept:
        return
    lacking = [row for row in range(len(found[0])) if any(one[row] is None for one, _ in kept)]
    for start in range(0, len(lacking), COMPUTE_AT_ONCE):
        rows = {found[0][row]: row for row in lacking[start : start + COMPUTE_AT_ONCE]}
        for computed in reading.compute(files, folder, list(rows)):
            for uid, values in computed.items():
                row = rows[uid]
                for one, place in kept:
                    one[row] = values[place] if one[row] is None else one[row]


def _without_gone(found: Table, columns: Sequence[Column]) -> Table:
    """Messages of which something could not be computed are gone."""
    sure = [number for number, name in enumerate(columns, 1) if name not in FROM_NAME]
    rows = zip(*found, strict=True)
    return _transposed([r for r in rows if all(r[n] is not None for n in sure)], columns)


# -- derived values --------------------------------------------------------------------------------


def _numbers(db: apsw.Connection, columns: Sequence[Column]) -> dict[str, int]:
    """Under which numbers the derived values of these columns are kept; 0: not yet."""
    derived = [name for name in columns if isinstance(name, Derived)]
    return {one.key: facet_rows.derivation(db, one.key) for one in derived}


def _derive(
    files: AccountFiles, folder: Folder, found: Table, number: int, derived: Derived
) -> None:
    """Fill in the missing values of one column, and keep them if they are many."""
    values = found[number]
    lacking = {found[0][row]: row for row, value in enumerate(values) if value is None}
    fresh = []
    for uid, header in zip(*table(files, folder, list(lacking), ("header",)), strict=True):
        value = values[lacking[uid]] = derived.compute(header)
        fresh.append((sql.row_id(folder.id, uid), value))
    if derived.key and len(fresh) >= KEEP_FROM:
        with files.index.transaction() as db:
            facet_rows.keep_derived(db, derived.key, fresh)


# -- SQL -------------------------------------------------------------------------------------------


def _select(
    db: apsw.Connection,
    source: str,
    mailbox: int,
    uids: Sequence[int],
    columns: Sequence[Column],
    facets: Facets,
    numbers: dict[str, int],
) -> Table:
    """What the index has of these messages."""
    low, high = uids[0], uids[-1]
    known = high - low + 1 == len(uids)  # no gaps: as many rows as UIDs are these UIDs
    query = _Query("count(*)" if known else "group_concat(id & 0xffffffff)", facets)
    for name in columns:
        query.add(name, source, numbers)
    dense = high - low < 2 * len(uids)
    if dense:
        span = sql.row_id(mailbox, low), sql.row_id(mailbox, high)
        row = query.from_one_table(db, span) if source == "message" else None
        if row is None or (known and row[0] != len(uids)):
            row = query.joined(db, source, "BETWEEN ? AND ?", span)
    else:
        some = "IN (SELECT value FROM json_each(?))"
        row = query.joined(db, source, some, (sql.ids(mailbox, uids),))
    if row is None or not row[0]:
        return [[] for _ in range(len(columns) + 1)]
    if not known:
        its_uids = list(map(int, row[0].split(",")))
    elif row[0] == len(uids):
        its_uids = list(uids)
    else:
        its_uids = records.uids(db, mailbox, first=low, before=high + 1, table=source)
    found = [its_uids, *_unpack(row, columns)]
    if dense and its_uids != uids:
        asked = set(uids)
        found = _transposed([r for r in zip(*found, strict=True) if r[0] in asked], columns)
    return found


class _Query:
    """Columns of many messages as one row: which messages they are, then a cell or two a column.

    Where a value is in a table of its own, `tables` has that table by its alias, and what its rows
    must be like besides.
    """

    def __init__(self, who: str, facets: Facets) -> None:
        """`who`: the aggregate that says which messages they are."""
        self._facets = facets
        self._picks = [who]
        self._cells: list[str] = []
        self._tables: dict[str, tuple[str, str]] = {}
        self._own = False
        """Some value is in the message's own row."""

    def add(self, name: Column, source: str, numbers: dict[str, int]) -> None:
        """One more column."""
        cell = f"c{len(self._cells)}"
        self._cells.append(f"{self._value_of(name, source, numbers)} AS {cell}")
        if name in ("size", "zone"):
            self._picks.append(f"group_concat({cell})")
        elif name == "internal_date":
            self._picks.append(f"group_concat(format('%.6f', {cell}))")
        elif name in FROM_NAME:
            self._picks.append(f"group_concat({cell}, char(10))")
        else:
            self._picks.append(f"group_concat(coalesce(length({cell}), -1))")
            self._picks.append(f"CAST(group_concat(coalesce({cell}, x''), '') AS BLOB)")

    def _value_of(self, name: Column, source: str, numbers: dict[str, int]) -> str:
        """The SQL of a column's value."""
        if isinstance(name, Derived):
            if not (number := numbers[name.key]):
                return "NULL"
            alias = f"derived{number}"
            self._tables[alias] = ("derived", f"{alias}.number = {number} AND ")
            return f"{alias}.octets"
        if name in FROM_NAME or name in ("size", "internal_date", "zone"):
            self._own = True
            if name == "zone":
                return ZONE
            if name in FROM_NAME:
                return "m.name" if source == "message" else HELD_NAME
            return f"m.{name}"
        table = "header" if name == "header" else table_of(self._facets, name)
        self._tables[table] = (table, "")
        return f"{table}.{'block' if name == 'header' else column(name)}"

    def joined(self, db: apsw.Connection, source: str, where: str, arguments: Arguments) -> Any:
        """The row, of the messages whose ids are so."""
        joins = "".join(
            f" LEFT JOIN {table} AS {alias} ON {condition}{alias}.id = m.id"
            for alias, (table, condition) in self._tables.items()
        )
        inner = ", ".join(["m.id", *self._cells])
        rows = f"SELECT {inner} FROM {source} AS m{joins} WHERE m.id {where} ORDER BY m.id"
        return db.execute(f"SELECT {', '.join(self._picks)} FROM ({rows})", arguments).fetchone()

    def from_one_table(self, db: apsw.Connection, span: Arguments) -> Any:
        """The same in less time, of messages with ids in this span, where one table has it all.

        None: it has not, or it has rows for others than just the messages that are there.
        """
        if self._own or len(self._tables) != 1:
            return None
        ((alias, (table, condition)),) = self._tables.items()
        inner = ", ".join([f"{alias}.id", *self._cells])
        where = f"{condition}{alias}.id BETWEEN ? AND ? ORDER BY {alias}.id"
        rows = f"SELECT {inner} FROM {table} AS {alias} WHERE {where}"
        row = db.execute(f"SELECT {', '.join(self._picks)} FROM ({rows})", span).fetchone()
        there = "SELECT id FROM message WHERE id BETWEEN ? AND ? ORDER BY id"
        who = sql.value(db, f"SELECT {self._picks[0]} FROM ({there})", span)
        return row if row is not None and row[0] == who else None


def _unpack(row: tuple[Any, ...], columns: Sequence[Column]) -> Table:
    lists: Table = []
    cells = iter(row[1:])
    for name in columns:
        if name == "size":
            lists.append(list(map(int, next(cells).split(","))))
        elif name == "zone":
            lists.append(_zones(next(cells)))
        elif name == "internal_date":
            lists.append(list(map(float, next(cells).split(","))))
        elif isinstance(name, str) and (tells := FROM_NAME.get(name)) is not None:
            lists.append([tells(filename.parse(text)) for text in next(cells).split("\n")])
        else:
            lists.append(_cut(next(cells), next(cells) or b""))
    return lists


def _zones(text: str) -> list[int]:
    commas = text.count(",")
    if commas == len(text):  # as with mail that has been delivered
        return [0] * (commas + 1)
    return list(map(filename.zone_minutes, text.split(",")))


def _cut(lengths: str, octets: bytes) -> list[bytes | None]:
    """Values from their lengths (-1: there is none) and their octets in one."""
    if "-" not in lengths:
        # "12s34s…": `struct` cuts several times as fast as slices do.
        return list(Struct(lengths.replace(",", "s") + "s").unpack(octets))
    sizes = list(map(int, lengths.split(",")))
    places = accumulate(max(size, 0) for size in sizes)
    return [
        None if size < 0 else octets[end - size : end]
        for size, end in zip(sizes, places, strict=True)
    ]
