"""Bringing the full-text index in step with a folder, a little at a time. Calls block.

May run beside the account's writer: it reads folders and files, and goes by what is committed.
UIDs rise with every commit, so what lies below a message that is indexed is all there.
"""

from __future__ import annotations

import json

from mailsuite.store import reading, records
from mailsuite.store.files import AccountFiles
from mailsuite.store.folder import Folder
from mailsuite.store.fulltext import UNREADABLE, IndexedText, Place, indexed_text

MESSAGES = 128
OCTETS = 1 << 19
"""What is read and indexed in one go."""


def step(files: AccountFiles, folder: Folder) -> bool:
    """Take out expunged messages, take in new ones; True when there is more to do.

    Raises DatabaseDamaged, StoreUnavailable.
    """
    fulltext = files.fulltext
    place = fulltext.place(folder)
    if not _take_out(files, folder, place):
        return True
    first, stop = _gap(fulltext.covered(place.mailbox))
    with files.index.reader() as db:
        uids = records.some_uids(db, place.mailbox, first, stop, MESSAGES)
    if not uids and stop is None:
        return False
    texts = _read(files, folder, uids) if uids else []
    last = texts[-1][0] if texts else first - 1
    if len(texts) == len(uids) < MESSAGES and stop is not None:
        last = stop - 1
    known = [(uid, text) for uid, text in texts if text is not None]
    fulltext.add(place, known, range(first, last + 1))
    return True


def sweep(files: AccountFiles) -> bool:
    """Forget mailboxes that are no more; True when there is more to do."""
    with files.index.reader() as db:
        known = db.execute("SELECT json_group_array(id) FROM mailbox").fetchone()
    return files.fulltext.drop_others(json.loads(known[0]) if known else ())


def _take_out(files: AccountFiles, folder: Folder, place: Place) -> bool:
    """False when the place is no more."""
    done = files.fulltext.removed_to(place.mailbox)
    history = folder.history
    with files.index.reader() as db:
        gone, modseq = records.expunges_since(db, place.mailbox, done)
        # The history of expunges doesn't reach back so far, and is of no use to an empty index.
        if done < history and (indexed := files.fulltext.uids(place.mailbox)):
            present = set(records.uids(db, place.mailbox))
            gone = [uid for uid in indexed if uid not in present]
    to = max(modseq, history)
    return to <= done or files.fulltext.remove(place, gone, to)


def _gap(covered: list[range]) -> tuple[int, int | None]:
    """The first UID that is not covered, and the next that is."""
    if not covered or covered[0].start > 1:
        return 1, covered[0].start if covered else None
    return covered[0].stop, covered[1].start if len(covered) > 1 else None


def _read(
    files: AccountFiles, folder: Folder, uids: list[int]
) -> list[tuple[int, IndexedText | None]]:
    """The texts of as many as fit; None for messages that are gone."""
    try:
        return reading.examine(files, folder, uids, indexed_text, OCTETS)
    except OSError:
        try:
            return reading.examine(files, folder, uids[:1], indexed_text, OCTETS)
        except OSError:
            return [(uids[0], UNREADABLE)]
