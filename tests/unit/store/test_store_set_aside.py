"""Messages that others are just expunging or moving away can be read, at every moment."""

from __future__ import annotations

from typing import Any

import pytest

from mailsuite.store import AccountStore, Mailbox, NewMessage, Store, reading, records

MESSAGE = b"From: a@example.test\r\nSubject: %d\r\n\r\nhello\r\n"
SMALL, LARGE = MESSAGE % 1, MESSAGE % 2 + b"x" * (reading.MAP_FROM + 1) + b"\r\n"


async def expunge(account: AccountStore, mailbox: Mailbox, origin: Any) -> None:
    await mailbox.expunge([1, 2], only_deleted=False, origin=origin)


async def move(account: AccountStore, mailbox: Mailbox, origin: Any) -> None:
    await account.create("Work")
    await account.move(mailbox, [1, 2], "Work", origin=origin)


@pytest.mark.parametrize("way", [expunge, move])
async def test_files_are_in_tmp_before_the_index_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch, way: Any
) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(SMALL), NewMessage(LARGE)])
    mailbox = await account.open("INBOX")
    one = mailbox.attach(lambda change: None, claim_recent=True)
    other = mailbox.attach(lambda change: None, claim_recent=False)
    found: list[Any] = []
    remove = records.remove

    def look(*arguments: Any, **options: Any) -> None:
        # Set aside, and not yet written down: what a search or a FETCH beside it would see.
        files, folder = account.files, mailbox.folder
        found.append(reading.read(files, folder, [1], 1 << 20))
        found.append(reading.examine(files, folder, [1, 2], len, 1 << 22))
        remove(*arguments, **options)

    monkeypatch.setattr(records, "remove", look)
    await way(account, mailbox, one)
    assert found == [[(1, SMALL)], [(1, len(SMALL)), (2, len(LARGE))]]
    assert list(other.expunged) == [1, 2]
    assert await mailbox.read([1]) == [(1, SMALL)]
