"""The index as a table: columns of many messages at once; what it does not have yet is computed.

A query is one step of SQLite: numbers come as one text, octets joined with their lengths. Values
that are derived from header blocks are kept once many have been asked for. Calls block; they may
run beside the account's writer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import apsw

from mailsuite.store import facet_rows, filename, reading, records, sql
from mailsuite.store.files import AccountFiles
from mailsuite.store.folder import Folder
from mailsuite.store.index import column
from mailsuite.store.values import SYSTEM_COLUMNS, Column, Derived, Row

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
    if files.origins and any(isinstance(n, Derived) or n not in SYSTEM_COLUMNS for n in columns):
        reading.inherit(files, folder, wanted)
    with files.index.reader() as db, db:  # one state for all that is asked
        numbers = _numbers(db, columns)
        found = _select(db, "message", folder.id, wanted, columns, numbers)
        if len(found[0]) < len(wanted):
            missing = sorted(set(wanted).difference(found[0]))
            held = _select(db, "held", folder.id, missing, columns, numbers)
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
        some = lacking[start : start + COMPUTE_AT_ONCE]
        computed = reading.compute(files, folder, [found[0][row] for row in some])
        for row in some:
            if (values := computed.get(found[0][row])) is not None:
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
    numbers: dict[str, int],
) -> Table:
    """What the index has of these messages."""
    low, high = uids[0], uids[-1]
    known = high - low + 1 == len(uids)  # no gaps: as many rows as UIDs are these UIDs
    picks = ["count(*)" if known else "group_concat(id & 0xffffffff)"]
    inner, joins = ["m.id"], dict[str, str]()
    for number, name in enumerate(columns):
        cell = f"c{number}"
        inner.append(f"{_value_of(name, source, joins, numbers)} AS {cell}")
        if name in ("size", "zone"):
            picks.append(f"group_concat({cell})")
        elif name == "internal_date":
            picks.append(f"group_concat(format('%.6f', {cell}))")
        elif name in FROM_NAME:
            picks.append(f"group_concat({cell}, char(10))")
        else:
            picks.append(f"group_concat(coalesce(length({cell}), -1))")
            picks.append(f"CAST(group_concat(coalesce({cell}, x''), '') AS BLOB)")
    dense = high - low < 2 * len(uids)
    if dense:
        where = "m.id BETWEEN ? AND ?"
        arguments: tuple[Any, ...] = (
            sql.row_id(mailbox, low),
            sql.row_id(mailbox, high),
        )
    else:
        where = "m.id IN (SELECT value FROM json_each(?))"
        arguments = (sql.ids(mailbox, uids),)
    row = db.execute(
        f"SELECT {', '.join(picks)} FROM (SELECT {', '.join(inner)} FROM {source} AS m"
        f"{''.join(joins.values())} WHERE {where} ORDER BY m.id)",
        arguments,
    ).fetchone()
    if row is None or not row[0]:
        return [[] for _ in range(len(columns) + 1)]
    if not known:
        its_uids = list(map(int, row[0].split(",")))
    elif row[0] == len(uids):
        its_uids = list(uids)
    else:
        its_uids = records.uids(db, mailbox, first=low, before=high + 1, table=source)
    found = [its_uids, *_unpack(row, columns)]
    if dense and len(its_uids) != len(uids):
        asked = set(uids)
        found = _transposed([r for r in zip(*found, strict=True) if r[0] in asked], columns)
    return found


def _value_of(name: Column, source: str, joins: dict[str, str], numbers: dict[str, int]) -> str:
    """The SQL of a column's value; the tables it needs go to `joins`."""
    if isinstance(name, Derived):
        if not (number := numbers[name.key]):
            return "NULL"
        alias = f"derived{number}"
        joins[alias] = (
            f" LEFT JOIN derived AS {alias} ON {alias}.number = {number} AND {alias}.id = m.id"
        )
        return f"{alias}.octets"
    if name in FROM_NAME:
        return "m.name" if source == "message" else HELD_NAME
    if name in ("size", "internal_date"):
        return f"m.{name}"
    if name == "zone":
        return ZONE
    joined = "header" if name == "header" else "facet"
    joins[joined] = f" LEFT JOIN {joined} ON {joined}.id = m.id"
    return "header.block" if name == "header" else f"facet.{column(name)}"


def _unpack(row: tuple[Any, ...], columns: Sequence[Column]) -> Table:
    lists: Table = []
    cells = iter(row[1:])
    for name in columns:
        if name == "size":
            lists.append(list(map(int, next(cells).split(","))))
        elif name == "zone":
            lists.append(list(map(filename.zone_minutes, next(cells).split(","))))
        elif name == "internal_date":
            lists.append(list(map(float, next(cells).split(","))))
        elif isinstance(name, str) and (tells := FROM_NAME.get(name)) is not None:
            lists.append([tells(filename.parse(text)) for text in next(cells).split("\n")])
        else:
            lists.append(_cut(next(cells), next(cells) or b""))
    return lists


def _cut(lengths: str, octets: bytes) -> list[bytes | None]:
    """Values from their lengths (-1: there is none) and their octets in one."""
    sizes = list(map(int, lengths.split(",")))
    if "-" not in lengths:
        ends = list(accumulate(sizes))
        return list(map(octets.__getitem__, map(slice, [0, *ends[:-1]], ends)))
    places = accumulate(max(size, 0) for size in sizes)
    return [
        None if size < 0 else octets[end - size : end]
        for size, end in zip(sizes, places, strict=True)
    ]
