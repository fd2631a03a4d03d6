"""Appending messages whose files are there: numbered and named into the folder in groups.

Promises: when `append` has given UIDs, the messages survive a power cut; of one request all
messages are there or none; a repeated delivery is known again. Calls block, and belong to the
account's writer.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from mailsuite.store import flags, journal, records, unique_ids, usage
from mailsuite.store.change import Change
from mailsuite.store.errors import StoreError, StoreUnavailable
from mailsuite.store.filename import OPEN_END, FileName
from mailsuite.store.files import AccountFiles
from mailsuite.store.folder import Folder
from mailsuite.store.index import IndexBusy
from mailsuite.store.prepared import NO_LINK, Prepared, Request, make_ready, own
from mailsuite.store.records import CUR, NEW, Entry
from mailsuite.store.steps import Pause, Steps, Sync
from mailsuite.store.updates import Update
from mailsuite.store.values import Appended

TRIES = 200
"""How often another process is found writing to the index before the append fails."""


def append(
    files: AccountFiles, requests: Sequence[Request]
) -> Steps[list[Appended | BaseException]]:
    """Append for several callers at once: a result or an error for each, in order.

    The callers of one mailbox share its folder's fsync and the index transaction. Called again
    after IndexDamaged, it goes on with what is not done.
    """
    results: dict[int, Appended | BaseException] = {}
    groups: dict[str, list[tuple[int, Request]]] = {}
    make_ready(requests)
    for number, request in enumerate(requests):
        if request.result is not None:
            results[number] = request.result
        elif request.error is not None:
            results[number] = _neutral(request.error)
        else:
            groups.setdefault(request.name, []).append((number, request))
    for name, group in groups.items():
        try:
            together = yield from append_group(files, name, [request for _, request in group])
            results.update(zip((number for number, _ in group), together, strict=True))
        except (StoreError, OSError) as error:
            # What is the whole account's trouble would only come, and be waited for, again.
            if len(group) == 1 or isinstance(error, StoreUnavailable):
                results.update((number, _neutral(error)) for number, _ in group)
                continue
            # One of them spoils it: each for itself, so that the others get through.
            for number, request in group:
                try:
                    (results[number],) = yield from append_group(files, name, [request])
                except (StoreError, OSError) as own:
                    results[number] = _neutral(own)
    return [results[number] for number in range(len(requests))]


def _neutral(error: BaseException) -> BaseException:
    if not isinstance(error, OSError):
        return error
    unavailable = StoreUnavailable(f"{type(error).__name__}: {error}")
    unavailable.__cause__ = error
    return unavailable


def append_group(
    files: AccountFiles,
    name: str,
    requests: Sequence[Request],
    *,
    freed: tuple[int, int] = (0, 0),
) -> Steps[list[Appended]]:
    """Append for several callers at one mailbox.

    `freed`: messages and octets that will go in exchange, for the quota. Raises NoSuchMailbox,
    OverQuota, LimitReached.
    """
    folder = files.resolve(name)
    marks = _marks(requests)
    if marks:
        # Mailboxes may have to be opened, which writes their rows.
        yield Pause.APART
        yield from _until_free(files)
    known = _earlier(files, marks)
    wanted = [message for request in requests for message in request.messages]
    seen: dict[str, int] = {}
    fresh: list[Prepared] = []
    for message in wanted:
        if (mark := message.delivery) is not None:
            if message.repeat and (mark in known or mark in seen):
                continue
            seen[mark] = len(fresh)
        fresh.append(message)
    if fresh:
        for message in fresh:
            if message.link:
                status = os.stat(message.path)  # noqa: PTH116 (half the time of a Path)
                message.size = message.wire = status.st_size
                message.mtime = status.st_mtime
        octets = sum(message.wire for message in fresh)
        if not files.counted and files.limits().limited:
            yield Pause.APART
        usage.check(files, len(fresh) - freed[0], octets - freed[1])
    uids = (yield from _place(files, folder, fresh)) if fresh else []
    given = {id(message): uid for message, uid in zip(fresh, uids, strict=True)}

    def answer(message: Prepared) -> tuple[int, int]:
        if id(message) in given:
            return folder.sidecar.uidvalidity, given[id(message)]
        mark = message.delivery or ""
        return known.get(mark) or (folder.sidecar.uidvalidity, uids[seen[mark]])

    results = []
    for request in requests:
        answers = [answer(message) for message in request.messages]
        validity = answers[0][0] if answers else folder.sidecar.uidvalidity
        request.result = Appended(validity, [uid for _, uid in answers])
        results.append(request.result)
    return results


def _marks(requests: Sequence[Request]) -> set[str]:
    """The deliveries that may have been made by an earlier attempt."""
    return {
        message.delivery
        for request in requests
        for message in request.messages
        if message.repeat and message.delivery is not None
    }


def _earlier(files: AccountFiles, marks: set[str]) -> dict[str, tuple[int, int]]:
    """Deliveries of an earlier attempt: mark -> (UIDVALIDITY, UID), from the whole account."""
    if not marks:
        return {}
    for folder_name in files.listing():
        files.folder(folder_name)
    found: dict[str, tuple[int, int]] = {}
    with files.index.reader() as db:
        for mark in marks:
            where = records.find_delivery(db, mark)
            if where is not None:
                found[mark] = where
    return found


def _place(files: AccountFiles, folder: Folder, messages: list[Prepared]) -> Steps[list[int]]:
    """Number the messages, name them into the folder, make that durable, write the rows."""
    words = [[folder.keywords().learn(word) for word in message.keywords] for message in messages]
    uids = _take_uids(folder, messages)
    _name_uniquely(folder, uids, messages)
    modseq = folder.take_modseq()
    entries: list[Entry] = []
    with files.changing(folder) as change:
        for uid, message, its_words in zip(uids, messages, words, strict=True):
            letters = "".join(sorted(message.letters))
            info = letters or None
            name = FileName(
                message.base,
                uid,
                message.size,
                message.wire,
                info=info,
                saved=message.saved,
                zone=message.zone,
                extra=(OPEN_END,) if message.open_end else (),
            )
            place = CUR if info else NEW
            entry = Entry(
                uid,
                place,
                str(name),
                flags.state(letters, its_words),
                modseq,
                message.mtime,
                message.wire,
                message.delivery,
            )
            _name(files, change, message, folder.file(place, entry.name))
            entries.append(entry)
        marked = [
            (entry.uid, flags.keywords(entry.state)) for entry in entries if " " in entry.state
        ]
        if marked:
            folder.journal = journal.append(folder.path, marked, sync=True)
        places = {entry.place for entry in entries}
        sync = Sync([change.fd(folder.new if place == NEW else folder.cur) for place in places])
        yield sync
        sync.check()
        for entry in entries:
            folder.count(entry.state, entry.size, +1)
        yield from _write_rows(change, folder, entries)
    files.updates.append(arrived(folder, modseq, entries))
    return [entry.uid for entry in entries]


def _until_free(files: AccountFiles) -> Steps[None]:
    """As far as one can tell: nobody else writes to the index now."""
    for _ in range(TRIES):
        with contextlib.suppress(IndexBusy), files.index.transaction(wait=False):
            return
        yield Pause.LATER


def _write_rows(change: Change, folder: Folder, entries: list[Entry]) -> Steps[None]:
    """No thread waits where another process has the index: soon there would be none for others."""
    for _ in range(TRIES):
        try:
            with change.commit(wait=False) as db:
                records.add(db, folder.id, entries)
        except IndexBusy:
            yield Pause.LATER
        else:
            return
    raise StoreUnavailable("another process has been writing to the index for too long")


def _take_uids(folder: Folder, messages: list[Prepared]) -> list[int]:
    """A UID for each message, ascending: its own where that is still free. Raises LimitReached."""
    if all(message.uid is None for message in messages):
        first = folder.take_uids(len(messages))
        return list(range(first, first + len(messages)))
    return [
        folder.take_uids(1) if message.uid is None else folder.take_uid(message.uid)
        for message in messages
    ]


def _name_uniquely(folder: Folder, uids: list[int], messages: list[Prepared]) -> None:
    """Unique ids from elsewhere are kept, before anybody can see the messages."""
    wanted = [
        (uid, message.unique_id)
        for uid, message in zip(uids, messages, strict=True)
        if message.unique_id and unique_ids.is_name(message.unique_id)
    ]
    if wanted:
        form = folder.name_form
        unique_ids.append(
            folder.path, ((uid, name) for uid, name in wanted if form.of(uid) != name)
        )


def _name(files: AccountFiles, change: Change, message: Prepared, path: str) -> None:
    """Put the message's file under its name."""
    if message.link:
        try:
            change.adopt(message.path, path)
        except OSError as error:
            if error.errno not in NO_LINK:
                raise
            files.links = False  # from now on they are copied beforehand, beside the writer
            own(files, message)
        else:
            return
    change.rename(message.path, path)


def arrived(folder: Folder, modseq: int, entries: list[Entry]) -> Update:
    """The news of these messages."""
    update = Update(folder, modseq)
    update.appended = [(entry.uid, entry.state) for entry in entries]
    update.in_new = [entry.uid for entry in entries if entry.place == NEW]
    return update
