"""MODSEQs never go backwards, and what was lost of their history is answered safely."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from mailsuite.store import NewMessage, Store, records

MESSAGE = b"Subject: a\r\n\r\nhello\r\n"
Opening = Callable[[], Awaitable[Store]]


async def deliver(store: Store, count: int) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)] * count)


async def test_changes_that_a_power_cut_took_back(open_store: Opening, maildir: Path) -> None:
    """Index and file names as they were before; the sidecar, which is durable, has not lost any."""
    store = await open_store()
    await deliver(store, 3)
    account = await store.account("alice@example.test")
    mailbox = await account.open("INBOX")
    told = mailbox.highestmodseq
    await account.writer.do(account.files.index.close)
    saved = maildir.parent.with_name("saved")
    shutil.copytree(maildir.parent, saved)
    await mailbox.store_flags([1], "+", [r"\Seen"])
    await mailbox.expunge([2], only_deleted=False)
    lost = mailbox.highestmodseq
    mailbox.release()
    await store.close()
    shutil.rmtree(maildir.parent)
    saved.rename(maildir.parent)

    store = await open_store()
    account = await store.account("alice@example.test")
    mailbox = await account.open("INBOX")
    assert list(mailbox.uids) == [1, 2, 3] and mailbox.flags(1) == frozenset()
    assert mailbox.highestmodseq > lost > told
    # Who knows only what is still true is told what is new; who knows more is told everything.
    assert mailbox.known_since(told) == told
    assert mailbox.known_since(lost) == mailbox.known_since(lost - 1) == 0
    await mailbox.expunge([3], only_deleted=False)
    assert await mailbox.vanished(told) == [range(3, 4)]
    assert await mailbox.vanished(lost) == [range(3, mailbox.uidnext)]
    later = mailbox.highestmodseq
    mailbox.release()
    await store.close()

    store = await open_store()
    account = await store.account("alice@example.test")
    mailbox = await account.open("INBOX")
    assert mailbox.known_since(lost) == 0
    assert mailbox.known_since(later) == later
    mailbox.release()


async def test_expunges_while_there_was_no_index(open_store: Opening, maildir: Path) -> None:
    store = await open_store()
    await deliver(store, 3)
    account = await store.account("alice@example.test")
    since = (await account.status("INBOX")).highestmodseq
    await store.close()
    for path in maildir.parent.glob("index.db*"):
        path.unlink()
    next(maildir.rglob("*U=2,*")).unlink()

    store = await open_store()
    account = await store.account("alice@example.test")
    mailbox = await account.open("INBOX")
    assert mailbox.highestmodseq > since
    assert await mailbox.vanished(since) == [range(2, 3)]
    assert all(modseq > since for modseq in mailbox.modseqs)
    late = mailbox.highestmodseq
    assert await mailbox.vanished(late) == []
    mailbox.release()


async def test_expunges_are_forgotten_while_the_store_is_open(
    store: Store, monkeypatch: Any
) -> None:
    monkeypatch.setattr(records, "MAX_EXPUNGED", 10)
    await deliver(store, 40)
    account = await store.account("alice@example.test")
    mailbox = await account.open("INBOX")
    since = mailbox.highestmodseq
    for uid in range(1, 31):
        await mailbox.expunge([uid], only_deleted=False)
    with account.files.index.reader() as db:
        assert len(records.expunged_since(db, mailbox.folder.id, 0)) <= 15
    assert await mailbox.vanished(mailbox.highestmodseq - 2) == [range(29, 31)]
    assert await mailbox.vanished(since) == [range(1, 31)]
    mailbox.release()
