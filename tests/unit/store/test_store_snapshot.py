"""A mailbox is opened from one row of the index while that holds, else from its messages' rows."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mailsuite.store import NewMessage, Store, records, snapshot

MESSAGE = b"From: a@example.test\r\n\r\nhello\r\n"
Open = Callable[[], Awaitable[Store]]


@pytest.fixture
def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that a mailbox was read row by row."""
    monkeypatch.setattr(snapshot, "WORTH_FROM", 3)
    found: list[int] = []
    real = records.columns

    def columns(db: Any, mailbox: int) -> records.Columns:
        found.append(mailbox)
        return real(db, mailbox)

    monkeypatch.setattr(records, "columns", columns)
    return found


async def seen(store: Store) -> tuple[object, ...]:
    account = await store.account("alice@example.test")
    mailbox = await account.open("INBOX")
    flags = [mailbox.flags(uid) for uid in mailbox.uids]
    found = (list(mailbox.uids), flags, list(mailbox.modseqs), mailbox.uidnext)
    mailbox.release()
    await store.close()
    return found


async def fill(store: Store) -> tuple[object, ...]:
    account = await store.account("alice@example.test")
    mailbox = await account.open("INBOX")
    await account.append("INBOX", [NewMessage(MESSAGE) for _ in range(8)])
    await mailbox.store_flags([2, 3], "+", ["\\Seen", "$Forwarded", "work"])
    await mailbox.store_flags([5], "+", ["\\Flagged"])
    await mailbox.expunge([4], only_deleted=False)
    mailbox.release()
    return await seen(store)


async def test_it_holds_over_a_restart(open_store: Open, rows_read: list[int]) -> None:
    before = await fill(await open_store())
    rows_read.clear()
    assert await seen(await open_store()) == before
    assert rows_read == []


async def test_changes_by_others_meanwhile(
    open_store: Open, maildir: Path, rows_read: list[int]
) -> None:
    await fill(await open_store())
    rows_read.clear()
    path = next(path for path in (maildir / "new").iterdir() if ",U=6," in path.name)
    path.rename(maildir / "cur" / f"{path.name}:2,T")
    uids, flags, *_ = await seen(await open_store())
    assert uids == [1, 2, 3, 5, 6, 7, 8]
    assert isinstance(flags, list)
    assert flags[4] == {"\\Deleted"}
    assert len(rows_read) == 1


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE snapshot SET numbers = zeroblob(length(numbers))",
        "UPDATE snapshot SET uids = substr(uids, 5)",
        "UPDATE snapshot SET states = states || char(10) || 'S'",
        "UPDATE snapshot SET layout = 'another machine'",
    ],
)
async def test_what_makes_no_sense_is_passed_over(
    open_store: Open, maildir: Path, rows_read: list[int], damage: str
) -> None:
    before = await fill(await open_store())
    rows_read.clear()
    with sqlite3.connect(maildir.parent / "index.db") as db:
        db.execute(damage)
    db.close()
    assert await seen(await open_store()) == before
    assert len(rows_read) == 1


async def test_it_is_not_kept_when_more_has_changed(open_store: Open, rows_read: list[int]) -> None:
    store = await open_store()
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE) for _ in range(5)])
    mailbox = await account.open("INBOX")
    old = mailbox.columns()
    await mailbox.store_flags([1], "+", ["\\Seen"])
    folder = mailbox.folder
    await account.writer.do(lambda: snapshot.keep(account.files, folder, old))

    def read() -> records.Columns | None:
        with account.files.index.reader() as db:
            return snapshot.read(db, folder.id)

    assert await account.beside_writer(read) is None
    new = mailbox.columns()
    await account.writer.do(lambda: snapshot.keep(account.files, folder, new))
    kept = await account.beside_writer(read)
    assert kept is not None
    assert (kept.uids, kept.states) == (array("I", range(1, 6)), new.states)
    mailbox.release()
