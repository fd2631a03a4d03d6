"""Merging what other programs did in a folder: new files, flags changed by renaming, files gone.

Never overwrites their change: whatever has moved on meanwhile is left for the next time. Folder
times tell cheaply that nothing happened; a time so young that a second change could hide behind it,
and our own changes, make it unsure, and the folder is listed again a little later. Calls block.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailsuite.base.computing import let_go
from mailsuite.store import disk, filename, flags, journal, numbering, records, sidecar
from mailsuite.store.errors import NoSuchMailbox
from mailsuite.store.folder import Folder, Name
from mailsuite.store.records import CUR, NEW, Entry
from mailsuite.store.updates import Update

if TYPE_CHECKING:
    from mailsuite.store.files import AccountFiles

RACY_FINE = 0.05
RACY_COARSE = 2.0
RECHECK_SHARE = 50  # listing again takes at most 1/50 of the time


@dataclass(slots=True)
class _Found:
    """What a listing shows against the index: (place, name) by UID or as files without one."""

    moved: dict[int, tuple[int, str]] = field(default_factory=dict)
    fresh: list[tuple[int, str]] = field(default_factory=list)
    vanished: list[int] = field(default_factory=list)


def is_current(files: AccountFiles, folder: Folder) -> bool:
    """Nothing hints at changes by others. Only stats; may run beside the writer."""
    times = folder.times()
    if times != folder.known:
        return False
    if folder.sure or folder.sees_all:
        return True
    wait = max(_window(times), RECHECK_SHARE * folder.cost)
    return files.clock.monotonic() - folder.checked_at < wait


def noticed(
    files: AccountFiles,
    folder: Folder,
    names: Counter[Name],
    watch: object,
    *,
    lost: bool,
    claim: bool = False,
) -> None:
    """These names have come or gone: merge, unless it was our own doing or the index knows it.

    Belongs to the account's writer, so our own changes are in the index by now. `lost`: others,
    that nobody knows, may have come or gone too. Raises NoSuchMailbox.
    """
    foreign = folder.foreign(names)
    if lost or (foreign and not _all_known(files, folder, foreign)):
        merge(files, folder, claim=claim)
        listed = True
    else:
        listed = refresh(files, folder, claim=claim)
    if listed or folder.sure:
        # From such a state on, every change is told of.
        folder.watched_since = watch


def _all_known(files: AccountFiles, folder: Folder, names: Collection[Name]) -> bool:
    """Every one of these names is on the disk just if the index has it."""
    uids = {name: filename.parse(name).uid for _, name in names}
    with files.index.reader() as db:
        rows = records.places(db, folder.id, sorted({uid for uid in uids.values() if uid}))
    for place, name in names:
        uid = uids[name]
        row = rows.get(uid) if uid is not None else None
        expected = row is not None and row[:2] == (place, name)
        if os.path.lexists(folder.file(place, name)) is not expected:
            return False
    return True


def refresh(files: AccountFiles, folder: Folder, *, claim: bool = False) -> bool:
    """Merge if anything hints at changes; whether anything did. Raises NoSuchMailbox."""
    with contextlib.suppress(NoSuchMailbox):  # merge finds out whether it really is gone
        if is_current(files, folder):
            return False
    merge(files, folder, claim=claim)
    return True


def catch_up(files: AccountFiles, folder: Folder, *, claim: bool = False) -> None:
    """Bring a folder just opened in step with its files."""
    stale = folder.journal != journal.size(folder.path)
    if stale or not folder.sure or folder.times() != folder.known:
        merge(files, folder, claim=claim)
    folder.adopt_from = folder.adopt_below


def merge(files: AccountFiles, folder: Folder, *, claim: bool = False) -> None:
    r"""List the folder and take in what is different. Raises NoSuchMailbox.

    `claim`: a session takes what is new as \Recent, so that it goes from new/ to cur/ at once.
    """
    began = files.clock.monotonic()
    own = sidecar.read_mailbox(folder.path)
    if own is None or own.mailboxid != folder.sidecar.mailboxid:
        files.drop(folder)
        raise NoSuchMailbox(folder.name)
    disk.make_maildir(folder.path)
    times = folder.times()
    stale = folder.journal != journal.size(folder.path)
    if stale:
        folder.forget_keywords()
    renamed = False
    if stale or not _is_as_known(files, folder):
        renamed = _merge_names(files, folder, stale=stale, claim=claim)
    folder.known = folder.times() if renamed else times
    folder.sure = not renamed and not _is_racy(files, times)
    folder.cost = files.clock.monotonic() - began
    folder.checked_at = files.clock.monotonic()
    with files.index.transaction() as db:
        folder.save(db)


def _is_as_known(files: AccountFiles, folder: Folder) -> bool:
    """There are just the names that the index has: a glance, as it mostly turns out.

    In as much memory for any number of messages: names are not kept but added up, as numbers of 64
    bits under a key that nobody knows (`hash`). Other names give another sum.
    """
    with files.index.reader() as db:
        for place, path in ((NEW, folder.new), (CUR, folder.cur)):
            if records.names_sum(db, folder.id, place) != disk.names_sum(path):
                return False
    return True


def _merge_names(files: AccountFiles, folder: Folder, *, stale: bool, claim: bool) -> bool:
    """Compare name by name, and take in what is different; True when files were renamed."""
    with files.index.reader() as db:
        known = records.names(db, folder.id)
    found = _compare(folder, known)
    if found.vanished:
        # A file being renamed while the folder is listed can be missed: look twice.
        again = _compare(folder, known)
        found = _Found(again.moved, again.fresh, sorted({*found.vanished} & {*again.vanished}))
    if not (found.moved or found.fresh or found.vanished or stale):
        return False
    used = set(known[0].values()) | set(known[1].values())
    renamed = _tidy(folder, found)
    return _take_in(files, folder, found, used, claim) or renamed


def _is_racy(files: AccountFiles, times: tuple[int, int]) -> bool:
    return files.clock.now() - max(times) / 1e9 < _window(times)


def _window(times: tuple[int, int]) -> float:
    """Seconds in which a second change can hide behind these times."""
    return RACY_FINE if max(times) % 1_000_000_000 else RACY_COARSE


def _compare(folder: Folder, known: tuple[dict[str, int], dict[str, int]]) -> _Found:
    # new/ first: what moves to cur/ meanwhile is then seen twice rather than not at all.
    on_disk = (disk.list_messages(folder.new), disk.list_messages(folder.cur))
    added: dict[str, tuple[int, str]] = {}
    extra: list[tuple[int, str]] = []
    missing: dict[str, int] = {}
    present: dict[str, tuple[int, str, int]] = {}
    for place in (NEW, CUR):
        there = known[place]
        for name in on_disk[place]:
            if name not in there:
                head = filename.head(name)
                if head in added and added[head][0] == place:
                    extra.append(added[head])
                added[head] = (place, name)
        still = set(on_disk[place])
        for name, uid in there.items():
            if name not in still:
                missing[filename.head(name)] = uid
            elif added:
                present[filename.head(name)] = (place, name, uid)
    found = _Found(fresh=extra)
    for head, (place, name) in added.items():
        if head in missing:
            found.moved[missing.pop(head)] = (place, name)
        elif head in present and not os.path.lexists(folder.file(*present[head][:2])):
            found.moved[present[head][2]] = (place, name)  # renamed while we were listing
        else:
            found.fresh.append((place, name))
    found.vanished = sorted(missing.values())
    return found


def _tidy(folder: Folder, found: _Found) -> bool:
    """Take out of renamed files' flags what the index can't keep; True when any was renamed."""
    renamed = False
    for uid, (place, name) in list(found.moved.items()):
        if name.isascii() and name.isprintable():
            continue
        clean = filename.relettered(name, filename.letters_of(name))
        try:
            disk.rename(folder.file(place, name), folder.file(place, clean))
        except FileNotFoundError:
            del found.moved[uid]  # it has moved on: the next merge tells
        else:
            found.moved[uid] = (place, clean)
        renamed = True
    return renamed


def _take_in(
    files: AccountFiles, folder: Folder, found: _Found, used: set[int], claim: bool
) -> bool:
    """Write the differences to the index; True when files were renamed on the way."""
    words = journal.read(folder.path)
    arrivals = numbering.number(files, folder, found.fresh, used, words, claim=claim)
    stale = folder.journal != journal.size(folder.path)
    with files.index.reader() as db:
        wanted = None if stale else [*found.moved, *found.vanished]
        entries = {entry.uid: entry for entry in records.entries(db, folder.id, wanted)}
    gone = [entries[uid] for uid in found.vanished if uid in entries]
    modseq = folder.take_modseq()
    vanished = set(found.vanished)
    staying = [entry for uid, entry in entries.items() if uid not in vanished]
    changed, quiet = _follow(folder, staying, found.moved, words if stale else None, modseq)
    for entry in gone:
        folder.count(entry.state, entry.size, -1)
    for entry in arrivals:
        entry.modseq = modseq
        folder.count(entry.state, entry.size, +1)
    journal_before, folder.journal = folder.journal, journal.size(folder.path)
    try:
        with files.index.transaction() as db:
            records.update(db, folder.id, changed + quiet)
            records.remove(db, folder.id, [entry.uid for entry in gone], modseq, [])
            folder.note_expunged(db, len(gone))
            records.add(db, folder.id, arrivals)
            folder.save(db)
    except BaseException:
        folder.journal = journal_before
        with files.index.reader() as db:
            folder.restore_totals(db)
        raise
    update = Update(folder, modseq)
    update.appended = [(entry.uid, entry.state) for entry in arrivals]
    update.in_new = [entry.uid for entry in arrivals if entry.place == NEW]
    update.flags = [(entry.uid, entry.state) for entry in changed]
    update.expunged = [entry.uid for entry in gone]
    files.updates.append(update)
    let_go(arrivals)
    return bool(found.fresh)


def _follow(
    folder: Folder,
    entries: list[Entry],
    moved: dict[int, tuple[int, str]],
    words: dict[int, list[str]] | None,
    modseq: int,
) -> tuple[list[Entry], list[Entry]]:
    """Take over new names and, where given, keywords: (rows with other flags, only renamed)."""
    changed: list[Entry] = []
    quiet: list[Entry] = []
    for entry in entries:
        before = entry.state
        if entry.uid in moved:
            entry.place, entry.name = moved[entry.uid]
            entry.state = flags.with_letters(before, filename.letters_of(entry.name))
        if words is not None:
            entry.state = flags.state(flags.letters(entry.state), words.get(entry.uid, ()))
        if entry.state != before:
            folder.count(before, entry.size, -1)
            folder.count(entry.state, entry.size, +1)
            entry.modseq = modseq
            changed.append(entry)
        elif entry.uid in moved:
            quiet.append(entry)
    return changed, quiet
