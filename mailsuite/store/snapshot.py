"""A mailbox's columns in one piece, so that a mailbox of any size is opened in a moment.

The rows of 500,000 messages take more than a second to read, this takes milliseconds. It holds as
long as the mailbox's row has the MODSEQ that it was made under, which every change of what is in it
moves on; what does not hold, or makes no sense, is passed over and the rows are read. Calls block.
"""

from __future__ import annotations

import contextlib
import sys
from array import array
from zlib import adler32

import apsw

from mailsuite.store.errors import StoreError
from mailsuite.store.files import AccountFiles
from mailsuite.store.folder import Folder
from mailsuite.store.index import IndexDamaged
from mailsuite.store.records import Columns

WORTH_FROM = 1000
"""The rows of fewer messages are read in no time."""
_LAYOUT = f"{sys.byteorder} {array('I').itemsize} {array('Q').itemsize}"


def read(db: apsw.Connection, mailbox: int) -> Columns | None:
    """The columns of a mailbox; None when there is no snapshot that holds."""
    row = db.execute(
        "SELECT s.uids, s.numbers, s.modseqs, s.fresh, s.states, s.checksum, s.modseq"
        " FROM snapshot AS s JOIN mailbox AS m ON m.id = s.mailbox AND m.modseq = s.modseq"
        " WHERE s.mailbox = ? AND s.layout = ?",
        (mailbox, _LAYOUT),
    ).fetchone()
    if row is None or _checksum(*row[:4], row[4].encode()) != row[5]:
        return None
    found = Columns(states=row[4].split("\n"), modseq=row[6])
    found.uids.frombytes(row[0])
    found.numbers.frombytes(row[1])
    found.modseqs.frombytes(row[2])
    fresh = array("I")
    fresh.frombytes(row[3])
    found.new = fresh.tolist()
    return found


def keep(files: AccountFiles, folder: Folder, columns: Columns) -> None:
    """Keep the columns as they were under `columns.modseq`, if that can be. In the writer."""
    with contextlib.suppress(StoreError, IndexDamaged):  # the rows tell the same, or it is noticed
        _write(files, folder, columns)


def _write(files: AccountFiles, folder: Folder, columns: Columns) -> None:
    octets = [
        column.tobytes()
        for column in (columns.uids, columns.numbers, columns.modseqs, array("I", columns.new))
    ]
    states = "\n".join(columns.states)
    with files.index.transaction() as db:
        db.execute(
            "INSERT OR REPLACE INTO snapshot"
            " SELECT id, ?, ?, ?, ?, ?, ?, ?, ? FROM mailbox WHERE id = ? AND modseq = ?",
            (
                columns.modseq,
                _LAYOUT,
                *octets,
                states,
                _checksum(*octets, states.encode()),
                folder.id,
                columns.modseq,
            ),
        )


def _checksum(*pieces: bytes) -> int:
    value = 1
    for octets in pieces:
        value = adler32(octets, value)
    return value
