"""Copies of messages that another program removes meanwhile: all of them, or none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailsuite.store import EVERY_FLAG, MessageGone, NewMessage, Store, across


@pytest.mark.parametrize("where", ["here", "across"])
@pytest.mark.parametrize("known", [True, False])
async def test_all_or_none(
    open_store: Callable[[], Awaitable[Store]], maildir: Path, where: str, known: bool
) -> None:
    store = await open_store()
    account = await store.account("alice@example.test")
    bob = await store.account("bob@example.test")
    await account.append("INBOX", [NewMessage(b"%d\r\n" % n) for n in range(3)])
    inbox = await account.open("INBOX")
    (second,) = maildir.glob("*/*,U=2,*")
    second.unlink()
    if known:
        await inbox.refresh()

    async def copy(*, all_or_none: bool) -> list[int]:
        if where == "here":
            copied = await account.copy(inbox, [1, 2, 3], "Archive", all_or_none=all_or_none)
        else:
            copied = await across.copy(
                inbox, [1, 2, 3], bob, "Archive", EVERY_FLAG, all_or_none=all_or_none
            )
        return copied.source_uids

    with pytest.raises(MessageGone):
        await copy(all_or_none=True)
    target = account if where == "here" else bob
    assert (await target.status("Archive")).messages == 0
    assert await copy(all_or_none=False) == [1, 3]
    assert (await target.status("Archive")).messages == 2
    inbox.release()
