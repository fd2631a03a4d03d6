"""STATUS of mailboxes that nothing has happened to costs no look at the disk, and is never old."""

from __future__ import annotations

import asyncio
import mailbox as standard
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.store import (
    AccountStore,
    Change,
    Facets,
    Mailbox,
    NewMessage,
    NoSuchMailbox,
    Store,
    StoreUnavailable,
    inotify,
    merge,
    tree,
)

MESSAGE = b"From: a@example.test\r\n\r\nhello\r\n"
NOTHING = Facets(("none",), 1, lambda message: (b"",))


class SettledClock(SystemClock):
    """So late that no change is so young that another could hide behind it; `later` moves it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return super().now() + 3600

    def monotonic(self) -> float:
        return self.ahead

    def later(self) -> None:
        """Long enough for folders to be listed again."""
        self.ahead += 3600


@pytest.fixture
def clock() -> SettledClock:
    return SettledClock()


class Counter:
    """Counts the calls of a function and passes them on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        self.count = 0
        self._call: Callable[..., Any] = getattr(module, name)
        monkeypatch.setattr(module, name, self)

    def __call__(self, *args: Any) -> Any:
        self.count += 1
        return self._call(*args)


@pytest.fixture
async def account(tmp_path: Path, clock: SettledClock) -> AsyncIterator[AccountStore]:
    if not inotify.AVAILABLE or not inotify.tells_all(str(tmp_path)):
        pytest.skip("a file system that does not tell of all changes")
    threads = Threads("store", 4)
    store = Store(tmp_path / "mail", facets=NOTHING, threads=threads, clock=clock)
    yield await store.account("alice@example.test")
    await store.close()
    threads.close()


def ignore(change: Change) -> None:
    """A listener that does nothing."""


async def quiet(account: AccountStore, mailbox: Mailbox) -> None:
    """What our own changes have made known has been looked at."""
    while not account.watcher.is_quiet(mailbox):
        await asyncio.sleep(0.01)
        await mailbox.refresh()


async def test_it_is_counted_once(
    account: AccountStore, clock: SettledClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("INBOX", "Archive"):
        await account.append(name, [NewMessage(MESSAGE)])
    clock.later()
    before = await account.statuses(["INBOX", "Archive", "Sent"])
    counting = Counter(monkeypatch, tree, "statuses")
    assert await account.statuses(["Archive", "INBOX", "Sent"]) == before
    assert await account.status("Archive") == before["Archive"]
    assert await account.statuses(["INBOX", "Archive", "Sent"]) == before
    assert counting.count == 0


async def test_it_is_counted_once_soon_after_a_change(
    account: AccountStore, clock: SettledClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await account.append("Archive", [NewMessage(MESSAGE)])
    await account.status("Archive")
    clock.ahead += 1
    await account.status("Archive")
    counting = Counter(monkeypatch, tree, "statuses")
    assert (await account.status("Archive")).messages == 1
    assert counting.count == 0


async def test_our_own_changes_are_counted(account: AccountStore) -> None:
    await account.append("Archive", [NewMessage(MESSAGE, frozenset({"\\Seen"}))] * 2)
    first = [await account.status("Archive") for _ in range(3)][-1]
    assert (first.messages, first.unseen, first.recent) == (2, 0, 2)

    mailbox = await account.open("Archive")
    await mailbox.store_flags([1], "+", ["$work"])  # no file is renamed
    flagged = await account.status("Archive")
    assert flagged.highestmodseq > first.highestmodseq
    mailbox.attach(ignore, claim_recent=True).detach()
    mailbox.release()
    assert (await account.status("Archive")).recent == 0

    await account.append("Archive", [NewMessage(MESSAGE)])
    assert (await account.status("Archive")).messages == 3


async def test_what_other_programs_do_is_counted(account: AccountStore, maildir: Path) -> None:
    folder = maildir / ".Archive"
    assert [(await account.status("Archive")).messages for _ in range(3)] == [0, 0, 0]
    standard.Maildir(folder, create=False).add(standard.MaildirMessage(MESSAGE))
    assert [(await account.status("Archive")).messages for _ in range(3)] == [1, 1, 1]
    next((folder / "new").iterdir()).unlink()
    assert [(await account.status("Archive")).messages for _ in range(3)] == [0, 0, 0]

    folder.rename(maildir / ".Elsewhere")
    with pytest.raises(NoSuchMailbox):
        await account.status("Archive")
    shutil.move(maildir / ".Elsewhere", folder)
    assert (await account.status("Archive")).messages == 0


async def test_another_maildir_in_its_place(account: AccountStore, maildir: Path) -> None:
    await account.require("Archive")
    assert [(await account.status("Archive")).messages for _ in range(3)] == [0, 0, 0]
    aside = maildir.parent.with_name("moved away")
    maildir.parent.rename(aside)
    with pytest.raises(StoreUnavailable):
        await account.require("Archive")
    with pytest.raises(StoreUnavailable):
        await account.status("Archive")
    aside.rename(maildir.parent)
    await account.require("Archive")


async def test_existence_is_not_remembered_for_too_long(
    account: AccountStore, maildir: Path
) -> None:
    for _ in range(2):
        await account.require("Archive")
    shutil.rmtree(maildir / ".Archive")
    with pytest.raises(NoSuchMailbox):
        await account.require("Archive")
    await account.create("Archive")
    for _ in range(2):
        await account.require("Archive")


async def test_a_selected_mailbox_is_looked_at_only_when_something_has_happened(
    account: AccountStore, maildir: Path, clock: SettledClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await account.append("INBOX", [NewMessage(MESSAGE)])
    mailbox = await account.open("INBOX")
    mailbox.attach(ignore, claim_recent=True)
    while any((maildir / "new").iterdir()):  # noqa: ASYNC110 (files tell nobody)
        await asyncio.sleep(0.01)
    clock.later()
    await quiet(account, mailbox)
    looking = Counter(monkeypatch, merge, "is_current")
    counting = Counter(monkeypatch, tree, "statuses")
    for _ in range(3):
        await mailbox.refresh()
        assert (await account.status("INBOX")).unseen == 1
    (await account.open("INBOX")).release()
    assert looking.count == counting.count == 0

    standard.Maildir(maildir, create=False).add(standard.MaildirMessage(MESSAGE))
    await mailbox.refresh()
    assert looking.count
    assert len(mailbox.uids) == 2
    assert (await account.status("INBOX")).unseen == 2


async def test_watches_are_given_back(account: AccountStore, clock: SettledClock) -> None:
    await account.statuses(["INBOX", "Archive", "Sent"])
    await account.statuses(["INBOX", "Archive", "Sent"])
    mailbox = await account.open("INBOX")
    attachment = mailbox.attach(ignore, claim_recent=True)
    clock.later()
    await quiet(account, mailbox)
    await account.require("Archive")
    attachment.detach()
    mailbox.release()
    notices = account.watcher._notices
    assert notices._listeners
    account.counts.forget()
    assert not notices._listeners
