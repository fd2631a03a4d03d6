"""Annotations: kept beside the mail, all or none, within bounds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailsuite.store import LimitReached, NoSuchMailbox, Store, metadata
from mailsuite.store.metadata import MAX_ENTRIES, MAX_OCTETS

ALICE, BOB = "alice@example.test", "bob@example.test"


async def test_values_survive_a_restart_without_the_index(
    open_store: Callable[[], Awaitable[Store]], maildir: Path
) -> None:
    store = await open_store()
    account = await store.account(ALICE)
    values = {"/shared/a": b"text \xc3\xa9\r\n", "/private/b": bytes(range(256)), "/private/c": b""}
    await metadata.change(account, "Sent", ALICE, values)
    await metadata.change(account, "Sent", BOB, {"/private/b": b"of bob"})
    await metadata.change(account, None, ALICE, {"/private/d": b"server"})
    await store.close()
    for file in maildir.parent.glob("index.db*"):
        file.unlink()
    account = await (await open_store()).account(ALICE)
    assert await metadata.get(account, "Sent", ALICE) == values
    assert await metadata.get(account, "Sent", BOB) == {
        "/shared/a": values["/shared/a"],
        "/private/b": b"of bob",
    }
    assert await metadata.get(account, None, ALICE) == {"/private/d": b"server"}
    assert await metadata.get_many(account, ["INBOX", "Sent", "Nothing"], BOB) == {
        "INBOX": {},
        "Sent": await metadata.get(account, "Sent", BOB),
    }
    for who in (ALICE, BOB):
        empty = dict.fromkeys(await metadata.get(account, "Sent", who))
        await metadata.change(account, "Sent", who, empty)
    assert not list(maildir.rglob("mailsuite.metadata"))


async def test_all_or_none_within_bounds(store: Store) -> None:
    account = await store.account(ALICE)
    many = {f"/private/x{number}": b"1" for number in range(MAX_ENTRIES)}
    await metadata.change(account, "INBOX", ALICE, many)
    with pytest.raises(LimitReached):
        await metadata.change(
            account, "INBOX", ALICE, {"/shared/a": b"1", "/private/x0": b"2", "/private/y": b"1"}
        )
    assert await metadata.get(account, "INBOX", ALICE) == many
    # Others are not kept from theirs, nor is a change of what is there.
    await metadata.change(account, "INBOX", ALICE, {"/private/x0": b"2", "/shared/a": b"1"})
    await metadata.change(account, "INBOX", BOB, {"/private/y": b"1"})
    with pytest.raises(LimitReached):
        await metadata.change(account, "INBOX", BOB, {"/private/z": b"x" * MAX_OCTETS})
    with pytest.raises(NoSuchMailbox):
        await metadata.change(account, "Nothing", ALICE, {"/private/y": b"1"})


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"shared": 1, "private": {}}', b"\xff"])
async def test_a_spoilt_file_counts_as_none(store: Store, maildir: Path, text: bytes) -> None:
    account = await store.account(ALICE)
    (maildir / "mailsuite.metadata").write_bytes(text)
    assert await metadata.get(account, "INBOX", ALICE) == {}
    await metadata.change(account, "INBOX", ALICE, {"/private/y": b"1"})
    assert await metadata.get(account, "INBOX", ALICE) == {"/private/y": b"1"}
