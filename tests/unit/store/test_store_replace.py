"""Replacing a message: the new one is there before the old one goes, or nothing is changed."""

from __future__ import annotations

import pytest

from mailsuite.store import MessageGone, NewMessage, NoSuchMailbox, Store, StoreUnavailable
from mailsuite.store import alter as alter_module


async def contents(store: Store, name: str) -> list[tuple[int, bytes | None]]:
    account = await store.account("alice@example.test")
    mailbox = await account.open(name)
    try:
        return await mailbox.read(mailbox.uids.tolist())
    finally:
        mailbox.release()


async def test_replace(store: Store) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(b"old\r\n"), NewMessage(b"other\r\n")])
    inbox = await account.open("INBOX")
    appended = await account.replace(inbox, 1, "Drafts", NewMessage(b"new\r\n"))
    assert appended.uids == [1]
    assert await contents(store, "INBOX") == [(2, b"other\r\n")]
    assert await contents(store, "Drafts") == [(1, b"new\r\n")]
    with pytest.raises(MessageGone):
        await account.replace(inbox, 1, "Drafts", NewMessage(b"newer\r\n"))
    with pytest.raises(NoSuchMailbox):
        await account.replace(inbox, 2, "Nowhere", NewMessage(b"newer\r\n"))
    inbox.release()
    assert await contents(store, "INBOX") == [(2, b"other\r\n")]
    assert await contents(store, "Drafts") == [(1, b"new\r\n")]


async def test_nothing_stays_when_the_old_one_cannot_go(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(b"old\r\n")])
    inbox = await account.open("INBOX")
    real = alter_module.expunge

    def fail(files: object, folder: object, uids: list[int], **rest: object) -> list[int]:
        if uids == [1]:
            raise OSError(28, "no space")
        return real(files, folder, uids, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(alter_module, "expunge", fail)
    with pytest.raises(StoreUnavailable):
        await account.replace(inbox, 1, "INBOX", NewMessage(b"new\r\n"))
    inbox.release()
    assert await contents(store, "INBOX") == [(1, b"old\r\n")]
