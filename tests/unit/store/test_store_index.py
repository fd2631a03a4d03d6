"""The index is a cache: without it, damaged or outdated, the same mailboxes come back."""

from __future__ import annotations

import mmap
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailsuite.store import Change, Facets, NewMessage, Status, Store

MESSAGE = b"From: a@example.test\r\n\r\nhello\r\n"
SEEN, DELETED = "\\Seen", "\\Deleted"
Opener = Callable[..., Awaitable[Store]]


async def prepare(store: Store) -> tuple[Status, list[tuple[int, frozenset[str]]]]:
    account = await store.account("alice@example.test")
    new = [NewMessage(MESSAGE, internal_date=1e9 + n) for n in range(6)]
    await account.append("Archive", new)
    mailbox = await account.open("Archive")
    await mailbox.store_flags([1, 2], "+", [SEEN, "one", "Two"])
    await mailbox.store_flags([2], "-", ["one"])
    await mailbox.store_flags([4], "+", [DELETED])
    await mailbox.expunge([5, 6], only_deleted=False)
    result = [(uid, mailbox.flags(uid)) for uid in mailbox.uids]
    mailbox.release()
    return await account.status("Archive"), result


def index_of(maildir: Path) -> Path:
    return maildir.parent / "index.db"


async def check(
    opener: Opener, status: Status, flags: list[tuple[int, frozenset[str]]], *, exact: bool = True
) -> None:
    account = await (await opener()).account("alice@example.test")
    now = await account.status("Archive")
    assert now.uidvalidity == status.uidvalidity
    assert now.mailboxid == status.mailboxid
    if exact:
        assert now.uidnext == status.uidnext
    assert now.uidnext >= status.uidnext
    assert now.highestmodseq >= status.highestmodseq
    assert (now.messages, now.unseen, now.deleted, now.size) == (
        status.messages,
        status.unseen,
        status.deleted,
        status.size,
    )
    mailbox = await account.open("Archive")
    assert [(uid, mailbox.flags(uid)) for uid in mailbox.uids] == flags
    rows = await mailbox.rows(list(mailbox.uids), columns=["internal_date", "start"])
    assert rows == [(uid, 1e9 + uid - 1, MESSAGE[:8]) for uid, _ in flags]
    assert {"Two"} <= set(mailbox.keywords)
    assert (await account.append("Archive", [NewMessage(MESSAGE)])).uids[0] >= status.uidnext
    mailbox.release()


async def test_deleted_while_stopped(open_store: Opener, maildir: Path) -> None:
    store = await open_store()
    status, flags = await prepare(store)
    await store.close()
    index_of(maildir).unlink()
    await check(open_store, status, flags)


async def test_deleted_after_a_crash(open_store: Opener, maildir: Path) -> None:
    status, flags = await prepare(await open_store())  # not closed
    for path in maildir.parent.glob("index.db*"):
        path.unlink()
    await check(open_store, status, flags, exact=False)


@pytest.mark.parametrize("damage", ["garbage", "empty", "truncated", "version"])
async def test_damaged_while_stopped(open_store: Opener, maildir: Path, damage: str) -> None:
    store = await open_store()
    status, flags = await prepare(store)
    await store.close()
    index = index_of(maildir)
    if damage == "garbage":
        index.write_bytes(b"no database at all" * 1000)
    elif damage == "empty":
        index.write_bytes(b"")
    elif damage == "truncated":
        index.write_bytes(index.read_bytes()[:5000])
    else:
        with sqlite3.connect(index) as db:
            db.execute("PRAGMA user_version = 999")
        db.close()
    await check(open_store, status, flags)


@pytest.mark.parametrize("first", ["read", "write", "status"])
async def test_damaged_while_running(store: Store, maildir: Path, first: str) -> None:
    _, flags = await prepare(store)
    account = await store.account("alice@example.test")
    mailbox = await account.open("Archive")
    changes: list[Change] = []
    one = mailbox.attach(changes.append, claim_recent=False)
    account.files.index.close()
    index_of(maildir).write_bytes(b"\0" * 100_000)
    if first == "read":
        assert len(await mailbox.rows([1, 2], columns=["size"])) == 2
    elif first == "write":
        assert (await account.append("Archive", [NewMessage(MESSAGE)])).uids >= [7]
    else:
        assert (await account.status("Archive")).messages == 4
    assert [(uid, mailbox.flags(uid)) for uid in mailbox.uids][:4] == flags
    assert list((await mailbox.store_flags([1], "-", [SEEN])).changed) == [1]
    assert await mailbox.read([1]) == [(1, MESSAGE)]
    kinds = [change.kind for change in changes]
    assert kinds == (["appended", "flags"] if first == "write" else ["flags"])
    one.detach()
    mailbox.release()


async def test_sidecar_lost(open_store: Opener, maildir: Path) -> None:
    store = await open_store()
    status, flags = await prepare(store)
    await store.close()
    (maildir / ".Archive" / "mailsuite.mailbox").unlink()
    account = await (await open_store()).account("alice@example.test")
    now = await account.status("Archive")
    assert now.uidvalidity > status.uidvalidity
    mailbox = await account.open("Archive")
    assert [(uid, mailbox.flags(uid)) for uid in mailbox.uids] == flags
    mailbox.release()


async def test_facets_of_another_version_are_computed_anew(open_store: Opener) -> None:
    store = await open_store()
    await prepare(store)
    account = await store.account("alice@example.test")
    mailbox = await account.open("Archive")
    assert await mailbox.rows([1], columns=["start"]) == [(1, MESSAGE[:8])]
    mailbox.release()
    await store.close()
    store = await open_store(Facets(("start", "end"), 2, lambda m: (b"new", bytes(m[-2:]))))
    account = await store.account("alice@example.test")
    mailbox = await account.open("Archive")
    assert list(mailbox.uids) == [1, 2, 3, 4]
    rows = await mailbox.rows([1, 4], columns=["end", "header", "start"])
    assert rows == [(uid, b"\r\n", b"From: a@example.test\r\n\r\n", b"new") for uid in (1, 4)]
    mailbox.release()


async def test_facets_that_are_kept_otherwise_are_computed_anew(open_store: Opener) -> None:
    def compute(message: bytes | mmap.mmap) -> tuple[bytes, ...]:
        return b"%d" % len(message), bytes(message[:8])

    store = await open_store()
    await prepare(store)
    await store.close()
    for apart in ((), ("length",), ("start", "length"), ("start",)):
        store = await open_store(Facets(("length", "start"), 1, compute, apart))
        account = await store.account("alice@example.test")
        mailbox = await account.open("Archive")
        rows = await mailbox.rows([1, 2], columns=["start", "length"])
        assert rows == [(uid, MESSAGE[:8], b"%d" % len(MESSAGE)) for uid in (1, 2)]
        with account.files.index.reader() as db:
            tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'facet_*'"
            assert {name for (name,) in db.execute(tables)} == {f"facet_{name}" for name in apart}
        mailbox.release()
        await store.close()


async def test_rows_lost_by_a_power_cut_come_back_with_their_uids(
    open_store: Opener, maildir: Path
) -> None:
    store = await open_store()
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)] * 3)
    account.files.index.close()
    index = index_of(maildir)
    old = index.read_bytes()
    await account.append("INBOX", [NewMessage(MESSAGE)] * 2)
    mailbox = await account.open("INBOX")
    await mailbox.store_flags([2, 5], "+", [SEEN, "word"])
    mailbox.release()
    account.files.index.close()
    index.write_bytes(old)  # as if the last transactions had never reached the disk
    account = await (await open_store()).account("alice@example.test")
    mailbox = await account.open("INBOX")
    assert list(mailbox.uids) == [1, 2, 3, 4, 5]
    assert [uid for uid in mailbox.uids if mailbox.flags(uid) == {SEEN, "word"}] == [2, 5]
    mailbox.release()


async def test_a_torn_keyword_line_is_passed_over(open_store: Opener, maildir: Path) -> None:
    store = await open_store()
    status, flags = await prepare(store)
    await store.close()
    with (maildir / ".Archive" / "mailsuite.keywords").open("ab") as journal:
        journal.write(b"3 torn")
    await check(open_store, status, flags)
    account = await (await open_store()).account("alice@example.test")
    mailbox = await account.open("Archive")
    await mailbox.store_flags([3], "+", ["whole"])
    assert mailbox.flags(3) == {"whole"}
    mailbox.release()
