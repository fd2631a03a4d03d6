"""Changing flags, expunging, moving from new/ to cur/: what happens to messages that are there.

Another program may rename or remove a file at any instant: a file that is not where the index says
is looked up in the folder, its new flags are taken over before ours are applied, and one that is
gone is left to the next merge. Calls block and belong to the account's writer.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mailsuite.store import disk, filename, flags, journal, merge, records
from mailsuite.store.attachment import Attachment
from mailsuite.store.change import Change
from mailsuite.store.files import AccountFiles
from mailsuite.store.flags import EVERY_FLAG, Scope
from mailsuite.store.folder import NEVER, Folder
from mailsuite.store.records import CUR, NEW, Entry
from mailsuite.store.updates import Update
from mailsuite.store.values import FlagsStored


class Locator:
    """Finds files that another program has renamed; lists the folder once, at the first need.

    In the writer (not `beside` it, where the renaming may be our own) that also calls for a merge.
    """

    __slots__ = ("_beside", "_by_head", "_folder")

    def __init__(self, folder: Folder, *, beside: bool = False) -> None:
        self._folder = folder
        self._beside = beside
        self._by_head: dict[str, tuple[int, str]] | None = None

    def find(self, entry: Entry) -> Entry | None:
        """Put the present place, name and letters into the entry; None when the file is gone."""
        if self._by_head is None:
            if not self._beside:
                self._folder.known = NEVER
            self._by_head = {}
            for place in (NEW, CUR):
                path = self._folder.new if place == NEW else self._folder.cur
                for name in disk.list_messages(path):
                    self._by_head[filename.head(name)] = (place, name)
        where = self._by_head.get(filename.head(entry.name))
        if where is None:
            return None
        entry.place, entry.name = where
        entry.state = flags.with_letters(entry.state, filename.letters_of(entry.name))
        return entry


@dataclass(frozen=True, slots=True)
class FlagRequest:
    """What STORE asks: operation "+", "-" or ""; `uids` None for all."""

    uids: Sequence[int] | None
    operation: str
    flags: frozenset[str]
    unchanged_since: int | None = None
    within: Scope = EVERY_FLAG

    def apply(self, before: str, letters: set[str], words: list[str]) -> str:
        """The state after it."""
        return self.within.merge(before, flags.apply(before, self.operation, letters, words))


def store_flags(
    files: AccountFiles, folder: Folder, request: FlagRequest, origin: Attachment | None
) -> FlagsStored:
    """Change flags; file names and the journal first, then the rows, all under one MODSEQ."""
    letters, words = flags.split(request.flags)
    table = folder.keywords()
    if request.operation == "-":
        words = [known for word in words if (known := table.spell(word)) is not None]
    else:
        words = [table.learn(word) for word in words]
    with files.index.reader() as db:
        entries = records.entries(db, folder.id, request.uids)
    limit = request.unchanged_since
    modified = [entry.uid for entry in entries if limit is not None and entry.modseq > limit]
    passed = set(modified)
    changed: list[Entry] = []
    totals: list[tuple[str, Entry]] = []
    lost = False
    locator = Locator(folder)
    modseq = 0
    states: dict[str, str] = {}
    with files.changing(folder) as change:
        for entry in entries:
            if entry.uid in passed:
                continue
            before = entry.state
            if (wanted := states.get(before)) is None:
                wanted = states[before] = request.apply(before, letters, words)
            if wanted == before:
                continue
            if flags.letters(wanted) != flags.letters(before):
                moved = _rename(change, folder, locator, entry, wanted, request, letters, words)
                if moved is None:
                    lost = True
                    continue
            else:
                entry.state = wanted
            changed.append(entry)
            totals.append((before, entry))
        if changed:
            modseq = folder.take_modseq()
            _write_keywords(folder, totals)
            for before, entry in totals:
                entry.modseq = modseq
                folder.count(before, entry.size, -1)
                folder.count(entry.state, entry.size, +1)
            with change.commit() as db:
                records.update(db, folder.id, changed)
    if changed:
        update = Update(folder, modseq)
        update.flags = [(entry.uid, entry.state) for entry in changed]
        update.origin = origin
        files.updates.append(update)
    if lost:
        merge.merge(files, folder)
    return FlagsStored(array("I", [entry.uid for entry in changed]), array("I", modified))


def _rename(
    change: Change,
    folder: Folder,
    locator: Locator,
    entry: Entry,
    state: str,
    request: FlagRequest,
    letters: set[str],
    words: list[str],
) -> Entry | None:
    """Write the new letters into the file name, on top of what others have written there.

    `state`: what the request makes of the entry's.
    """
    for attempt in range(3):
        name = filename.relettered(entry.name, flags.letters(state))
        try:
            if (entry.place, entry.name) != (CUR, name):
                change.rename(folder.file(entry.place, entry.name), folder.file(CUR, name))
        except FileNotFoundError:
            if attempt:
                locator = Locator(folder)
            if locator.find(entry) is None:
                return None
            state = request.apply(entry.state, letters, words)
            continue
        entry.place, entry.name, entry.state = CUR, name, state
        return entry
    return None


def _write_keywords(folder: Folder, changes: Iterable[tuple[str, Entry]]) -> None:
    lines = [
        (entry.uid, words)
        for before, entry in changes
        if (words := flags.keywords(entry.state)) != flags.keywords(before)
    ]
    if lines:
        folder.journal = journal.append(folder.path, lines, sync=False)


def expunge(
    files: AccountFiles,
    folder: Folder,
    uids: Sequence[int] | None,
    *,
    only_deleted: bool,
    keep: bool,
    origin: Attachment | None,
) -> list[int]:
    """Remove messages. With `keep` all or none of them, and their files lie in tmp/ until `let_go`.

    Else files go for good, one after the other: when the disk refuses to remove one, those before
    it are gone, and told to be, and its OSError is raised.
    """
    with files.index.reader() as db:
        if uids is None and only_deleted:  # as CLOSE asks, mostly of a mailbox that has none
            uids = records.deleted(db, folder.id) if folder.deleted else []
        entries = records.entries(db, folder.id, uids)
    if only_deleted:
        entries = [entry for entry in entries if "T" in flags.letters(entry.state)]
    if not entries:
        return []
    kept: list[Entry] = []
    refusal: OSError | None = None
    with files.changing(folder) as change:
        if keep:
            kept = set_aside(files, change, folder, entries)
        else:
            entries, refusal = _unlink(change, folder, entries)
        modseq = folder.take_modseq()
        for entry in entries:
            folder.count(entry.state, entry.size, -1)
        gone = [entry.uid for entry in entries]
        try:
            with change.commit() as db:
                records.remove(db, folder.id, gone, modseq, kept)
                folder.note_expunged(db, len(gone))
        except BaseException:
            if not keep:
                folder.known = NEVER  # the files are gone all the same: the next merge tells
            raise
    update = Update(folder, modseq)
    update.expunged, update.kept, update.origin = gone, keep, origin
    files.updates.append(update)
    if refusal is not None:
        raise refusal
    return gone


def _unlink(
    change: Change, folder: Folder, entries: list[Entry]
) -> tuple[list[Entry], OSError | None]:
    """Remove files for ever: those that are gone now, and why the rest are not.

    No crash can bring them back: what the index then lacks is seen as another program's doing.
    """
    locator = Locator(folder)
    for count, entry in enumerate(entries):
        for _ in range(2):
            try:
                change.unlink(folder.file(entry.place, entry.name))
            except FileNotFoundError:
                if locator.find(entry) is not None:
                    continue
            except OSError as error:
                return entries[:count], error
            break
    return entries, None


def aside(folder: Folder, entry: Entry) -> str:
    """What a message's file is called in tmp/ once it is set aside."""
    return f"x{folder.id}.{filename.head(entry.name)}"


def set_aside(
    files: AccountFiles, change: Change, folder: Folder, entries: Sequence[Entry]
) -> list[Entry]:
    """Move files to tmp/, so that a crash can't bring them back; rows for those that were there.

    A file that has moved on is followed; one that is gone need not be removed any more.
    """
    locator = Locator(folder)
    kept = []
    for entry in entries:
        name = aside(folder, entry)
        for _ in range(2):
            try:
                change.rename(folder.file(entry.place, entry.name), f"{files.tmp}/{name}")
            except FileNotFoundError:
                if locator.find(entry) is None:
                    break
                continue
            kept.append(
                Entry(
                    entry.uid,
                    records.TMP,
                    name,
                    entry.state,
                    entry.modseq,
                    entry.internal_date,
                    entry.size,
                )
            )
            break
    return kept


def let_go(files: AccountFiles, folder: Folder, uids: Sequence[int]) -> None:
    """No session reads these expunged messages any more: remove their files for ever."""
    with files.index.transaction() as db:
        entries = records.held(db, folder.id, uids)
        records.let_go(db, folder.id, uids)
    for entry in entries:
        disk.unlink_quietly(f"{files.tmp}/{entry.name}")


def claim(files: AccountFiles, folder: Folder, before: int) -> None:
    r"""Some session has made the messages below `before` \Recent: move them from new/ to cur/."""
    folder.first_recent = max(folder.first_recent, before)
    with files.index.reader() as db:
        entries = records.entries_in_new(db, folder.id, folder.first_recent)
    moved: list[Entry] = []
    with files.changing(folder) as change:
        for entry in entries:
            name = filename.relettered(entry.name, flags.letters(entry.state))
            try:
                change.rename(folder.file(NEW, entry.name), folder.file(CUR, name))
            except FileNotFoundError:
                folder.known = NEVER  # another program was quicker: the next merge tells
                continue
            entry.place, entry.name = CUR, name
            moved.append(entry)
        with change.commit() as db:
            records.update(db, folder.id, moved)
