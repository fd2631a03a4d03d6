"""Reading messages: octets, header blocks, facets; what is missing in the index is computed.

May run beside the account's writer, in threads: a file that was renamed in between, by us or by
another program, is looked up again. Calls block.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from mailsuite.message import Octets
from mailsuite.store import content, facet_rows, records, sql
from mailsuite.store.alter import Locator, aside
from mailsuite.store.errors import MessageGone
from mailsuite.store.files import AccountFiles
from mailsuite.store.folder import Folder
from mailsuite.store.index import facet_tables
from mailsuite.store.records import TMP, Entry
from mailsuite.store.values import Facets, Row

T = TypeVar("T")
KEEP_AT_ONCE = 1 << 23
"""Octets of header blocks and facets that are computed before they go into the index."""
SMALL = 1 << 16
MAP_FROM = 1 << 20
PLACES_AT_ONCE = 100
"""Messages that are looked up for reading: no more than will probably fit."""
INHERIT_AT_ONCE = 500


def with_file(files: AccountFiles, folder: Folder, entry: Entry, action: Callable[[str], T]) -> T:
    """`action(path)` on a message's file, wherever it is by now. Raises MessageGone."""
    for _ in range(4):
        try:
            return action(_path(files, folder, entry))
        except FileNotFoundError:
            now = find(files, folder, [entry.uid])
            if now and (now[0].place, now[0].name) != (entry.place, entry.name):
                entry = now[0]
            elif not now or entry.place == TMP:
                break
            elif Locator(folder, beside=True).find(entry) is None:
                # Perhaps being expunged: set aside already, of which the index is told next.
                entry.place, entry.name = TMP, aside(folder, entry)
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
    places: dict[int, tuple[int, str, int]] = {}
    found: list[tuple[int, bytes | None]] = []
    left = max_octets
    with content.Folders(folder.new, folder.cur) as folders:
        for number, uid in enumerate(uids):
            if number % PLACES_AT_ONCE == 0:
                with files.index.reader() as db:
                    some = uids[number : number + PLACES_AT_ONCE]
                    places = records.places(db, folder.id, some)
            if (where := places.get(uid)) is not None:
                place, name, size = where
                if size > left:
                    return found or [(uid, None)]
                data = folders.read(place, name, size)
            else:
                data = None
            if data is None:
                # Held for this session, renamed, of another size than its name says, or gone.
                data = _read_anew(files, folder, uid, left)
                if data is None and found and find(files, folder, [uid]):
                    return found
            left -= 0 if data is None else len(data)
            found.append((uid, data))
    return found


def _read_anew(files: AccountFiles, folder: Folder, uid: int, left: int) -> bytes | None:
    """A message as `find` knows it; None if it is gone or larger than `left`."""
    entries = find(files, folder, [uid])
    if not entries or entries[0].size > left:
        return None
    with contextlib.suppress(MessageGone):
        return with_file(files, folder, entries[0], content.read_wire)
    return None


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


# -- facets ----------------------------------------------------------------------------------------


def inherit(files: AccountFiles, folder: Folder, uids: Sequence[int]) -> bool:
    """Copies get what their originals have; whether there were any among these messages."""
    if not files.origins:
        return False
    rows = (sql.row_id(folder.id, uid) for uid in uids)
    pairs = [(old, row) for row in rows if (old := files.origins.pop(row, 0))]
    for start in range(0, len(pairs), INHERIT_AT_ONCE):
        with files.index.transaction() as db:
            facet_rows.copy_facets(db, files.facets, pairs[start : start + INHERIT_AT_ONCE])
    return bool(pairs)


def compute(files: AccountFiles, folder: Folder, uids: Sequence[int]) -> Iterator[dict[int, Row]]:
    """UID -> (header block, facet, …), some at a time: a message may be one large header.

    They are in the index then. Messages that are gone are left out.
    """
    found: dict[int, Row] = {}
    octets = 0
    for entry in find(files, folder, uids):
        try:
            row = found[entry.uid] = _compute(files, folder, entry)
        except MessageGone:
            continue
        octets += sum(map(len, row))
        if octets >= KEEP_AT_ONCE:
            _keep(files, folder, found)
            yield found
            found, octets = {}, 0
    if found:
        _keep(files, folder, found)
        yield found


def _keep(files: AccountFiles, folder: Folder, found: dict[int, Row]) -> None:
    insertions = _insertions(files.facets)
    with files.index.transaction() as db:
        for uid, (header, *facets) in found.items():
            row_id = sql.row_id(folder.id, uid)
            # Not for a message that was expunged meanwhile: nobody would clear it away.
            alive = db.execute(
                "SELECT EXISTS (SELECT 1 FROM message WHERE id = ?1)"
                " OR EXISTS (SELECT 1 FROM held WHERE id = ?1)",
                (row_id,),
            ).fetchone()
            if alive is not None and alive[0]:
                db.execute("INSERT OR REPLACE INTO header VALUES(?, ?)", (row_id, header))
                for insertion, places in insertions:
                    db.execute(insertion, (row_id, *[facets[place] for place in places]))


def _insertions(facets: Facets) -> list[tuple[str, list[int]]]:
    """For each table: the SQL, and the places of the facets that follow the row's id."""
    return [
        (
            f"INSERT OR REPLACE INTO {table} VALUES(?{', ?' * len(names)})",
            [facets.names.index(name) for name in names],
        )
        for table, names in facet_tables(facets).items()
    ]


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
        return facet_rows.without_facets(db, folder.id, uids)
