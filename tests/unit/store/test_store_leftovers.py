"""Copies take facets from their originals; what gone messages leave is cleared away."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mailsuite.store import AccountStore, Mailbox, NewMessage, Store, reading

COUNT = 80
MESSAGE = b"From: a@example.test\r\nSubject: %d\r\n\r\nhello\r\n"
Open = Callable[[], Awaitable[Store]]


async def filled(store: Store) -> tuple[AccountStore, Mailbox]:
    account = await store.account("alice@example.test")
    messages = [NewMessage(MESSAGE % number, frozenset({"\\Seen"})) for number in range(COUNT)]
    await account.append("INBOX", messages)
    mailbox = await account.open("INBOX")
    await mailbox.table(list(mailbox.uids), columns=["start"])
    return account, mailbox


async def settled(account: AccountStore) -> None:
    """Nothing is done in the background any more."""
    while len(account.tasks):
        await account.tasks.wait(0.01)


def rows(maildir: Path) -> dict[str, int]:
    with sqlite3.connect(maildir.parent / "index.db") as db:
        tables = ("message", "header", "facet", "facet_start", "leftover")
        counts = {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}
    db.close()
    return counts


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """UIDs whose messages were parsed."""
    found: list[int] = []
    real = reading.compute

    def compute(files: Any, folder: Any, uids: Sequence[int]) -> Any:
        found.extend(uids)
        return real(files, folder, uids)

    monkeypatch.setattr(reading, "compute", compute)
    return found


@pytest.mark.parametrize("way", ["copy", "move"])
@pytest.mark.parametrize("at_once", [True, False])
async def test_nothing_is_parsed_again(
    store: Store, maildir: Path, computed: list[int], way: str, at_once: bool
) -> None:
    account, mailbox = await filled(store)
    await settled(account)
    computed.clear()
    transfer = account.copy if way == "copy" else account.move
    await transfer(mailbox, list(mailbox.uids), "Archive")
    if not at_once:
        await settled(account)
    archive = await account.open("Archive")
    _, starts = await archive.table(list(archive.uids), columns=["start"])
    assert starts == [MESSAGE[:8]] * COUNT
    await settled(account)
    present = 2 * COUNT if way == "copy" else COUNT
    assert rows(maildir) == {
        "message": present,
        "header": present,
        "facet": present,
        "facet_start": present,
        "leftover": 0,
    }
    if way == "copy" or not at_once:
        assert computed == []
    archive.release()
    mailbox.release()


async def test_a_copy_of_a_copy(store: Store, computed: list[int]) -> None:
    account, mailbox = await filled(store)
    await settled(account)
    computed.clear()
    archive = await account.open("Archive")
    await asyncio.gather(
        account.copy(mailbox, [1, 2], "Archive"), account.copy(mailbox, [3], "Archive")
    )
    await account.copy(archive, list(archive.uids), "Archive")
    await settled(account)
    assert len(archive.uids) == 6
    assert computed == []
    archive.release()
    mailbox.release()


async def test_what_many_expunged_messages_leave(open_store: Open, maildir: Path) -> None:
    store = await open_store()
    account, mailbox = await filled(store)
    await mailbox.expunge(list(mailbox.uids)[:70], only_deleted=False)
    await settled(account)
    left = COUNT - 70
    assert rows(maildir) == {
        "message": left,
        "header": left,
        "facet": left,
        "facet_start": left,
        "leftover": 0,
    }
    mailbox.release()
    await store.close()

    # As after a crash: noted, and not yet cleared away.
    with sqlite3.connect(maildir.parent / "index.db") as db:
        db.execute("INSERT INTO leftover SELECT id + 1000 FROM header")
        db.execute("INSERT INTO header SELECT id + 1000, block FROM header")
    db.close()
    await (await open_store()).account("alice@example.test")
    assert rows(maildir) == {
        "message": left,
        "header": left,
        "facet": left,
        "facet_start": left,
        "leftover": 0,
    }


async def test_an_append_that_fails_after_its_caller_has_gone_leaves_no_file(
    store: Store, maildir: Path
) -> None:
    account = await store.account("alice@example.test")
    for turns in range(6):
        append = asyncio.create_task(account.append("Nowhere", [NewMessage(MESSAGE % 1)]))
        for _ in range(turns):
            await asyncio.sleep(0)
        append.cancel()
        with pytest.raises(asyncio.CancelledError):
            await append
    assert not any((maildir.parent / "tmp").iterdir())
