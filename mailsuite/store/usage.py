"""What an account keeps in all its mailboxes, and whether more is allowed.

The totals are one row of the index, changed by SQLite itself in the transaction of every change, so
asking costs the same for any number of messages. Calls block.
"""

from __future__ import annotations

from pathlib import Path

import apsw

from mailsuite.store import mailbox_rows
from mailsuite.store.errors import OverQuota
from mailsuite.store.files import AccountFiles
from mailsuite.store.values import Usage


def count(files: AccountFiles) -> None:
    """Make sure that the totals are those of all mailboxes on disk. In the writer."""
    if files.counted:
        return
    listing = files.listing()
    with files.index.reader() as db:
        known = mailbox_rows.folders(db)
    for name in sorted(listing.keys() - known):
        files.folder(name)
    with files.index.transaction() as db:
        for name in mailbox_rows.folders(db) - listing.keys():
            for number in mailbox_rows.mailboxes_at(db, name):
                mailbox_rows.drop_mailbox(db, number)
    files.counted = True


def usage(files: AccountFiles) -> Usage:
    """What is kept now; exact after `count`."""
    with files.index.reader() as db:
        messages, size = mailbox_rows.usage(db)
    return Usage(size, messages)


def check(files: AccountFiles, messages: int, octets: int) -> None:
    """Raises OverQuota when the account may not have so much more. In the writer."""
    if files.limits().limited:
        count(files)
        compare(files, messages, octets)


def compare(files: AccountFiles, messages: int, octets: int) -> None:
    """As `check`, beside the writer; after `count`. Less is always allowed."""
    quota, now = files.limits(), usage(files)
    if messages > 0 and quota.messages is not None and now.messages + messages > quota.messages:
        raise OverQuota(f"{now.messages} messages of {quota.messages}")
    if octets > 0 and quota.storage is not None and now.storage + octets > quota.storage:
        raise OverQuota(f"{now.storage} octets of {quota.storage}")


def of_account(folder: Path) -> Usage | None:
    """What the index in an account's folder says, for another process; None: nothing to be had."""
    try:
        db = apsw.Connection(str(folder / "index.db"), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            db.set_busy_timeout(1000)
            messages, size = mailbox_rows.usage(db)
        finally:
            db.close()
    except apsw.Error:
        return None
    return Usage(size, messages)
