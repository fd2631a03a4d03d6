"""Columns of many messages at once, and values that are derived from header blocks."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from mailsuite.store import Derived, Mailbox, NewMessage, Store, filler, reading, records
from mailsuite.store.files import AccountFiles
from mailsuite.store.folder import Folder
from mailsuite.store.values import Row

COUNT = 150


def message(number: int) -> bytes:
    return b"X-Number: %d\r\n\r\nbody\r\n" % number


class Counted:
    """A derivation that counts how often it is asked."""

    def __init__(self, key: str) -> None:
        self.calls = 0
        self.column = Derived(key, self._compute)

    def _compute(self, header: bytes) -> bytes:
        self.calls += 1
        return header.removeprefix(b"X-Number: ").rstrip()


@pytest.fixture
async def mailbox(store: Store) -> Mailbox:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(message(number)) for number in range(1, COUNT + 1)])
    return await account.open("INBOX")


def kept(maildir: Path) -> int:
    with closing(sqlite3.connect(f"file:{maildir.parent}/index.db?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM derived").fetchone()[0])


async def test_what_many_asked_for_is_kept(mailbox: Mailbox, maildir: Path) -> None:
    one = Counted("number")
    uids = list(mailbox.uids)
    expected = [uids, [b"%d" % uid for uid in uids]]
    assert await mailbox.table(uids, columns=[one.column]) == expected
    assert (one.calls, kept(maildir)) == (COUNT, COUNT)
    assert await mailbox.table(uids, columns=[one.column]) == expected
    assert one.calls == COUNT
    again = await mailbox.rows([3, 7], columns=["size", one.column])
    assert again == [(uid, len(message(uid)), b"%d" % uid) for uid in (3, 7)]
    assert one.calls == COUNT


async def test_few_are_computed_each_time(mailbox: Mailbox, maildir: Path) -> None:
    one, unnamed = Counted("number"), Counted("")
    for _ in range(2):
        assert await mailbox.rows([5], columns=[one.column]) == [(5, b"5")]
        await mailbox.table(list(mailbox.uids), columns=[unnamed.column])
    assert (one.calls, unnamed.calls, kept(maildir)) == (2, 2 * COUNT, 0)


async def test_kept_values_end_with_their_messages_and_with_their_turn(
    mailbox: Mailbox, maildir: Path
) -> None:
    one = Counted("number")
    await mailbox.table(list(mailbox.uids), columns=[one.column])
    await mailbox.expunge([1, 2, 3], only_deleted=False)
    assert kept(maildir) == COUNT - 3
    for number in range(9):
        other = Counted(f"number {number}")
        await mailbox.table(list(mailbox.uids), columns=[other.column])
    assert kept(maildir) == 8 * (COUNT - 3)
    one.calls = 0
    await mailbox.table(list(mailbox.uids), columns=[one.column])
    assert one.calls == COUNT - 3


@pytest.mark.parametrize(
    "pick",
    [
        lambda uid: uid % 2,
        lambda uid: uid % 40 == 3,
        lambda uid: uid not in (20, 90),
        lambda uid: uid not in (7, 8, 9) and uid <= COUNT,  # as many as are held
    ],
)
async def test_any_choice_of_messages(mailbox: Mailbox, pick: Callable[[int], bool]) -> None:
    session = mailbox.attach(lambda change: None, claim_recent=True)
    await mailbox.expunge([20, 43, 90], only_deleted=False)  # held: they can still be read
    uids = [uid for uid in range(1, COUNT + 10) if pick(uid)]
    found = await mailbox.table(uids, columns=["size", "start", Counted("").column])
    there = [uid for uid in uids if uid <= COUNT]
    assert found == [
        there,
        [len(message(uid)) for uid in there],
        [message(uid)[:8] for uid in there],
        [b"%d" % uid for uid in there],
    ]
    session.detach()


async def test_an_unknown_column(mailbox: Mailbox) -> None:
    with pytest.raises(ValueError, match="no such column"):
        await mailbox.table([1], columns=["nothing"])


async def test_flags_of_very_many_messages(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailsuite.store.mailbox.STORE_AT_ONCE", 40)
    before = mailbox.highestmodseq
    await mailbox.store_flags([7, 90], "+", ["first"])
    stored = await mailbox.store_flags(None, "+", ["word"], unchanged_since=before)
    assert list(stored.modified) == [7, 90]
    assert list(stored.changed) == [uid for uid in range(1, COUNT + 1) if uid not in (7, 90)]
    assert all(("word" in mailbox.flags(uid)) is (uid not in (7, 90)) for uid in mailbox.uids)
    assert not (await mailbox.store_flags([], "+", ["word"])).changed


async def test_a_table_is_of_one_moment(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages that go between its statements are all there, or all of them are gone."""
    loop, numbered = asyncio.get_running_loop(), records.uids
    uids = list(mailbox.uids)

    def late(*arguments: Any, **options: Any) -> list[int]:
        expunged = mailbox.expunge([7, 8], only_deleted=False)
        asyncio.run_coroutine_threadsafe(expunged, loop).result(60)
        return numbered(*arguments, **options)

    await mailbox.expunge([5], only_deleted=False)
    monkeypatch.setattr(records, "uids", late)
    found, sizes = await mailbox.table(uids, columns=["size"])
    assert found == [uid for uid in uids if uid != 5]
    assert sizes == [len(message(uid)) for uid in found]


async def test_what_is_left_of_gone_messages_is_told_of_nobody(
    mailbox: Mailbox, maildir: Path
) -> None:
    """Facets whose message is gone, and messages whose facets are missing, as many of each."""
    uids = list(mailbox.uids)
    await mailbox.table(uids, columns=["start"])
    while len(mailbox.account.tasks):  # facets are made in the background
        await mailbox.account.tasks.wait()
    # By the store's own SQLite: another one in the same process would drop its locks.
    with closing(apsw.Connection(str(maildir.parent / "index.db"))) as db, db:
        here = "(SELECT id FROM mailbox WHERE folder = '')"
        db.execute(f"DELETE FROM message WHERE id & 0xffffffff = 30 AND id >> 32 = {here}")
        db.execute(f"DELETE FROM facet WHERE id & 0xffffffff = 60 AND id >> 32 = {here}")
    for some in (uids, [uid for uid in uids if uid != 90]):
        there = [uid for uid in some if uid != 30]
        starts = [message(uid)[:8] if uid != 60 else None for uid in there]
        found = await mailbox.table(some, columns=["start"], compute=False)
        assert found[0] == there
        assert found[1] == starts
    assert await mailbox.table(uids, columns=["start"]) == [
        [uid for uid in uids if uid != 30],
        [message(uid)[:8] for uid in uids if uid != 30],
    ]


async def test_only_what_is_deleted_is_expunged(mailbox: Mailbox) -> None:
    await mailbox.store_flags([4], "+", ["T", "Todo", "\\Seen"])
    assert await mailbox.expunge(None, only_deleted=True) == []
    await mailbox.store_flags([5, 80], "+", ["\\Deleted"])
    await mailbox.store_flags([80], "+", ["\\Answered", "Todo"])
    assert await mailbox.expunge(None, only_deleted=True) == [5, 80]
    assert await mailbox.expunge(None, only_deleted=True) == []
    assert len(mailbox.uids) == COUNT - 2


async def test_the_front_is_as_much_as_fits(mailbox: Mailbox) -> None:
    uids = list(mailbox.uids)
    whole = await mailbox.table(uids, columns=["start", "header"])

    async def front(octets: int, some: list[int] = uids) -> tuple[int, list[list[Any]]]:
        return await mailbox.front(some, columns=["start", "header"], max_octets=octets)

    assert await front(1 << 20) == (COUNT, whole)
    count, table = await front(1000)
    assert 1 < count < 50
    assert table == [column[:count] for column in whole]
    # One that is too large by itself comes all the same; what is gone is looked at, too.
    assert await front(1) == (1, [column[:1] for column in whole])
    await mailbox.expunge([1, 2], only_deleted=False)
    assert (await front(1 << 20, [1, 2])) == (2, [[], [], []])
    count, table = await front(1000, [1, 2, *range(3, 100, 3)])
    assert count > 2
    assert table[0] == list(range(3, 100, 3))[: count - 2]


async def test_the_front_of_what_is_not_computed_yet_is_short(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filler, "QUIET", 3600.0)  # nothing is computed in the background
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(message(number)) for number in range(COUNT)])
    mailbox = await account.open("INBOX")
    one = Counted("")
    uids = list(mailbox.uids)
    assert (await mailbox.front(uids, columns=["length"], max_octets=1))[0] == 1
    count, table = await mailbox.front(uids, columns=["length"], max_octets=1 << 20)
    assert 1 < count < COUNT
    assert len(table[0]) == count
    await mailbox.table(uids, columns=["length"])
    for columns in (["length"], ["size"], [one.column]):
        count, table = await mailbox.front(uids, columns=columns, max_octets=1 << 20)
        assert (count, table[0]) == (COUNT, uids)
    assert (await mailbox.front(uids, columns=[one.column], max_octets=500))[0] < COUNT
    # Where some values have been kept, the others are still made of header blocks.
    other = Counted("number")
    await mailbox.table(uids[:100], columns=[other.column])
    assert (await mailbox.front(uids[:100], columns=[other.column], max_octets=500))[0] == 100
    count, table = await mailbox.front(uids[100:], columns=[other.column], max_octets=500)
    assert 1 < count < 50
    assert table[0] == uids[100:][:count]


async def test_what_is_computed_is_kept_before_it_is_too_much(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filler, "QUIET", 3600.0)
    monkeypatch.setattr(reading, "KEEP_AT_ONCE", 100)
    keep, kept = reading._keep, list[int]()

    def watched(files: AccountFiles, folder: Folder, found: dict[int, Row]) -> None:
        kept.append(len(found))
        keep(files, folder, found)

    monkeypatch.setattr(reading, "_keep", watched)
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(message(number)) for number in range(1, 31)])
    mailbox = await account.open("INBOX")
    uids = list(mailbox.uids)
    for asked in (uids[:20], uids):
        for some in reading.compute(account.files, mailbox.folder, uids[:10]):
            assert len(some) < 6
        headers = [message(uid).removesuffix(b"body\r\n") for uid in asked]
        assert await mailbox.table(asked, columns=["header"]) == [asked, headers]
    assert sum(kept) == 40  # ten are filled in twice
    assert max(kept) < 6
