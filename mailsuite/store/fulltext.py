"""The full-text index: which messages may contain a text. One database an account; a cache.

Holds, for header and body apart, which runs of three characters (trigrams) occur in each message,
but neither texts nor places: about half the octets of the text. What it answers is exact up to
three characters; beyond, whoever asks looks into the messages that it names.
Promises: it never denies a text that is there. UIDs it does not know of are told apart
(`Candidates.covers`), and so are messages whose text is larger than its bounds.

It belongs to one index (`Index.birth`), since it knows mailboxes by their ids there, and to one
version of how texts are made and folded; otherwise it begins anew. Calls block.
"""

from __future__ import annotations

import contextlib
import json
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Literal, TypeAlias

import apsw

from mailsuite.base.log import get_logger
from mailsuite.base.sqlite import transaction
from mailsuite.message import (
    SEPARATOR,
    TEXT_VERSION,
    UNICODE_VERSION,
    Octets,
    body_text,
    header_text,
    scan,
)
from mailsuite.store import sql
from mailsuite.store.database import Database, DatabaseDamaged, is_empty
from mailsuite.store.errors import StoreUnavailable
from mailsuite.store.folder import Folder
from mailsuite.store.index import Index

Where: TypeAlias = Literal["header", "body", "any"]

DIRECT = 1 << 16
"""Characters of a text that are given to FTS5 as they are; of a longer one each trigram once."""
MAX_TEXT = 1 << 24
MAX_DISTINCT = 1 << 17
"""Characters of a header or of bodies, and trigrams in them, beyond which a message is unsure."""
FEW = 12
"""Characters of a text of which every trigram is asked for; of longer ones every third."""
MAX_TRIGRAMS = 32
MAX_BEGINNINGS = 400
"""Trigrams that begin with a text of one or two characters; where there are more, nothing is said.
"""
DROP_AT_ONCE = 500
_TABLES = ("header", "body")
_LAYOUT = 1
_SCHEMA = (
    "CREATE TABLE made(by TEXT NOT NULL);"
    # UIDs from first to last are dealt with: indexed, or no such message.
    "CREATE TABLE covered(mailbox INTEGER, first INTEGER, last INTEGER,"
    " PRIMARY KEY(mailbox, first)) WITHOUT ROWID;"
    "CREATE TABLE removed(mailbox INTEGER PRIMARY KEY, modseq INTEGER NOT NULL);"
    "CREATE TABLE unsure(id INTEGER PRIMARY KEY);"
) + "".join(
    f"CREATE VIRTUAL TABLE {table} USING fts5(text, content='', contentless_delete=1,"
    " detail=none, tokenize='trigram case_sensitive 1');"
    f"CREATE VIRTUAL TABLE {table}_terms USING fts5vocab({table}, row);"
    for table in _TABLES
)
log = get_logger("store")


@dataclass(frozen=True, slots=True)
class IndexedText:
    """What the index takes in of one message; not `whole` when a bound kept some of it out."""

    header: str
    body: str
    whole: bool


UNREADABLE = IndexedText("", "", False)


def indexed_text(data: Octets) -> IndexedText:
    """Pure. The texts of a message as they are indexed."""
    root = scan(data)
    header = _joined(iter((header_text(data, root),)))
    body = _joined(body_text(data, root))
    return IndexedText(header or "", body or "", header is not None and body is not None)


def _joined(pieces: Iterator[str]) -> str | None:
    """A text that has the trigrams of the pieces; None when it would be too large."""
    kept: list[str] = []
    length = 0
    for piece in pieces:
        kept.append(piece)
        length += len(piece)
        if length > DIRECT:
            return _distinct(chain(("".join(kept),), pieces))
    # Two separators, so that the last two characters begin trigrams too.
    return "".join([*kept, SEPARATOR * 2])


def _distinct(pieces: Iterable[str]) -> str | None:
    """The trigrams, each once; those between two of them say nothing new."""
    found: set[str] = set()
    window, left = "", MAX_TEXT
    for piece in chain(pieces, (SEPARATOR * 2,)):
        window = window[-2:] + piece
        found |= {window[at : at + 3] for at in range(len(window) - 2)}
        left -= len(piece)
        if left < 0 or len(found) > MAX_DISTINCT:
            return None
    return SEPARATOR.join(found)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Where a text may be.

    hits     UIDs, ascending, of messages that contain it, if `exact`, else may contain it
    unsure   UIDs of messages that may contain it, in any case
    covered  of UIDs in these ranges that are in neither, the messages do not contain it, as long
             as they are in the mailbox; ascending; of others nothing is known
    """

    hits: array[int]
    exact: bool
    unsure: frozenset[int]
    covered: list[range]

    def covers(self, uid: int) -> bool:
        """The index knows this message."""
        place = bisect_right(self.covered, uid, key=lambda piece: piece.start)
        return place > 0 and uid in self.covered[place - 1]


@dataclass(frozen=True, slots=True)
class Place:
    """A mailbox's id, and for which making of the database it holds good."""

    made: str
    mailbox: int


class FullText(Database):
    """Opens itself at the first use, and again after `close`."""

    def __init__(self, path: Path, index: Index) -> None:
        super().__init__(path)
        self._index = index
        self._made = ""

    def set_up(self, db: apsw.Connection) -> None:
        """Make the tables, or check for whom they were made. Raises DatabaseDamaged."""
        made = f"{_LAYOUT} {TEXT_VERSION} {UNICODE_VERSION} {self._index.birth}"
        if is_empty(db):
            with transaction(db):
                db.execute(_SCHEMA)
                db.execute("INSERT INTO made VALUES(?)", (made,))
        elif db.execute("SELECT by FROM made").fetchone() != (made,):
            raise DatabaseDamaged("made for another index, or by another version")
        self._made = made

    def repair(self, error: Exception) -> None:
        """Begin anew after an error that only that can mend."""
        if isinstance(error, DatabaseDamaged):
            log.info("full-text index begun anew", path=str(self._path), reason=str(error))
            self.reset()
        else:
            log.warning("full-text index not usable", path=str(self._path), reason=str(error))

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """While the index is being rebuilt: nobody begins to ask or fill. Afterwards: empty."""
        with self._lock:
            try:
                yield
            finally:
                self.reset()

    def place(self, folder: Folder) -> Place:
        """Where a folder's messages are to be kept. Raises DatabaseDamaged, StoreUnavailable."""
        with self._lock, self.reader():
            return Place(self._made, folder.id)

    # -- asking ------------------------------------------------------------------------------------

    def candidates(self, folder: Folder, text: str, where: Where) -> Candidates | None:
        """Which messages may contain a text (folded, not empty); None when nothing is known."""
        try:
            place = self.place(folder)
            with self.reader() as db:
                if self._made != place.made:
                    return None
                with db:  # one state for all that is asked
                    found = _candidates(db, place.mailbox, text, where)
            return found
        except (DatabaseDamaged, StoreUnavailable) as error:
            self.repair(error)
            return None

    def covered(self, mailbox: int) -> list[range]:
        """UIDs that are dealt with."""
        with self.reader() as db:
            return _covered(db, mailbox)

    # -- filling -----------------------------------------------------------------------------------

    def add(
        self, place: Place, texts: Iterable[tuple[int, IndexedText]], dealt_with: range
    ) -> bool:
        """Take in messages, and that these UIDs are dealt with; False if the place is no more."""
        with self.transaction() as db:
            if self._made != place.made:
                return False
            mailbox = place.mailbox
            for uid, text in texts:
                row_id = sql.row_id(mailbox, uid)
                for table, value in (("header", text.header), ("body", text.body)):
                    if value:
                        insert = f"INSERT OR REPLACE INTO {table}(rowid, text) VALUES(?, ?)"
                        db.execute(insert, (row_id, value))
                if not text.whole:
                    db.execute("INSERT OR IGNORE INTO unsure VALUES(?)", (row_id,))
            _cover(db, mailbox, dealt_with)
        return True

    def removed_to(self, mailbox: int) -> int:
        """The MODSEQ up to which expunged messages have been taken out."""
        with self.reader() as db:
            row = db.execute("SELECT modseq FROM removed WHERE mailbox = ?", (mailbox,)).fetchone()
        return 0 if row is None else int(row[0])

    def remove(self, place: Place, uids: Sequence[int], modseq: int) -> bool:
        """Take out messages that are no more; all expunged up to `modseq` are then out."""
        rest = iter(uids)
        while True:
            some = list(islice(rest, DROP_AT_ONCE))
            with self.transaction() as db:
                if self._made != place.made:
                    return False
                _remove(db, sql.ids(place.mailbox, some))
                if len(some) < DROP_AT_ONCE:
                    db.execute(
                        "INSERT OR REPLACE INTO removed VALUES(?, ?)", (place.mailbox, modseq)
                    )
                    return True

    def uids(self, mailbox: int) -> list[int]:
        """All messages of a mailbox that it has something of."""
        low = sql.row_id(mailbox, 0)
        bounds = (low, low + 0xFFFFFFFF)
        found: set[int] = set()
        with self.reader() as db:
            for table in ("header_docsize", "body_docsize", "unsure"):
                row = db.execute(
                    f"SELECT json_group_array(id & 0xffffffff) FROM {table}"
                    " WHERE id BETWEEN ? AND ?",
                    bounds,
                ).fetchone()
                found.update(json.loads(row[0]) if row else ())
        return sorted(found)

    def drop_others(self, mailboxes: Iterable[int]) -> bool:
        """Forget mailboxes besides these, a piece at a time; True when more is to be done."""
        with self.transaction() as db:
            known = {row[0] for row in db.execute("SELECT DISTINCT mailbox FROM covered")}
            for mailbox in known.difference(mailboxes):
                low = sql.row_id(mailbox, 0)
                row = db.execute(
                    "SELECT json_group_array(id) FROM (SELECT id FROM header_docsize"
                    " WHERE id BETWEEN ?1 AND ?2 UNION SELECT id FROM body_docsize"
                    " WHERE id BETWEEN ?1 AND ?2 UNION SELECT id FROM unsure"
                    " WHERE id BETWEEN ?1 AND ?2 LIMIT ?3)",
                    (low, low + 0xFFFFFFFF, DROP_AT_ONCE),
                ).fetchone()
                if row is not None and row[0] != "[]":
                    _remove(db, row[0])
                    return True
                db.execute("DELETE FROM covered WHERE mailbox = ?", (mailbox,))
                db.execute("DELETE FROM removed WHERE mailbox = ?", (mailbox,))
        return False


# -- SQL -------------------------------------------------------------------------------------------


def _candidates(db: apsw.Connection, mailbox: int, text: str, where: Where) -> Candidates | None:
    covered = _covered(db, mailbox)
    hits: set[int] = set()
    for table in _TABLES if where == "any" else (where,):
        query = _query(db, table, text)
        if query is None:
            return None
        if query:
            hits.update(_matching(db, table, mailbox, query))
    low = sql.row_id(mailbox, 0)
    unsure = db.execute(
        "SELECT json_group_array(id & 0xffffffff) FROM unsure WHERE id BETWEEN ? AND ?",
        (low, low + 0xFFFFFFFF),
    ).fetchone()
    return Candidates(
        array("I", sorted(hits)),
        len(text) <= 3,
        frozenset(json.loads(unsure[0]) if unsure else ()),
        covered,
    )


def _query(db: apsw.Connection, table: str, text: str) -> str | None:
    """The FTS5 expression for a text; "" when nothing matches, None when too much might."""
    if len(text) >= 3:
        places: Iterable[int] = range(len(text) - 2)
        if len(text) > FEW:
            # Every third one, which together are the whole text; and its end.
            places = (*islice(range(0, len(text) - 2, 3), MAX_TRIGRAMS), len(text) - 3)
        trigrams = dict.fromkeys(text[at : at + 3] for at in places)
        return " AND ".join(map(_quoted, trigrams))
    row = db.execute(
        f"SELECT json_group_array(term) FROM (SELECT term FROM {table}_terms"
        " WHERE term >= ? AND term < ? LIMIT ?)",
        (text, text + "\U0010ffff", MAX_BEGINNINGS + 1),
    ).fetchone()
    beginnings = json.loads(row[0]) if row else []
    return None if len(beginnings) > MAX_BEGINNINGS else " OR ".join(map(_quoted, beginnings))


def _quoted(trigram: str) -> str:
    return '"' + trigram.replace('"', '""') + '"'


def _matching(db: apsw.Connection, table: str, mailbox: int, query: str) -> Iterable[int]:
    low = sql.row_id(mailbox, 0)
    row = db.execute(
        f"SELECT group_concat(rowid & 0xffffffff) FROM {table}"
        f" WHERE {table} MATCH ? AND rowid BETWEEN ? AND ?",
        (query, low, low + 0xFFFFFFFF),
    ).fetchone()
    return map(int, row[0].split(",")) if row is not None and row[0] else ()


def _remove(db: apsw.Connection, ids: str) -> None:
    for table in _TABLES:
        db.execute(f"DELETE FROM {table} WHERE rowid IN (SELECT value FROM json_each(?))", (ids,))
    db.execute("DELETE FROM unsure WHERE id IN (SELECT value FROM json_each(?))", (ids,))


def _covered(db: apsw.Connection, mailbox: int) -> list[range]:
    sql = "SELECT first, last FROM covered WHERE mailbox = ? ORDER BY first"
    return [range(first, last + 1) for first, last in db.execute(sql, (mailbox,))]


def _cover(db: apsw.Connection, mailbox: int, new: range) -> None:
    """Add a range, joined with those that it touches."""
    first, last = new.start, new.stop - 1
    for piece in _covered(db, mailbox):
        if piece.start <= last + 1 and piece.stop >= first:
            first, last = min(first, piece.start), max(last, piece.stop - 1)
            db.execute(
                "DELETE FROM covered WHERE mailbox = ? AND first = ?", (mailbox, piece.start)
            )
    if last >= first:
        db.execute("INSERT INTO covered VALUES(?, ?, ?)", (mailbox, first, last))
