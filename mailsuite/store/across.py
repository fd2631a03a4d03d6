"""Copying and moving messages from one account into another: hard links, never octets twice.

Promises: all messages or none, durable when it returns; a move that cannot take the originals away
leaves no copies behind, and a crash in between leaves both, never neither.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mailsuite.base import durable
from mailsuite.base.tasks import committed
from mailsuite.store import content, filename, flags, names, reading, records
from mailsuite.store.errors import MessageGone, StoreError
from mailsuite.store.prepared import NO_LINK, Prepared, Request, clean_up
from mailsuite.store.values import Copied

if TYPE_CHECKING:
    from mailsuite.store.account import AccountStore
    from mailsuite.store.attachment import Attachment
    from mailsuite.store.files import AccountFiles
    from mailsuite.store.flags import Scope
    from mailsuite.store.folder import Folder
    from mailsuite.store.mailbox import Mailbox
    from mailsuite.store.records import Entry


async def copy(
    source: Mailbox,
    uids: Sequence[int],
    target: AccountStore,
    name: str,
    within: Scope,
    *,
    all_or_none: bool = False,
) -> Copied:
    """Copy messages into another account's mailbox, with flags as far as `within`.

    Those that are gone are left out, or (`all_or_none`) none is copied. Raises NoSuchMailbox,
    OverQuota, LimitReached, MessageGone, StoreUnavailable.
    """
    name = names.canonical(name)
    return await committed(_copy(source, uids, target, name, within, all_or_none=all_or_none))


async def move(
    source: Mailbox,
    uids: Sequence[int],
    target: AccountStore,
    name: str,
    within: Scope,
    origin: Attachment | None,
) -> Copied:
    """Copy messages, then take the originals away. Raises as `copy`."""
    return await committed(_move(source, uids, target, names.canonical(name), within, origin))


async def _copy(
    source: Mailbox,
    uids: Sequence[int],
    target: AccountStore,
    name: str,
    within: Scope,
    *,
    all_or_none: bool = False,
) -> Copied:
    files, folder = source.account.files, source.folder
    found: list[tuple[int, Prepared]] = []
    appended = None
    try:
        await source.account.beside_writer(
            lambda: _prepare(files, folder, uids, target.files, within, found)
        )
        if all_or_none and len(found) < len(uids):
            raise MessageGone("one of the messages")
        request = Request(name, [prepared for _, prepared in found])
        appended = await target.writer.append(request)
    finally:
        if appended is None:
            await target.threads.run(clean_up, [prepared for _, prepared in found])
    return Copied(appended.uidvalidity, [uid for uid, _ in found], appended.uids)


async def _move(
    source: Mailbox,
    uids: Sequence[int],
    target: AccountStore,
    name: str,
    within: Scope,
    origin: Attachment | None,
) -> Copied:
    copied = await _copy(source, uids, target, name, within)
    if copied.source_uids:
        try:
            await source.expunge(
                copied.source_uids, only_deleted=False, origin=origin, all_or_none=True
            )
        except StoreError:
            mailbox = await target.open(name)
            try:
                await mailbox.expunge(copied.target_uids, only_deleted=False)
            finally:
                mailbox.release()
            raise
    return copied


def _prepare(
    files: AccountFiles,
    folder: Folder,
    uids: Sequence[int],
    target: AccountFiles,
    within: Scope,
    found: list[tuple[int, Prepared]],
) -> None:
    """In a thread: link the messages into the other account's tmp/; those gone are left out."""
    for done in found:  # a second attempt, after the index was rebuilt
        clean_up([done[1]])
    found.clear()
    with files.index.reader() as db:
        entries = records.entries(db, folder.id, uids)
    for entry in entries:
        state = within.limit(entry.state)
        # The message keeps its name; tmp/ may have it already.
        name = filename.parse(entry.name)
        base = filename.undelivered(name.base)
        path = target.scratch()
        try:
            size = reading.with_file(files, folder, entry, partial(_link, path, entry))
        except MessageGone:
            continue
        prepared = Prepared(
            path,
            base,
            size,
            entry.size,
            entry.internal_date,
            set(flags.letters(state)),
            flags.keywords(state),
            None,
            False,
            int(target.clock.now()),
            zone=name.zone,
        )
        found.append((entry.uid, prepared))


def _link(new: str, entry: Entry, old: str) -> int:
    """Give a message a second file; octets of it. Raises FileNotFoundError."""
    try:
        os.link(old, new, follow_symlinks=False)
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        return durable.write_new(Path(new), content.chunks(old), mtime=entry.internal_date)
    return Path(new).stat().st_size
