"""Copying and moving messages between mailboxes of an account: links and renames, never octets.

All messages or none. Flags, keywords and internal date go along; UIDs are new. Header blocks and
facets follow in the background. Calls block and belong to the account's writer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mailsuite.base import durable
from mailsuite.store import filename, flags, journal, records, sql, usage
from mailsuite.store.alter import Locator, set_aside
from mailsuite.store.attachment import Attachment
from mailsuite.store.change import Change
from mailsuite.store.deliver import arrived
from mailsuite.store.errors import MessageGone
from mailsuite.store.files import AccountFiles
from mailsuite.store.flags import Scope
from mailsuite.store.folder import Folder
from mailsuite.store.records import CUR, NEW, Entry
from mailsuite.store.updates import Update
from mailsuite.store.values import Copied


def copy(
    files: AccountFiles,
    source: Folder,
    uids: Sequence[int],
    target_name: str,
    *,
    within: Scope,
    all_or_none: bool,
) -> Copied:
    """Copy messages. Those that are gone are left out, or (`all_or_none`) none is copied.

    Raises NoSuchMailbox, LimitReached, OverQuota, MessageGone.
    """
    return _transfer(
        files, source, uids, target_name, within, move=False, keep=False, all_or_none=all_or_none
    )


def move(
    files: AccountFiles,
    source: Folder,
    uids: Sequence[int],
    target_name: str,
    *,
    keep: bool,
    within: Scope,
    origin: Attachment | None = None,
) -> Copied:
    """Move messages; with `keep` the originals stay readable in tmp/ until `alter.let_go`."""
    return _transfer(files, source, uids, target_name, within, move=True, keep=keep, origin=origin)


def _transfer(
    files: AccountFiles,
    source: Folder,
    uids: Sequence[int],
    target_name: str,
    within: Scope,
    *,
    move: bool,
    keep: bool,
    origin: Attachment | None = None,
    all_or_none: bool = False,
) -> Copied:
    target = files.resolve(target_name)
    with files.index.reader() as db:
        entries = records.entries(db, source.id, uids)
    if all_or_none and len(entries) < len(uids):
        raise MessageGone("one of the messages")
    if not entries:
        return Copied(target.sidecar.uidvalidity, [], [])
    if not move:
        usage.check(files, len(entries), sum(entry.size for entry in entries))
    folders = (target,) if target is source else (target, source)
    with files.changing(*folders) as change:
        now = int(files.clock.now())
        pairs = _name_into(change, source, target, entries, within, now, rename=move and not keep)
        if all_or_none and len(pairs) < len(entries):
            raise MessageGone("one of the messages")
        copies = [new for _, new in pairs]
        originals = [old for old, _ in pairs]
        kept = set_aside(files, change, source, originals) if move and keep else []
        modseq = target.take_modseq()
        _write(target, copies, modseq)
        for new in copies:
            target.count(new.state, new.size, +1)
        gone = [old.uid for old in originals] if move else []
        source_modseq = 0
        if gone:
            source_modseq = source.take_modseq()
            for old in originals:
                source.count(old.state, old.size, -1)
        with change.commit() as db:
            records.add(db, target.id, copies)
            if gone:
                records.remove(db, source.id, gone, source_modseq, kept)
                source.note_expunged(db, len(gone))
    if copies:
        for old, new in pairs:
            files.inherit(sql.row_id(source.id, old.uid), sql.row_id(target.id, new.uid))
        files.updates.append(arrived(target, modseq, copies))
    if gone:
        update = Update(source, source_modseq)
        update.expunged, update.kept, update.origin = gone, keep, origin
        files.updates.append(update)
    return Copied(
        target.sidecar.uidvalidity, [old.uid for old in originals], [c.uid for c in copies]
    )


def _name_into(
    change: Change,
    source: Folder,
    target: Folder,
    entries: Sequence[Entry],
    within: Scope,
    now: int,
    *,
    rename: bool,
) -> list[tuple[Entry, Entry]]:
    """Link or rename the files into the target under new UIDs: pairs (original, copy).

    `now`: the time of saving them there, seconds.
    """
    locator = Locator(source)
    pairs: list[tuple[Entry, Entry]] = []
    table = target.keywords()
    step = change.rename if rename else change.link
    for uid, entry in enumerate(entries, target.take_uids(len(entries))):
        for _ in range(2):
            kept = within.limit(entry.state)
            letters = flags.letters(kept)
            place = CUR if letters else NEW
            name = filename.elsewhere(entry.name, uid, letters, now)
            try:
                step(source.file(entry.place, entry.name), target.file(place, name))
            except FileNotFoundError:
                if locator.find(entry) is None:
                    break  # gone: left out, and the next merge tells
                continue
            words = [table.learn(word) for word in flags.keywords(kept)]
            state = flags.state(letters, words)
            copied = Entry(
                uid, place, name, state, 0, entry.internal_date, entry.size, entry.delivery
            )
            pairs.append((entry, copied))
            break
    return pairs


def _write(target: Folder, copies: Sequence[Entry], modseq: int) -> None:
    """Keywords to the journal, names to the disk."""
    for new in copies:
        new.modseq = modseq
    words = [(new.uid, flags.keywords(new.state)) for new in copies if " " in new.state]
    if words:
        target.journal = journal.append(target.path, words, sync=True)
    for place in {new.place for new in copies}:
        durable.fsync_dir(Path(target.new if place == NEW else target.cur))
