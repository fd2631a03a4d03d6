"""The full-text index is a cache: filled in the background, right whatever happens to it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import fold
from mailsuite.store import (
    AccountStore,
    Mailbox,
    NewMessage,
    Store,
    background,
    catch_up,
    fulltext,
    indexer,
)

Opener = Callable[..., Awaitable[Store]]
ALICE = "alice@example.test"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for."""
    monkeypatch.setattr(indexer, "QUIET", 0.0)


def message(text: str) -> bytes:
    return f"Subject: about {text}\r\n\r\nIt is {text}.\r\n".encode()


async def deliver(account: AccountStore, name: str, texts: Sequence[str]) -> list[int]:
    new = [NewMessage(message(text)) for text in texts]
    return (await account.append(name, new)).uids


async def filled(account: AccountStore) -> None:
    """Wait until the index is complete."""
    while account.tasks:
        await account.tasks.wait()


async def found(mailbox: Mailbox, text: str, where: fulltext.Where = "body") -> list[int]:
    """What the index alone says; fails where it doesn't know all messages."""
    told = await mailbox.candidates(fold(text), where)
    assert told is not None
    assert all(told.covers(uid) for uid in mailbox.uids)
    assert not told.unsure
    return list(told.hits)


async def opened(opener: Opener, name: str = "INBOX") -> tuple[AccountStore, Mailbox]:
    account = await (await opener()).account(ALICE)
    return account, await account.open(name)


async def test_filled_after_delivery_and_emptied_after_expunge(store: Store) -> None:
    account = await store.account(ALICE)
    await deliver(account, "INBOX", ["apples", "pears", "pineapples"])
    mailbox = await account.open("INBOX")
    await filled(account)
    assert await found(mailbox, "apples") == [1, 3]
    assert await found(mailbox, "about", "header") == [1, 2, 3]
    assert await found(mailbox, "about") == []
    assert await found(mailbox, "it is", "any") == [1, 2, 3]
    await mailbox.expunge([3], only_deleted=False)
    await deliver(account, "INBOX", ["apples"])
    await filled(account)
    assert await found(mailbox, "apples") == [1, 4]
    folder = mailbox.folder
    assert account.files.fulltext.uids(folder.id) == [1, 2, 4]
    assert account.files.fulltext.covered(folder.id) == [range(1, 5)]


async def test_what_is_not_indexed_is_told(store: Store) -> None:
    account = await store.account(ALICE)
    mailbox = await account.open("INBOX")
    await deliver(account, "INBOX", ["apples"])
    await filled(account)
    account.indexer.stop()
    await deliver(account, "INBOX", ["apples"])
    told = await mailbox.candidates(fold("apples"), "body")
    assert told is not None
    assert (list(told.hits), told.covers(1), told.covers(2)) == ([1], True, False)


async def test_copy_move_rename_delete(store: Store) -> None:
    account = await store.account(ALICE)
    await deliver(account, "INBOX", ["apples", "pears"])
    inbox = await account.open("INBOX")
    await account.copy(inbox, [1], "Archive")
    await account.move(inbox, [2], "Archive")
    await account.rename("Archive", "Kept")
    kept = await account.open("Kept")
    await filled(account)
    assert await found(kept, "apples") == [1]
    assert await found(kept, "pears") == [2]
    assert await found(inbox, "pears") == []
    number = kept.folder.id
    await account.delete("Kept")
    await deliver(account, "INBOX", ["plums"])
    await filled(account)
    assert account.files.fulltext.uids(number) == []
    assert account.files.fulltext.covered(number) == []
    assert await found(inbox, "apples") == [1]


@pytest.mark.parametrize("lost", ["index.db", "fulltext.db", "both"])
@pytest.mark.parametrize("crash", [False, True])
async def test_deleted_while_stopped(
    open_store: Opener, maildir: Path, lost: str, crash: bool
) -> None:
    account, inbox = await opened(open_store)
    await account.create("New")  # so that ids of mailboxes are other ones afterwards
    await deliver(account, "New", ["pears"])
    await deliver(account, "INBOX", ["apples", "plums", "quinces"])
    await filled(account)
    if crash:
        account.indexer.stop()  # who is no more does nothing more
    await inbox.expunge([2], only_deleted=False)
    if not crash:
        inbox.release()
        await account.close()
    for path in maildir.parent.glob("*.db*"):
        if lost == "both" or path.name.startswith(lost):
            path.unlink()
    account, new = await opened(open_store, "New")
    inbox = await account.open("INBOX")
    await filled(account)
    assert await found(inbox, "apples") == [1]
    assert await found(inbox, "plums") == []
    assert await found(inbox, "quinces") == [3]
    assert await found(new, "pears") == [1]


@pytest.mark.parametrize("damage", ["garbage", "truncated", "row", "version"])
async def test_damaged(
    open_store: Opener, maildir: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    account, inbox = await opened(open_store)
    await deliver(account, "INBOX", [f"apples {n}" for n in range(50)])
    await filled(account)
    inbox.release()
    await account.close()
    path = maildir.parent / "fulltext.db"
    match damage:
        case "garbage":
            path.write_bytes(b"no database at all" * 1000)
        case "truncated":
            path.write_bytes(path.read_bytes()[:6000])
        case "row":
            db = sqlite3.connect(path)
            db.execute("DELETE FROM body_data WHERE id > 10")
            db.commit()
            db.close()
        case _:
            monkeypatch.setattr(fulltext, "UNICODE_VERSION", "another")
    account, inbox = await opened(open_store)
    await filled(account)
    await inbox.candidates(fold("apples"), "body")  # finds out, if need be
    await filled(account)
    assert await found(inbox, "apples 4") == [5, *range(41, 51)]


async def test_index_rebuilt_while_running(store: Store, maildir: Path) -> None:
    account = await store.account(ALICE)
    await deliver(account, "Drafts", ["pears"])
    await deliver(account, "INBOX", ["apples"])
    inbox, drafts = await account.open("INBOX"), await account.open("Drafts")
    await filled(account)
    await account.writer.do(account.files.rebuild_index)
    await account.take_anew()
    await filled(account)
    assert await found(inbox, "apples") == [1]
    assert await found(drafts, "pears") == [1]
    assert await found(drafts, "apples") == []


async def test_a_step_across_a_rebuild_changes_nothing(store: Store) -> None:
    """What was read for one index is not taken in for the next, where ids mean something else."""
    account = await store.account(ALICE)
    account.indexer.stop()
    await deliver(account, "INBOX", ["apples"])
    mailbox = await account.open("INBOX")
    place = account.files.fulltext.place(mailbox.folder)
    await account.writer.do(account.files.rebuild_index)
    text = fulltext.indexed_text(message("apples"))
    assert account.files.fulltext.add(place, [(1, text)], range(1, 2)) is False
    assert account.files.fulltext.remove(place, [1], 7) is False
    assert account.files.fulltext.covered(mailbox.folder.id) == []


@pytest.mark.parametrize(
    ("bound", "value", "whole"),
    [("MAX_TEXT", 1000, False), ("MAX_DISTINCT", 100, False), ("DIRECT", 100, True)],
)
async def test_bounds(
    store: Store, monkeypatch: pytest.MonkeyPatch, bound: str, value: int, whole: bool
) -> None:
    monkeypatch.setattr(fulltext, "DIRECT", 200)
    monkeypatch.setattr(fulltext, bound, value)
    account = await store.account(ALICE)
    long = "".join(f"word{n}\r\n" for n in range(500))
    await deliver(account, "INBOX", ["short", long + "end", "end"])
    mailbox = await account.open("INBOX")
    await filled(account)
    told = await mailbox.candidates(fold("end"), "body")
    assert told is not None
    assert (list(told.hits), set(told.unsure)) == (([2, 3], set()) if whole else ([3], {2}))


@given(st.lists(st.text("abc", max_size=20), max_size=5), st.text("abc", min_size=1, max_size=3))
def test_each_trigram_once_says_the_same(pieces: list[str], wanted: str) -> None:
    def found(text: str | None) -> bool:
        assert text is not None
        return any(text[at:].startswith(wanted) for at in range(len(text) - 2))

    with pytest.MonkeyPatch.context() as patch:
        whole = fulltext._joined(iter(pieces))
        patch.setattr(fulltext, "DIRECT", -1)
        assert found(fulltext._joined(iter(pieces))) is found(whole)


async def test_unreadable_messages_are_unsure(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise OSError("the disk fails")

    account = await store.account(ALICE)
    account.indexer.stop()
    await deliver(account, "INBOX", ["apples", "pears"])
    mailbox = await account.open("INBOX")
    with monkeypatch.context() as patch:
        patch.setattr(catch_up.reading, "examine", fails)
        while await account.threads.run(catch_up.step, account.files, mailbox.folder):
            pass
    told = await mailbox.candidates(fold("pears"), "body")
    assert told is not None
    assert (list(told.hits), set(told.unsure)) == ([], {1, 2})


async def test_many_messages_in_several_steps(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "MESSAGES", 7)
    monkeypatch.setattr(catch_up, "OCTETS", 150)
    monkeypatch.setattr(fulltext, "DROP_AT_ONCE", 3)
    account = await store.account(ALICE)
    mailbox = await account.open("INBOX")
    await deliver(account, "INBOX", [f"apples {n}" for n in range(40)])
    await filled(account)
    assert len(await found(mailbox, "apples")) == 40
    await mailbox.expunge(range(1, 40, 2), only_deleted=False)
    await filled(account)
    assert await found(mailbox, "apples") == list(range(2, 41, 2))
    assert account.files.fulltext.uids(mailbox.folder.id) == list(range(2, 41, 2))


async def test_closing_waits_for_no_fill(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "QUIET", 3600.0)
    monkeypatch.setattr(background, "GIVE_WAY", 3600.0)
    account, mailbox = await opened(open_store)
    await deliver(account, "INBOX", ["apples"])
    assert account.indexer.active
    await asyncio.wait_for(account.close(), 60)
    assert not account.indexer.active
    account, mailbox = await opened(open_store)
    assert list(mailbox.uids) == [1]
    await account.close()


async def test_closing_ends_a_fill(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Event(), threading.Event()
    steps = []

    def step(*arguments: object) -> bool:
        steps.append(1)
        begun.set()
        ended.wait(60)
        return len(steps) < 100

    monkeypatch.setattr(catch_up, "step", step)
    account = await store.account(ALICE)
    await deliver(account, "INBOX", ["apples"])
    await asyncio.to_thread(begun.wait)
    closing = asyncio.ensure_future(account.close())
    await asyncio.sleep(0)
    ended.set()
    await closing
    assert len(steps) == 1
