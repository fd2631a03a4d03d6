"""Reading messages: octets, header blocks, facets; what is missing in the index is computed.

May run beside the account's writer, in threads: a file that was renamed in between, by us or by
another program, is looked up again. Calls block.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, TypeVar

import apsw

from mailsuite.message import Octets
from mailsuite.store import content, filename, records
from mailsuite.store.alter import Locator
from mailsuite.store.errors import MessageGone
from mailsuite.store.files import AccountFiles
from mailsuite.store.folder import Folder
from mailsuite.store.index import column
from mailsuite.store.records import TMP, Entry
from mailsuite.store.values import SYSTEM_COLUMNS, Row

T = TypeVar("T")
SMALL = 1 << 16
MAP_FROM = 1 << 20
COMPUTE_AT_ONCE = 64
FROM_NAME: dict[str, Callable[[filename.FileName], Any]] = {
    "saved": filename.saved,
    "identity": filename.identity,
}
"""Columns that the file's name tells."""
HELD_NAME = "substr(m.name, instr(m.name, '.') + 1)"
"""Of a held message's name, what it was called before `alter.set_aside`."""


def with_file(files: AccountFiles, folder: Folder, entry: Entry, action: Callable[[str], T]) -> T:
    """`action(path)` on a message's file, wherever it is by now. Raises MessageGone."""
    for _ in range(3):
        try:
            return action(_path(files, folder, entry))
        except FileNotFoundError:
            now = find(files, folder, [entry.uid])
            if now and (now[0].place, now[0].name) != (entry.place, entry.name):
                entry = now[0]
            elif not now or entry.place == TMP or Locator(folder, beside=True).find(entry) is None:
                break
    raise MessageGone(f"UID {entry.uid}")


def _path(files: AccountFiles, folder: Folder, entry: Entry) -> str:
    if entry.place == TMP:
        return f"{files.tmp}/{entry.name}"
    return folder.file(entry.place, entry.name)


def find(files: AccountFiles, folder: Folder, uids: Sequence[int]) -> list[Entry]:
    """Rows of messages, present or held, ascending."""
    with files.index.reader() as db:
        found = records.entries(db, folder.id, uids)
        if len(found) < len(uids):
            missing = set(uids).difference(entry.uid for entry in found)
            found += records.held(db, folder.id, missing)
            found.sort(key=lambda entry: entry.uid)
    return found


def open_message(files: AccountFiles, folder: Folder, uid: int) -> tuple[int | bytes, int]:
    """(file descriptor, or the octets of a small message; size over the wire)."""
    entries = find(files, folder, [uid])
    if not entries:
        raise MessageGone(f"UID {uid}")
    if entries[0].size <= SMALL:
        data = with_file(files, folder, entries[0], content.read_wire)
        return data, len(data)
    return with_file(files, folder, entries[0], lambda path: content.open_wire(path, files.tmp))


def read(
    files: AccountFiles, folder: Folder, uids: Sequence[int], max_octets: int
) -> list[tuple[int, bytes | None]]:
    """Whole messages from the front of `uids`, as `Mailbox.read` promises."""
    entries = {entry.uid: entry for entry in find(files, folder, uids)}
    found: list[tuple[int, bytes | None]] = []
    left = max_octets
    for uid in uids:
        entry = entries.get(uid)
        if entry is None:
            found.append((uid, None))
            continue
        if entry.size > left:
            return found or [(uid, None)]
        try:
            data = with_file(files, folder, entry, content.read_wire)
        except MessageGone:
            found.append((uid, None))
            continue
        left -= len(data)
        found.append((uid, data))
    return found


def examine(
    files: AccountFiles,
    folder: Folder,
    uids: Sequence[int],
    look: Callable[[Octets], T],
    max_octets: int,
) -> list[tuple[int, T | None]]:
    """`look` at messages from the front of `uids`, as `Mailbox.examine` promises. OSError."""
    entries = {entry.uid: entry for entry in find(files, folder, uids)}
    found: list[tuple[int, T | None]] = []
    left = max_octets
    for uid in uids:
        entry = entries.get(uid)
        if entry is not None and entry.size > left and found:
            break
        value = None
        if entry is not None:
            left -= entry.size
            with contextlib.suppress(MessageGone):
                value = _look(files, folder, entry, look)
        found.append((uid, value))
    return found


def _look(files: AccountFiles, folder: Folder, entry: Entry, look: Callable[[Octets], T]) -> T:
    if entry.size <= MAP_FROM:
        return look(with_file(files, folder, entry, content.read_wire))
    fd, size = with_file(files, folder, entry, lambda path: content.open_wire(path, files.tmp))
    try:
        return look(content.FileOctets(fd, size))
    finally:
        os.close(fd)


# -- rows ------------------------------------------------------------------------------------------


def rows(
    files: AccountFiles,
    folder: Folder,
    uids: Sequence[int],
    columns: Sequence[str],
    *,
    compute_missing: bool = True,
) -> list[Row]:
    """`Mailbox.rows`; computes and keeps facets that the index does not have."""
    wanted = sorted(set(uids))
    if not wanted:
        return []
    with files.index.reader() as db:
        found = _select(db, "message", folder.id, wanted, columns)
        if len(found) < len(wanted):
            missing = sorted(set(wanted).difference(row[0] for row in found))
            found += _select(db, "held", folder.id, missing, columns)
            found.sort(key=lambda row: int(row[0]))
    lacking = _lacking(found, columns) if compute_missing else []
    if not lacking:
        return found
    computed: dict[int, Row] = {}
    for start in range(0, len(lacking), COMPUTE_AT_ONCE):
        some = lacking[start : start + COMPUTE_AT_ONCE]
        for uid, values in compute(files, folder, some).items():
            computed[uid] = values
    places = {name: number for number, name in enumerate(("header", *files.facets.names))}
    complete: list[Row] = []
    still = set(lacking)
    for row in found:
        if row[0] not in still:
            complete.append(row)
        elif values_ := computed.get(row[0]):
            filled = (
                values_[places[name]] if value is None and name in places else value
                for name, value in zip(columns, row[1:], strict=True)
            )
            complete.append((row[0], *filled))
    return complete


def _lacking(found: list[Row], columns: Sequence[str]) -> list[int]:
    """UIDs of rows without some value that can be computed."""
    if "saved" not in columns:
        return [row[0] for row in found if None in row]
    numbers = [number for number, name in enumerate(columns, 1) if name not in FROM_NAME]
    return [row[0] for row in found if any(row[number] is None for number in numbers)]


def _select(
    db: apsw.Connection, table: str, mailbox: int, uids: Sequence[int], columns: Sequence[str]
) -> list[Row]:
    """One step of SQLite for all rows: numbers as lists, octets joined with their lengths."""
    picks = ["group_concat(id & 0xffffffff)"]
    inner = ["m.id"]
    joins = set()
    for number, name in enumerate(columns):
        if name == "size":
            picks.append(f"group_concat(c{number})")
        elif name == "internal_date":
            picks.append(f"group_concat(format('%.6f', c{number}))")
        elif name in FROM_NAME:
            picks.append(f"group_concat(c{number}, char(10))")
            file_name = "m.name" if table == "message" else HELD_NAME
            inner.append(f"{file_name} AS c{number}")
            continue
        if name in ("size", "internal_date"):
            inner.append(f"m.{name} AS c{number}")
            continue
        source = "header" if name == "header" else "facet"
        joins.add(source)
        field = "block" if name == "header" else column(name)
        picks.append(f"group_concat(coalesce(length(c{number}), -1))")
        picks.append(f"CAST(group_concat(coalesce(c{number}, x''), '') AS BLOB)")
        inner.append(f"{source}.{field} AS c{number}")
    joined = "".join(f" LEFT JOIN {name} ON {name}.id = m.id" for name in sorted(joins))
    low, high = uids[0], uids[-1]
    dense = high - low < 2 * len(uids)
    if dense:
        where = "m.id BETWEEN ? AND ?"
        arguments: tuple[Any, ...] = (
            records.row_id(mailbox, low),
            records.row_id(mailbox, high),
        )
    else:
        where = "m.id IN (SELECT value FROM json_each(?))"
        arguments = (records.ids(mailbox, uids),)
    row = db.execute(
        f"SELECT {', '.join(picks)} FROM (SELECT {', '.join(inner)} FROM {table} AS m{joined}"
        f" WHERE {where} ORDER BY m.id)",
        arguments,
    ).fetchone()
    if row is None or row[0] is None:
        return []
    lists = _unpack(row, columns)
    found: list[Row] = list(zip(*lists, strict=True))
    if dense and len(found) != len(uids):
        asked = set(uids)
        found = [one for one in found if one[0] in asked]
    return found


def _unpack(row: tuple[Any, ...], columns: Sequence[str]) -> list[Any]:
    lists: list[Any] = [list(map(int, row[0].split(",")))]
    cells = iter(row[1:])
    for name in columns:
        if name == "size":
            lists.append(map(int, next(cells).split(",")))
        elif name == "internal_date":
            lists.append(map(float, next(cells).split(",")))
        elif (tells := FROM_NAME.get(name)) is not None:
            lists.append([tells(filename.parse(text)) for text in next(cells).split("\n")])
        else:
            lengths = list(map(int, next(cells).split(",")))
            octets = next(cells) or b""
            ends = accumulate(max(length, 0) for length in lengths)
            lists.append(
                [
                    None if length < 0 else octets[end - length : end]
                    for length, end in zip(lengths, ends, strict=True)
                ]
            )
    return lists


def check_columns(files: AccountFiles, columns: Sequence[str]) -> None:
    """Raises ValueError for a column that does not exist."""
    for name in columns:
        if name not in SYSTEM_COLUMNS and name not in files.facets.names:
            raise ValueError(f"no such column: {name!r}")


def compute(files: AccountFiles, folder: Folder, uids: Sequence[int]) -> dict[int, Row]:
    """UID -> (header block, facet, …); kept in the index. Messages that are gone are left out."""
    found: dict[int, Row] = {}
    for entry in find(files, folder, uids):
        try:
            found[entry.uid] = _compute(files, folder, entry)
        except MessageGone:
            continue
    if not found:
        return found
    marks = ", ".join("?" * (len(files.facets.names) + 1))
    with files.index.transaction() as db:
        for uid, (header, *facets) in found.items():
            row_id = records.row_id(folder.id, uid)
            # Not for a message that was expunged meanwhile: nobody would clear it away.
            alive = db.execute(
                "SELECT EXISTS (SELECT 1 FROM message WHERE id = ?1)"
                " OR EXISTS (SELECT 1 FROM held WHERE id = ?1)",
                (row_id,),
            ).fetchone()
            if alive is not None and alive[0]:
                db.execute("INSERT OR REPLACE INTO header VALUES(?, ?)", (row_id, header))
                db.execute(f"INSERT OR REPLACE INTO facet VALUES({marks})", (row_id, *facets))
    return found


def _compute(files: AccountFiles, folder: Folder, entry: Entry) -> Row:
    if entry.size <= MAP_FROM:
        data = with_file(files, folder, entry, content.read_wire)
        return (content.header_block(data), *files.facets.compute(data))
    # A large message is looked at in the page cache, not in memory of our own.
    fd, _ = with_file(files, folder, entry, lambda path: content.open_wire(path, files.tmp))
    try:
        with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as mapped:
            return (content.header_block(mapped), *files.facets.compute(mapped))
    finally:
        os.close(fd)


def lacking_facets(files: AccountFiles, folder: Folder, uids: Sequence[int]) -> list[int]:
    """Which of these present messages have no facets yet."""
    with files.index.reader() as db:
        return records.without_facets(db, folder.id, uids)
