"""Quota: usage is exact whatever happens to the index, and nothing passes the limits."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailsuite.store import AccountStore, NewMessage, OverQuota, Quota, Store, Usage

ALICE = "alice@example.test"
OCTETS = b"Subject: x\r\n\r\nHello.\r\n"
SIZE = len(OCTETS)


async def account_of(store: Store, quota: Quota | None = None) -> AccountStore:
    account = await store.account(ALICE)
    if quota is not None:
        account.files.limits = lambda: quota
    return account


async def add(account: AccountStore, name: str = "INBOX", count: int = 1) -> None:
    await account.append(name, [NewMessage(OCTETS) for _ in range(count)])


async def test_usage_follows_every_change(store: Store, maildir: Path) -> None:
    account = await account_of(store)
    assert await account.usage() == Usage(0, 0)
    await add(account, count=3)
    inbox = await account.open("INBOX")
    await account.copy(inbox, [1, 2], "Archive")
    assert await account.usage() == Usage(5 * SIZE, 5)
    await account.move(inbox, [1], "Archive")
    assert await account.usage() == Usage(5 * SIZE, 5)
    await inbox.expunge([2], only_deleted=False)
    assert await account.usage() == Usage(4 * SIZE, 4)
    await account.rename("Archive", "Old")
    assert await account.usage() == Usage(4 * SIZE, 4)
    # Other programs: a message comes, one goes, a folder goes.
    (maildir / "new" / "1.strange").write_bytes(OCTETS)
    next((maildir / ".Old" / "new").iterdir()).unlink()
    await inbox.refresh()
    await account.status("Old")
    assert await account.usage() == Usage(4 * SIZE, 4)
    shutil.rmtree(maildir / ".Old")
    await account.mailboxes()
    with pytest.raises(Exception, match="Old"):
        await account.status("Old")
    assert await account.usage() == Usage(2 * SIZE, 2)
    await account.create("Old")
    await add(account, "Old")
    await account.delete("Old")
    assert await account.usage() == Usage(2 * SIZE, 2)
    inbox.release()


@pytest.mark.parametrize("index", ["kept", "deleted", "spoilt"])
async def test_usage_survives_a_restart(
    open_store: Callable[[], Awaitable[Store]], maildir: Path, index: str
) -> None:
    store = await open_store()
    account = await account_of(store)
    await account.create("A/B")
    for name in ("INBOX", "A/B", "Sent"):
        await add(account, name, 2)
    await store.close()
    database = maildir.parent / "index.db"
    if index == "deleted":
        for file in maildir.parent.glob("index.db*"):
            file.unlink()
    elif index == "spoilt":
        database.write_bytes(b"no database at all" * 1000)
    account = await account_of(await open_store(), Quota(messages=6))
    with pytest.raises(OverQuota):
        await account.admit(1, 1)
    assert await account.usage() == Usage(6 * SIZE, 6)


async def test_the_index_is_lost_while_in_use(store: Store, maildir: Path) -> None:
    account = await account_of(store)
    await add(account, "Sent", 2)
    await add(account, count=2)
    assert await account.usage() == Usage(4 * SIZE, 4)
    await account.writer.do(account.files.rebuild_index)
    assert await account.usage() == Usage(4 * SIZE, 4)


async def test_a_folder_that_came_by_another_way_counts(store: Store, maildir: Path) -> None:
    account = await account_of(store, Quota(messages=2))
    await add(account)
    folder = maildir / ".Other" / "cur"
    folder.mkdir(parents=True)
    (folder / "1.x:2,S").write_bytes(OCTETS)
    await store.close()
    account = await account_of(store, Quota(messages=2))
    with pytest.raises(OverQuota):
        await add(account)
    assert await account.usage() == Usage(2 * SIZE, 2)


async def test_nothing_passes_the_limits(store: Store) -> None:
    account = await account_of(store, Quota(storage=3 * SIZE, messages=100))
    await add(account, count=2)
    with pytest.raises(OverQuota):
        await add(account, count=2)  # all or none
    assert await account.usage() == Usage(2 * SIZE, 2)
    inbox = await account.open("INBOX")
    with pytest.raises(OverQuota):
        await account.copy(inbox, [1, 2], "Sent")
    await account.move(inbox, [1, 2], "Sent")
    await account.admit(1, SIZE)
    with pytest.raises(OverQuota):
        await account.admit(1, SIZE + 1)
    inbox.release()


async def test_of_many_at_once_as_many_as_fit(store: Store) -> None:
    import asyncio

    account = await account_of(store, Quota(messages=5))
    results = await asyncio.gather(*(add(account) for _ in range(20)), return_exceptions=True)
    assert sum(result is None for result in results) == 5
    assert all(result is None or isinstance(result, OverQuota) for result in results)
    assert (await account.usage()).messages == 5
