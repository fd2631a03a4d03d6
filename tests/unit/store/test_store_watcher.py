"""Other programs' changes show up by themselves in mailboxes that sessions have selected."""

from __future__ import annotations

import asyncio
import mailbox as standard
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.store import Change, Facets, Mailbox, NewMessage, Store, merge
from mailsuite.store.watcher import Watcher

MESSAGE = b"From: a@example.test\r\n\r\nhello\r\n"
FLAGGED, SEEN = "\\Flagged", "\\Seen"
NOTHING = Facets(("none",), 1, lambda message: (b"",))


class Listener:
    """A session that waits for what it is told."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.changes: list[Change] = []
        self._told = asyncio.Event()
        self.attachment = mailbox.attach(self._on_change, claim_recent=True)

    def _on_change(self, change: Change) -> None:
        self.changes.append(change)
        self._told.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._told.clear()
            await self._told.wait()


async def claimed(maildir: Path) -> None:
    """New mail has been moved to cur/."""
    while any((maildir / "new").iterdir()):  # noqa: ASYNC110 (files tell nobody)
        await asyncio.sleep(0.01)


def watchers() -> list[str]:
    return ["polling", "inotify"] if sys.platform == "linux" else ["polling"]


@pytest.fixture(params=watchers())
async def watched(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    threads = Threads("store", 4)
    watcher = Watcher(notices=request.param == "inotify")
    store = Store(
        tmp_path / "mail", facets=NOTHING, threads=threads, clock=SystemClock(), watcher=watcher
    )
    yield store
    await store.close()
    threads.close()


async def test_what_others_do_is_told_unasked(watched: Store, maildir: Path) -> None:
    account = await watched.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE) for _ in range(3)])
    session = Listener(await account.open("INBOX"))
    view = session.mailbox
    await claimed(maildir)

    others = standard.Maildir(maildir, create=False)
    others.add(standard.MaildirMessage(MESSAGE))
    await session.until(lambda: len(view.uids) == 4)

    path = next(path for path in (maildir / "cur").iterdir() if ",U=2," in path.name)
    path.rename(path.with_name(path.name.partition(":")[0] + ":2,FS"))
    await session.until(lambda: view.flags(2) == {FLAGGED, SEEN})

    next(path for path in (maildir / "cur").iterdir() if ",U=1," in path.name).unlink()
    await session.until(lambda: 1 not in view.uids)
    assert list(view.uids) == [2, 3, 4]
    assert [change.origin for change in session.changes] == [None] * len(session.changes)


@pytest.mark.parametrize("watched", watchers()[1:], indirect=True)
async def test_our_own_changes_cost_no_listing(
    watched: Store, maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await watched.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)])
    session = Listener(await account.open("INBOX"))
    view = session.mailbox
    await claimed(maildir)
    listings = 0
    merged = merge.merge

    def counting(*arguments: Any, **how: Any) -> None:
        nonlocal listings
        listings += 1
        merged(*arguments, **how)

    # A foreign file is the mark that all before it has been looked at.
    monkeypatch.setattr(merge, "merge", counting)
    for number in range(20):
        await account.append("INBOX", [NewMessage(MESSAGE)])
        await view.store_flags([number + 1], "+", [FLAGGED])
    await account.copy(view, [1, 2, 3], "INBOX")
    await view.expunge([1, 2, 3], only_deleted=False, origin=session.attachment)
    count = len(view.uids)
    (maildir / "new" / "1700000000.1.other").write_bytes(MESSAGE)
    await session.until(lambda: len(view.uids) == count + 1)
    assert 1 <= listings <= 2


async def test_a_mailbox_that_another_program_removes(watched: Store, maildir: Path) -> None:
    account = await watched.account("alice@example.test")
    session = Listener(await account.open("Archive"))
    (maildir / ".Archive").rename(maildir.parent / "elsewhere")
    (maildir.parent / "elsewhere" / "cur" / "1700000000.1.other:2,").write_bytes(MESSAGE)
    await session.until(lambda: session.mailbox.gone)
    session.attachment.detach()


@pytest.mark.skipif(sys.platform != "linux", reason="inotify")
async def test_watches_are_bounded_and_given_back(tmp_path: Path, maildir: Path) -> None:
    threads = Threads("store", 4)
    watcher = Watcher(limit=2)
    store = Store(
        tmp_path / "mail", facets=NOTHING, threads=threads, clock=SystemClock(), watcher=watcher
    )
    account = await store.account("alice@example.test")
    names = ["INBOX", "Archive", "Sent", "Trash"]
    sessions = [Listener(await account.open(name)) for name in names]
    assert [one.mailbox.folder.watch is not None for one in sessions] == [True, True, False, False]
    for folder, one in zip(["", ".Archive", ".Sent", ".Trash"], sessions, strict=True):
        (maildir / folder / "new" / "1700000000.1.other").write_bytes(MESSAGE)
        await one.until(lambda one=one: len(one.mailbox.uids) == 1)  # type: ignore[misc]
    sessions[0].attachment.detach()
    again = Listener(await account.open("Drafts"))
    assert again.mailbox.folder.watch is not None
    await store.close()
    threads.close()
