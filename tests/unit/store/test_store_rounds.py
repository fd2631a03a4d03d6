"""Appends to several accounts at once: each has its own result, whatever the others meet."""

import asyncio
import shutil
from pathlib import Path

import pytest

from mailsuite.store import NewMessage, OverQuota, Quota, Store, StoreError
from mailsuite.store import rounds as rounds_module

NAMES = [f"user{number}@example.test" for number in range(70)]


def message(number: int) -> NewMessage:
    return NewMessage(b"Subject: %d\r\n\r\nHello.\r\n" % number, delivery_id=f"id{number}")


async def appended(store: Store, names: list[str], number: int) -> list[object]:
    accounts = [await store.account(name) for name in names]
    return await asyncio.gather(
        *(account.append("INBOX", [message(number)]) for account in accounts),
        return_exceptions=True,
    )


@pytest.fixture
async def opened(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many accounts each round has had since all mailboxes have been opened."""
    await appended(store, NAMES, 0)
    sizes: list[int] = []
    perform = rounds_module._perform

    def counted(works: list[rounds_module._Work]) -> list[rounds_module._Result]:
        sizes.append(len(works))
        return perform(works)

    monkeypatch.setattr(rounds_module, "_perform", counted)
    return sizes


async def test_many_accounts_share_a_few_rounds(store: Store, opened: list[int]) -> None:
    results = await appended(store, NAMES, 1)
    assert not [one for one in results if isinstance(one, BaseException)]
    assert sum(opened) == len(NAMES)
    assert max(opened) == rounds_module.MOST
    for name in NAMES:
        assert (await (await store.account(name)).status("INBOX")).messages == 2


async def test_what_one_meets_changes_nothing_for_the_others(
    store: Store, opened: list[int], tmp_path: Path
) -> None:
    full = await store.account(NAMES[3])
    full.files.limits = lambda: Quota(messages=1)
    gone = await store.account(NAMES[5])
    shutil.rmtree(gone.files.maildir / "new")
    results = await appended(store, NAMES[:8], 1)
    assert isinstance(results[3], OverQuota)
    assert isinstance(results[5], StoreError)
    others = [one for place, one in enumerate(results) if place not in (3, 5)]
    assert not [one for one in others if isinstance(one, BaseException)]
    for name in (NAMES[3], NAMES[5]):
        account = await store.account(name)
        assert not list(account.files.tmp.iterdir())
    assert max(opened) > 1


async def test_a_file_that_can_not_be_written_is_one_accounts(
    store: Store, opened: list[int]
) -> None:
    broken = await store.account(NAMES[2])
    broken.files.tmp.rmdir()
    results = await appended(store, NAMES[:4], 1)
    assert [isinstance(one, StoreError) for one in results] == [False, False, True, False]


async def test_a_mailbox_that_was_not_opened_goes_alone(store: Store, opened: list[int]) -> None:
    account = await store.account(NAMES[0])
    await account.append("Archive", [message(2)])
    assert not opened
    await account.append("Archive", [message(3)])
    assert opened == [1]
