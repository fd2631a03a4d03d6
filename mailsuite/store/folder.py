"""One mailbox on disk: where it is, which UIDs and MODSEQs are free, what is known of its folders.

A `Folder` is touched by one writer job at a time, in threads. UIDs and MODSEQs are reserved in the
sidecar, durably and in blocks, before any of them is used, so none is ever given twice, whatever
becomes of the index.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TypeAlias

import apsw

from mailsuite.store import disk, flags, journal, records, unique_ids
from mailsuite.store.errors import LimitReached, NoSuchMailbox
from mailsuite.store.filename import MAX_UID
from mailsuite.store.sidecar import MailboxSidecar
from mailsuite.store.values import Totals

UID_BLOCK = 1024
MODSEQ_BLOCK = 1 << 16
MAX_FOREIGN_UID = 0xF000_0000
"""A greater one from elsewhere is not kept: it would leave too few for what comes."""
MAX_GAPS = 8
NEVER = (-1, -1)
MAX_OWN = 50_000
Name: TypeAlias = tuple[int, str]
"""A name in new/ or cur/: (place, file name)."""

_COLUMNS = (
    "folder",
    "uidvalidity",
    "mailboxid",
    "special_use",
    "uidnext",
    "first_recent",
    "modseq",
    "gaps",
    "history",
    "mtime_new",
    "mtime_cur",
    "sure",
    "journal",
    "messages",
    "size",
    "unseen",
    "deleted",
)


class Folder:
    """State of one mailbox.

    name          its folder's name, "" for INBOX
    uidnext       next UID to be given; `modseq` the same for MODSEQs
    first_recent  messages from here on are \\Recent for nobody yet
    gaps          MODSEQs, [first, last], of changes that a power cut may have taken back after
                  clients had heard of them
    history       MODSEQ from which on all expunges are known
    known         times (ns) of new/ and cur/ when they last held exactly what the index says
    sure          nobody else can have changed them unnoticed at that time
    adopt_from    a file with U= from here on, and below `uidnext` at opening, is one of ours that
                  the index has lost; others come from elsewhere
    own           names that our own changes made come or go, and of which `watch` will tell
    watch         what tells of changes by others (`store.watcher`), or None
    watched_since the one that was there when the folder was last listed, or `sure`
    tells_all     its path goes through no symbolic link, whose change a watch could not tell of
    journal       octets of the keyword journal that the index has taken in
    messages, size, unseen, deleted   totals
    """

    __slots__ = (
        "_keywords",
        "_unpruned",
        "adopt_below",
        "adopt_from",
        "checked_at",
        "cost",
        "cur",
        "deleted",
        "first_recent",
        "gaps",
        "history",
        "id",
        "journal",
        "known",
        "messages",
        "modseq",
        "name",
        "new",
        "own",
        "path",
        "sidecar",
        "size",
        "sure",
        "tells_all",
        "uidnext",
        "unseen",
        "watch",
        "watched_since",
    )

    def __init__(self, number: int, name: str, path: Path, sidecar: MailboxSidecar) -> None:
        self.id = number
        self.sidecar = sidecar
        self.tells_all = False
        self.move_to(name, path)
        self.uidnext = sidecar.uidnext
        self.modseq = sidecar.modseq
        self.first_recent = sidecar.first_recent
        self.gaps: list[list[int]] = []
        self.history = sidecar.modseq - 1
        self._unpruned = 0
        self.known = NEVER
        self.sure = False
        self.adopt_from = 1
        self.adopt_below = sidecar.uidnext
        self.checked_at = 0.0
        self.cost = 0.0
        self.journal = 0
        self.messages = self.size = self.unseen = self.deleted = 0
        self.own: Counter[Name] = Counter()
        self.watch: object = None
        self.watched_since: object = None
        self._keywords: flags.Keywords | None = None

    def move_to(self, name: str, path: Path) -> None:
        """The folder has been renamed."""
        self.name = name
        self.path = path
        self.new = f"{path}/new"
        self.cur = f"{path}/cur"

    def file(self, place: int, name: str) -> str:
        """Path of a message file in new/ or cur/."""
        return f"{self.new if place == records.NEW else self.cur}/{name}"

    @property
    def name_form(self) -> unique_ids.Form:
        """How its messages are named to clients that want unique ids."""
        return unique_ids.form_of(self.sidecar.names, self.sidecar.uidvalidity)

    @property
    def highestmodseq(self) -> int:
        """No change has a greater MODSEQ."""
        return self.modseq - 1

    def known_since(self, since: int) -> int:
        """The MODSEQ to answer from when a client knows everything up to `since`; 0: all of it.

        What it heard of in a gap may not have happened.
        """
        return 0 if any(first <= since <= last for first, last in self.gaps) else since

    def history_lost(self) -> None:
        """The index is begun anew: nobody knows what was expunged before this moment."""
        self.history = self.take_modseq()

    def note_expunged(self, db: apsw.Connection, count: int) -> None:
        """So many expunges have been written down: keep the history of them bounded."""
        self._unpruned += count
        if self._unpruned > records.MAX_EXPUNGED // 2:
            self.prune(db)

    def prune(self, db: apsw.Connection) -> None:
        """Forget the oldest expunges, if there are too many."""
        self._unpruned = 0
        self.history = max(self.history, records.prune_expunged(db, self.id))

    # -- numbers -----------------------------------------------------------------------------------

    def take_uids(self, count: int) -> int:
        """Reserve `count` UIDs for good; the first of them. Raises LimitReached."""
        first = max(self.uidnext, self.sidecar.reserved)
        self._advance(first + count)
        return first

    def take_uid(self, uid: int) -> int:
        """This UID, which a message had elsewhere; the next one where it is not free any more."""
        if not self.uidnext <= uid <= MAX_FOREIGN_UID:
            return self.take_uids(1)
        self._advance(uid + 1)
        return uid

    def _advance(self, uidnext: int) -> None:
        if uidnext > MAX_UID:
            raise LimitReached("the mailbox has no UID left")
        if uidnext > self.sidecar.uidnext:
            self._reserve(min(uidnext + UID_BLOCK, MAX_UID), self.sidecar.modseq)
        self.uidnext = uidnext

    def take_modseq(self) -> int:
        """A MODSEQ greater than all before."""
        if self.modseq >= self.sidecar.modseq:
            # One write for both numbers: whatever changes a mailbox usually needs both.
            uids = self.sidecar.uidnext
            if self.uidnext >= uids:
                uids = min(self.uidnext + UID_BLOCK, MAX_UID)
            self._reserve(uids, self.modseq + MODSEQ_BLOCK)
        self.modseq += 1
        return self.modseq - 1

    def skip_uids(self, uidnext: int) -> None:
        """Files already carry UIDs below `uidnext`: never give those."""
        if uidnext > self.uidnext:
            self._advance(uidnext)

    def _reserve(self, uidnext: int, modseq: int) -> None:
        before = (self.sidecar.uidnext, self.sidecar.modseq, self.sidecar.first_recent)
        self.sidecar.uidnext, self.sidecar.modseq = uidnext, modseq
        self.sidecar.first_recent = self.first_recent
        try:
            self.write_sidecar()
        except BaseException:
            self.sidecar.uidnext, self.sidecar.modseq, self.sidecar.first_recent = before
            raise

    def write_sidecar(self) -> None:
        """Write the sidecar as it stands. Raises NoSuchMailbox when the folder is gone."""
        try:
            self.sidecar.write(self.path)
        except FileNotFoundError as error:
            raise NoSuchMailbox(self.name) from error

    def flush(self) -> None:
        """Write exact numbers at a clean end, so that nothing is skipped at the next start."""
        exact = (self.uidnext, self.modseq, self.first_recent)
        sidecar = self.sidecar
        if (sidecar.uidnext, sidecar.modseq, sidecar.first_recent) != exact:
            sidecar.uidnext, sidecar.modseq, sidecar.first_recent = exact
            self.write_sidecar()

    # -- what is known of the folders --------------------------------------------------------------

    def times(self) -> tuple[int, int]:
        """Modification times (ns) of new/ and cur/. Raises NoSuchMailbox."""
        try:
            return disk.changed_at(self.new), disk.changed_at(self.cur)
        except FileNotFoundError as error:
            raise NoSuchMailbox(self.name) from error

    def own_change(self, place: int, name: str) -> None:
        """We have made this name come or go."""
        if self.watch is not None:
            if len(self.own) >= MAX_OWN:
                self.own.clear()  # then they are looked up one by one
            self.own[place, name] = self.own.get((place, name), 0) + 1

    def foreign(self, names: Counter[Name]) -> list[Name]:
        """Those of the names that we have been told of which are not our own doing."""
        found = []
        for name, count in names.items():
            ours = self.own.pop(name, 0)
            if ours > count:
                self.own[name] = ours - count  # we'll be told of the rest
            elif ours < count:
                found.append(name)
        return found

    @property
    def is_sure(self) -> bool:
        """What is known of the folders is what was there, or a watch will tell of the rest."""
        return self.sure or self.sees_all

    @property
    def sees_all(self) -> bool:
        """Every change since the folder was surely known has been, or will be, told of."""
        watch = self.watch
        return watch is not None and watch is self.watched_since

    def before_change(self) -> None:
        """To be called before our own changes of new/ and cur/: remember whether others came."""
        if self.times() != self.known:
            self.known = NEVER

    def after_change(self) -> None:
        """To be called after them. Nobody can tell whether others changed something meanwhile."""
        if self.known != NEVER and (times := self.times()) != self.known:
            self.known = times
            self.sure = False

    def keywords(self) -> flags.Keywords:
        """The mailbox's keywords; the journal is read, and tidied, at the first call."""
        if self._keywords is None:
            size = journal.size(self.path)
            if not size:
                self._keywords = flags.Keywords()
                return self._keywords
            words = journal.read(self.path)
            self._keywords = flags.Keywords(word for line in words.values() for word in line)
            in_use = sum(len(str(uid)) + 2 + len(" ".join(line)) for uid, line in words.items())
            if size > journal.COMPACT_FROM and size > 2 * in_use and size == self.journal:
                self.journal = journal.rewrite(self.path, words)
        return self._keywords

    def forget_keywords(self) -> None:
        """Read them anew at the next use."""
        self._keywords = None

    # -- totals ------------------------------------------------------------------------------------

    def count(self, state: str, size: int, sign: int) -> None:
        """Add (+1) or take away (-1) a message from the totals."""
        letters = flags.letters(state)
        self.messages += sign
        self.size += sign * size
        if "S" not in letters:
            self.unseen += sign
        if "T" in letters:
            self.deleted += sign

    @property
    def totals(self) -> Totals:
        """As they are at this moment."""
        return Totals(self.messages, self.size, self.unseen, self.deleted)

    # -- the index row -----------------------------------------------------------------------------

    def _row(self) -> list[object]:
        return [
            self.name,
            self.sidecar.uidvalidity,
            self.sidecar.mailboxid,
            self.sidecar.special_use,
            self.uidnext,
            self.first_recent,
            self.modseq,
            json.dumps(self.gaps),
            self.history,
            *self.known,
            int(self.sure),
            self.journal,
            self.messages,
            self.size,
            self.unseen,
            self.deleted,
        ]

    def insert(self, db: apsw.Connection) -> None:
        """Write a new row; gives the folder its `id` unless it has one."""
        marks = ", ".join("?" * (len(_COLUMNS) + 1))
        db.execute(
            f"INSERT INTO mailbox(id, {', '.join(_COLUMNS)}) VALUES({marks})",
            [self.id or None, *self._row()],
        )
        self.id = db.last_insert_rowid()

    def save(self, db: apsw.Connection) -> None:
        """Write the row."""
        sets = ", ".join(f"{name} = ?" for name in _COLUMNS)
        db.execute(f"UPDATE mailbox SET {sets} WHERE id = ?", [*self._row(), self.id])

    def load(self, db: apsw.Connection) -> bool:
        """Take back what the index knows of this mailbox; False when it has no fitting row."""
        row = db.execute(
            "SELECT uidnext, first_recent, history, mtime_new, mtime_cur, sure, journal,"
            " messages, size, unseen, deleted, modseq, gaps FROM mailbox"
            " WHERE id = ? AND uidvalidity = ? AND mailboxid = ?",
            (self.id, self.sidecar.uidvalidity, self.sidecar.mailboxid),
        ).fetchone()
        if row is None:
            return False
        self.adopt_from = row[0]
        self.first_recent = max(self.first_recent, row[1])
        self.history = row[2]
        self.known = (row[3], row[4])
        self.sure = bool(row[5])
        self.journal, self.messages, self.size, self.unseen, self.deleted = row[6:11]
        self.gaps = json.loads(row[12])
        if row[11] < self.modseq:
            self._note_gap(row[11], self.modseq - 1)
        return True

    def _note_gap(self, first: int, last: int) -> None:
        """These were reserved, and perhaps given, but the index knows nothing of it."""
        self.gaps.append([first, last])
        if len(self.gaps) > MAX_GAPS:
            self.gaps[:2] = [[self.gaps[0][0], self.gaps[1][1]]]

    def restore_totals(self, db: apsw.Connection) -> None:
        """After a failed transaction: totals as the index has them."""
        row = db.execute(
            "SELECT messages, size, unseen, deleted, first_recent FROM mailbox WHERE id = ?",
            (self.id,),
        ).fetchone()
        if row is not None:
            self.messages, self.size, self.unseen, self.deleted, self.first_recent = row
