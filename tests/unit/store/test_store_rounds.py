"""Appends to several accounts at once: each has its own result, whatever the others meet."""

import asyncio
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from mailsuite.store import (
    NewMessage,
    OverQuota,
    Quota,
    Store,
    StoreError,
    StoreUnavailable,
    deliver,
)
from mailsuite.store import rounds as rounds_module
from mailsuite.store.files import AccountFiles
from mailsuite.store.folder import Folder
from mailsuite.store.prepared import Prepared
from mailsuite.store.steps import Steps

NAMES = [f"user{number}@example.test" for number in range(12)]


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


async def test_many_accounts_share_a_few_rounds(
    store: Store, opened: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds_module, "MOST", 4)
    results = await appended(store, NAMES, 1)
    assert not [one for one in results if isinstance(one, BaseException)]
    assert sum(opened) == len(NAMES)
    assert max(opened) == 4
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


async def test_another_process_at_some_indexes_keeps_nobody_else_waiting(
    store: Store, opened: list[int]
) -> None:
    held = [apsw.Connection(str(await _index(store, name))) for name in NAMES[:4]]
    for db in held:
        db.execute("BEGIN IMMEDIATE")
    accounts = [await store.account(name) for name in NAMES[:4]]
    waiting = [
        asyncio.create_task(account.append("INBOX", [replace(message(1), repeat=repeat)]))
        for account, repeat in zip(accounts, (False, False, False, True), strict=True)
    ]
    # As many indexes as there are threads: those that wait keep none of them.
    for number in range(2, 5):
        results = await appended(store, NAMES[4:8], number)
        assert not [one for one in results if isinstance(one, BaseException)]
    assert not [one for one in waiting if one.done()]
    for db in held:
        db.execute("ROLLBACK")
    await asyncio.gather(*waiting)
    for account in accounts:
        assert (await account.status("INBOX")).messages == 2


async def _index(store: Store, name: str) -> Path:
    return (await store.account(name)).files.root / "index.db"


async def test_that_does_not_go_on_for_ever(
    store: Store, opened: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "TRIES", 2)
    db = apsw.Connection(str(await _index(store, NAMES[0])))
    db.execute("BEGIN IMMEDIATE")
    places: list[int] = []
    place = deliver._place

    def counted(files: AccountFiles, folder: Folder, messages: list[Prepared]) -> Steps[list[int]]:
        places.append(len(messages))
        return place(files, folder, messages)

    monkeypatch.setattr(deliver, "_place", counted)
    account = await store.account(NAMES[0])
    results = await asyncio.gather(
        *(account.append("INBOX", [message(number)]) for number in range(4)),
        return_exceptions=True,
    )
    assert all(isinstance(one, StoreUnavailable) for one in results)
    assert places == [4]  # it is not waited for anew with each message
    assert not list(account.files.tmp.iterdir())
    db.execute("ROLLBACK")
    await appended(store, NAMES[:1], 2)
    assert (await account.status("INBOX")).messages == 2


async def test_an_index_is_rebuilt_apart_from_the_others(
    store: Store, opened: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = await store.account(NAMES[1])
    others = asyncio.Event()
    loop = asyncio.get_running_loop()
    rebuild = AccountFiles.rebuild_index

    def rebuild_after_the_others(files: AccountFiles) -> None:
        asyncio.run_coroutine_threadsafe(others.wait(), loop).result()
        rebuild(files)

    monkeypatch.setattr(AccountFiles, "rebuild_index", rebuild_after_the_others)
    await damaged.writer.do(damaged.files.index.close)
    index = await _index(store, NAMES[1])
    index.write_bytes(b"\0" * 100_000)
    append = asyncio.create_task(damaged.append("INBOX", [message(1)]))
    results = await appended(store, [NAMES[0], *NAMES[2:5]], 1)
    assert not [one for one in results if isinstance(one, BaseException)]
    assert not append.done()
    others.set()
    await append
    assert (await damaged.status("INBOX")).messages == 2


async def test_a_mistake_in_making_a_file_is_one_requests(store: Store, opened: list[int]) -> None:
    account = await store.account(NAMES[0])
    append = account.append("INBOX", [replace(message(1), internal_date=1e300)])
    results = await asyncio.gather(append, appended(store, NAMES[1:4], 1), return_exceptions=True)
    assert isinstance(results[0], OverflowError)
    assert isinstance(results[1], list)
    assert not [one for one in results[1] if isinstance(one, BaseException)]


async def test_a_delivery_and_its_repetition_in_one_turn_are_one_message(store: Store) -> None:
    account = await store.account(NAMES[0])
    await account.append("INBOX", [message(0)])
    again = replace(message(1), repeat=True)
    go_on = threading.Event()
    busy = asyncio.create_task(account.writer.do(go_on.wait))
    both = [asyncio.create_task(account.append("INBOX", [one])) for one in (message(1), again)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(account.writer._jobs) == 2
    go_on.set()
    await busy
    first, second = await asyncio.gather(*both)
    assert first == second
    assert (await account.status("INBOX")).messages == 2
