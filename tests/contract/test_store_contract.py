r"""What every store backend promises to the doors and to delivery.

A new backend joins by adding its opener to `BACKENDS`: `await opener(folder, threads)` opens the
store that lies in the folder, again and again.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.message import Octets
from mailsuite.store import (
    AccountStore,
    CannotChange,
    Change,
    Facets,
    InvalidName,
    LimitReached,
    MailboxExists,
    MessageGone,
    NewMessage,
    NoSuchMailbox,
    Store,
    Where,
)

FACETS = Facets(
    ("length", "start"),
    1,
    lambda octets: (b"%d" % len(octets), bytes(octets[:8])),
    apart=("start",),
)
SEEN, DELETED, FLAGGED = "\\Seen", "\\Deleted", "\\Flagged"
Opener = Callable[[], Awaitable[Store]]


async def open_maildir(folder: Path, threads: Threads) -> Store:
    return Store(folder, facets=FACETS, threads=threads, clock=SystemClock())


BACKENDS = {"maildir": open_maildir}


@pytest.fixture(params=BACKENDS)
async def opener(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opener]:
    threads = Threads("contract", 4)
    opened: list[Store] = []

    async def make() -> Store:
        store = await BACKENDS[request.param](tmp_path / "mail", threads)
        opened.append(store)
        return store

    yield make
    for store in opened:
        await store.close()
    threads.close()


@pytest.fixture
async def account(opener: Opener) -> AccountStore:
    return await (await opener()).account("alice@example.test")


def message(text: str = "hello") -> bytes:
    return f"From: a@example.test\r\nSubject: {text}\r\n\r\n{text}\r\n".encode()


async def fill(account: AccountStore, count: int, name: str = "INBOX") -> list[int]:
    new = [NewMessage(message(str(number))) for number in range(count)]
    return (await account.append(name, new)).uids


async def octets(account: AccountStore, name: str) -> list[bytes]:
    mailbox = await account.open(name)
    found = []
    for uid in mailbox.uids:
        with await mailbox.open_message(uid) as file:
            found.append(await file.read())
    mailbox.release()
    return found


def ignore(change: Change) -> None:
    """A listener that needs nothing."""


# -- accounts and names ----------------------------------------------------------------------------


async def test_a_new_account_has_its_first_mailboxes(account: AccountStore) -> None:
    listed = {info.name: info for info in await account.mailboxes()}
    assert list(listed) == ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"]
    assert all(info.exists and info.subscribed for info in listed.values())
    assert listed["Sent"].special_use == "\\Sent"
    assert listed["INBOX"].special_use is None


async def test_create_list_subscribe(account: AccountStore) -> None:
    await account.create("Work/2024/ä.b")
    with pytest.raises(MailboxExists):
        await account.create("Work")
    with pytest.raises(MailboxExists):
        await account.create("inbox")
    await account.subscribe("Work/2024")
    await account.subscribe("Nowhere/x")
    await account.unsubscribe("Trash")
    await account.unsubscribe("never there")
    listed = {info.name: info for info in await account.mailboxes()}
    assert listed["Work/2024/ä.b"].exists
    assert listed["Work"].has_children
    assert listed["Work/2024"].subscribed
    assert not listed["Trash"].subscribed
    assert not listed["Nowhere/x"].exists and listed["Nowhere/x"].subscribed
    for bad in ("a//b", "", "x\n", "/a"):
        with pytest.raises(InvalidName):
            await account.create(bad)


@pytest.mark.parametrize("name", ["..", "../../etc", ".", "~", "~/x", "a.b", "a\\b", "&", "%*"])
async def test_names_that_look_like_paths_are_only_names(account: AccountStore, name: str) -> None:
    await account.create(name)
    uids = await fill(account, 1, name)
    assert uids == [1]
    assert name in {info.name for info in await account.mailboxes()}
    await account.delete(name)
    assert (await account.status("INBOX")).messages == 0


async def test_delete(account: AccountStore) -> None:
    await account.create("a/b")
    await fill(account, 1, "a")
    seen: list[Change] = []
    mailbox = await account.open("a")
    attachment = mailbox.attach(seen.append, claim_recent=True)
    before = mailbox.uidvalidity
    await account.delete("a")
    assert [change.kind for change in seen] == ["deleted"]
    assert mailbox.gone
    with pytest.raises(NoSuchMailbox):
        await mailbox.store_flags([1], "+", [SEEN])
    attachment.detach()
    mailbox.release()
    listed = {info.name: info for info in await account.mailboxes()}
    assert not listed["a"].exists and listed["a/b"].exists
    with pytest.raises(CannotChange):
        await account.delete("a")
    with pytest.raises(CannotChange):
        await account.delete("INBOX")
    with pytest.raises(NoSuchMailbox):
        await account.open("a")
    await account.create("a")
    status = await account.status("a")
    assert (status.messages, status.uidvalidity > before) == (0, True)


async def test_rename(account: AccountStore) -> None:
    await account.create("a/b/c")
    await fill(account, 2, "a/b")
    mailbox = await account.open("a/b")
    before = await account.status("a/b")
    await account.rename("a/b", "x/y")
    assert mailbox.name == "x/y"
    assert await account.status("x/y") == before
    assert "x/y/c" in {info.name for info in await account.mailboxes()}
    with pytest.raises(NoSuchMailbox):
        await account.status("a/b")
    with pytest.raises(MailboxExists):
        await account.rename("x/y", "Sent")
    with pytest.raises(CannotChange):
        await account.rename("x", "x/z")
    with pytest.raises(NoSuchMailbox):
        await account.rename("nothing", "something")
    await mailbox.store_flags([1], "+", [SEEN])
    assert mailbox.flags(1) == {SEEN}
    mailbox.release()


async def test_rename_inbox_moves_its_messages(account: AccountStore) -> None:
    await fill(account, 3)
    await account.create("INBOX/below")
    mailbox = await account.open("INBOX")
    await mailbox.store_flags([2], "+", [SEEN, "word"])
    await account.rename("inbox", "old")
    assert (await account.status("INBOX")).messages == 0
    moved = await account.open("old")
    assert list(moved.uids) == [1, 2, 3]
    assert moved.flags(2) == {SEEN, "word"}
    assert (await account.status("INBOX")).uidnext == 4
    assert (await account.status("INBOX/below")).messages == 0
    mailbox.release()
    moved.release()


async def test_special_use_is_given_once(account: AccountStore) -> None:
    with pytest.raises(CannotChange):
        await account.create("Outbox", special_use="\\Sent")
    with pytest.raises(CannotChange):
        await account.create("Outbox", special_use="\\Nonsense")
    await account.delete("Sent")
    await account.create("Outbox", special_use="\\Sent")
    listed = {info.name: info.special_use for info in await account.mailboxes()}
    assert listed["Outbox"] == "\\Sent"


# -- appending -------------------------------------------------------------------------------------


async def test_append_gives_back_the_octets(account: AccountStore, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.write_bytes(b"cut" + message("from a file"))
    whole = tmp_path / "whole"
    whole.write_bytes(message("linked"))
    temp = await account.new_temp()
    for _ in range(9):
        await temp.write(b"x" * 99_998 + b"\r\n")
    small = await account.new_temp()
    await small.write(message("small"))
    appended = await account.append(
        "INBOX",
        [
            NewMessage(message("bytes"), prefix=b"Return-Path: <>\r\n"),
            NewMessage(spool, offset=3),
            NewMessage(whole),
            NewMessage(whole, prefix=b"X: y\r\n", exact=True),
            NewMessage(temp, internal_date=1_000_000_000.0),
            NewMessage(small, flags=frozenset([SEEN, "$Work"])),
        ],
    )
    assert appended.uids == [1, 2, 3, 4, 5, 6]
    expected = [
        b"Return-Path: <>\r\n" + message("bytes"),
        message("from a file"),
        message("linked"),
        b"X: y\r\n" + message("linked"),
        (b"x" * 99_998 + b"\r\n") * 9,
        message("small"),
    ]
    assert await octets(account, "INBOX") == expected
    mailbox = await account.open("INBOX")
    rows = await mailbox.rows([1, 2, 3, 4, 5, 6], columns=["size", "internal_date", "length"])
    assert [row[1] for row in rows] == [len(one) for one in expected]
    assert [int(row[3]) for row in rows] == [len(one) for one in expected]
    assert rows[4][2] == 1_000_000_000.0
    assert mailbox.flags(6) == {SEEN, "$Work"}
    mailbox.release()
    await temp.discard()


async def test_append_is_all_or_none(account: AccountStore, tmp_path: Path) -> None:
    with pytest.raises(NoSuchMailbox):
        await account.append("nowhere", [NewMessage(message())])
    with pytest.raises(CannotChange):
        await account.append(
            "INBOX", [NewMessage(message()), NewMessage(message(), frozenset(["\\Foo"]))]
        )
    assert (await account.status("INBOX")).messages == 0


async def test_concurrent_appends_get_distinct_ascending_uids(account: AccountStore) -> None:
    results = await asyncio.gather(
        *(account.append("INBOX", [NewMessage(message(str(n)))] * (n % 3 + 1)) for n in range(40))
    )
    uids = [uid for result in results for uid in result.uids]
    assert len(uids) == len(set(uids)) == sum(n % 3 + 1 for n in range(40))
    assert all(result.uids == sorted(result.uids) for result in results)
    assert (await account.status("INBOX")).messages == len(uids)


async def test_a_repeated_delivery_is_known_anywhere(account: AccountStore) -> None:
    first = await account.append("INBOX", [NewMessage(message(), delivery_id="q1.0")])
    again = NewMessage(message(), delivery_id="q1.0", repeat=True)
    assert await account.append("INBOX", [again]) == first
    mailbox = await account.open("INBOX")
    moved = await account.move(mailbox, [1], "Archive")
    assert (await account.append("INBOX", [again])).uids == moved.target_uids
    assert (await account.status("INBOX")).messages == 0
    other = await account.append("INBOX", [NewMessage(message(), delivery_id="q1.1", repeat=True)])
    assert other.uids == [2]
    mailbox.release()


async def test_an_append_survives_its_caller(account: AccountStore) -> None:
    task = asyncio.create_task(account.append("INBOX", [NewMessage(message())]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await account.status("INBOX")).messages == 1


async def test_bare_line_feeds_are_made_whole(account: AccountStore) -> None:
    await account.append("INBOX", [NewMessage(b"A: b\n\r\nline\nend")])
    await account.append("INBOX", [NewMessage(b"A: b\r\n\r\n\x00bin\n", exact=True)])
    assert await octets(account, "INBOX") == [
        b"A: b\r\n\r\nline\r\nend",
        b"A: b\r\n\r\n\x00bin\n",
    ]


# -- flags -----------------------------------------------------------------------------------------


async def test_store_flags(account: AccountStore) -> None:
    await fill(account, 3)
    mailbox = await account.open("INBOX")
    changes: list[Change] = []
    attachment = mailbox.attach(changes.append, claim_recent=True)
    before = mailbox.highestmodseq
    stored = await mailbox.store_flags(
        [3, 1, 99], "+", ["\\seen", "Work", "\\Recent"], origin=attachment
    )
    assert list(stored.changed) == [1, 3] and not stored.modified
    assert mailbox.flags(1) == {SEEN, "Work"} and mailbox.flags(2) == frozenset()
    assert mailbox.highestmodseq > before
    assert mailbox.modseq(1) == mailbox.modseq(3) == mailbox.highestmodseq
    assert [(c.kind, c.uids, c.origin) for c in changes] == [("flags", [1, 3], attachment)]
    assert not (await mailbox.store_flags([1], "+", ["WORK", SEEN])).changed
    await mailbox.store_flags([1], "-", ["wORK"])
    assert mailbox.flags(1) == {SEEN}
    await mailbox.store_flags([1], "", [FLAGGED, "$Forwarded", "a", "b"])
    assert mailbox.flags(1) == {FLAGGED, "$Forwarded", "a", "b"}
    assert {"Work", "a", "b"} <= set(mailbox.keywords)
    with pytest.raises(CannotChange):
        await mailbox.store_flags([1], "+", ["\\Nope"])
    status = await account.status("INBOX")
    assert (status.unseen, status.deleted) == (2, 0)
    attachment.detach()
    mailbox.release()


async def test_unchanged_since(account: AccountStore) -> None:
    await fill(account, 2)
    mailbox = await account.open("INBOX")
    since = mailbox.highestmodseq
    await mailbox.store_flags([1], "+", [SEEN])
    stored = await mailbox.store_flags([1, 2], "+", [FLAGGED], unchanged_since=since)
    assert (list(stored.changed), list(stored.modified)) == ([2], [1])
    assert mailbox.flags(1) == {SEEN}
    mailbox.release()


async def test_parallel_flags_lose_nothing(account: AccountStore) -> None:
    await fill(account, 1)
    mailbox = await account.open("INBOX")
    await asyncio.gather(*(mailbox.store_flags([1], "+", [f"k{n}"]) for n in range(30)))
    assert mailbox.flags(1) == {f"k{n}" for n in range(30)}
    mailbox.release()


async def test_keywords_have_a_bound(account: AccountStore) -> None:
    await fill(account, 1)
    mailbox = await account.open("INBOX")
    await mailbox.store_flags([1], "+", [f"k{n}" for n in range(1000)])
    with pytest.raises(LimitReached):
        await mailbox.store_flags([1], "+", ["one-too-many"])
    assert len(mailbox.flags(1)) == 1000
    mailbox.release()


# -- expunge ---------------------------------------------------------------------------------------


async def test_expunge_keeps_messages_for_those_not_told(account: AccountStore) -> None:
    await fill(account, 4)
    mailbox = await account.open("INBOX")
    changes: list[Change] = []
    one = mailbox.attach(ignore, claim_recent=True)
    other = mailbox.attach(changes.append, claim_recent=False)
    old = mailbox.uids
    await mailbox.store_flags([2, 3], "+", [DELETED])
    assert await mailbox.expunge([1, 2], only_deleted=True, origin=one) == [2]
    assert await mailbox.expunge(None, only_deleted=True, origin=one) == [3]
    assert list(mailbox.uids) == [1, 4] and mailbox.uids is not old and list(old) == [1, 2, 3, 4]
    assert [(c.kind, c.uids) for c in changes[1:]] == [("expunged", [2]), ("expunged", [3])]
    assert list(other.uids[: other.count]) == [1, 2, 3, 4]
    assert other.expunged == [2, 3]
    assert (other.sequence(4), one.sequence(4)) == (4, 4)
    assert mailbox.index(2) is None
    assert mailbox.flags(2) == {DELETED}
    with await mailbox.open_message(2) as file:
        assert await file.read() == message("1")
    rows = await mailbox.rows([1, 2, 3], columns=["header", "start"])
    assert [row[0] for row in rows] == [1, 2, 3]
    one.told([2, 3])
    other.told([2])
    assert list(other.uids[: other.count]) == [1, 3, 4]
    assert (await mailbox.read([2, 3]))[1] == (3, message("2"))
    other.told([3])
    assert other.uids is mailbox.uids and other.count == 2 and other.sequence(4) == 2
    with pytest.raises(MessageGone):
        mailbox.flags(3)
    await account.status("INBOX")
    with pytest.raises(MessageGone):
        await mailbox.open_message(3)
    assert await mailbox.expunge(None, only_deleted=False) == [1, 4]
    one.detach()
    other.detach()
    mailbox.release()


async def test_arrivals_and_expunges_in_a_snapshot(account: AccountStore) -> None:
    await fill(account, 3)
    mailbox = await account.open("INBOX")
    one = mailbox.attach(ignore, claim_recent=True)
    await fill(account, 2)
    assert (one.count, one.arrived) == (3, 2)
    await mailbox.expunge([2, 5], only_deleted=False)
    assert (one.count, one.arrived, one.expunged) == (3, 1, [2])
    assert one.grow() == 4
    assert list(one.uids[: one.count]) == [1, 2, 3, 4]
    await fill(account, 1)
    one.told([2])
    assert list(one.uids[: one.count]) == [1, 3, 4]
    assert one.arrived == 1 and one.grow() == 4
    assert list(one.uids[: one.count]) == [1, 3, 4, 6]
    one.detach()
    one.detach()
    mailbox.release()


async def test_sizes(account: AccountStore) -> None:
    """Of those that are there, also where some are gone from the middle, the ends or altogether."""
    await account.append("INBOX", [NewMessage(b"x" * number + b"\r\n") for number in range(60)])
    box = await account.open("INBOX")
    try:
        uids = box.uids
        expected = dict(zip(uids, range(2, 62), strict=True))
        assert await box.sizes(uids) == (uids, array("Q", expected.values()))
        for gone in ([uids[0]], [uids[30], uids[31]], [uids[-1]]):
            before = array("I", box.uids)
            await box.expunge(gone, only_deleted=False)
            found, sizes = await box.sizes(before)
            assert found == box.uids
            assert list(sizes) == [expected[uid] for uid in found]
        some = box.uids[3:40:7]
        assert await box.sizes(some) == (some, array("Q", [expected[uid] for uid in some]))
        assert await box.sizes(array("I")) == (array("I"), array("Q"))
        await box.expunge(None, only_deleted=False)
        assert await box.sizes(uids) == (array("I"), array("Q"))
    finally:
        box.release()


async def test_vanished(account: AccountStore) -> None:
    await fill(account, 5)
    mailbox = await account.open("INBOX")
    await mailbox.expunge([2], only_deleted=False)
    since = mailbox.highestmodseq
    await mailbox.expunge([4, 3], only_deleted=False)
    assert await mailbox.vanished(since) == [range(3, 5)]
    assert await mailbox.vanished(mailbox.highestmodseq) == []
    assert await mailbox.vanished(0) == [range(2, 5)]
    assert await mailbox.vanished(mailbox.highestmodseq + 1) == [range(2, 5)]
    mailbox.release()


# -- recent ----------------------------------------------------------------------------------------


async def test_recent_is_claimed_once(account: AccountStore, opener: Opener) -> None:
    await fill(account, 2)
    assert (await account.status("INBOX")).recent == 2
    mailbox = await account.open("INBOX")
    examine = mailbox.attach(ignore, claim_recent=False)
    assert examine.recent == {1, 2}
    first = mailbox.attach(ignore, claim_recent=True)
    second = mailbox.attach(ignore, claim_recent=True)
    assert (first.recent, second.recent) == ({1, 2}, set())
    assert (await account.status("INBOX")).recent == 0
    await fill(account, 1)
    assert (first.recent, second.recent) == ({1, 2, 3}, set())
    for one in (first, second, examine):
        one.detach()
    await fill(account, 1)
    assert (await account.status("INBOX")).recent == 1
    mailbox.release()


async def test_recent_is_remembered(opener: Opener) -> None:
    store = await opener()
    account = await store.account("alice@example.test")
    await fill(account, 2)
    mailbox = await account.open("INBOX")
    mailbox.attach(ignore, claim_recent=True).detach()
    mailbox.release()
    await fill(account, 1)
    await store.close()
    account = await (await opener()).account("alice@example.test")
    mailbox = await account.open("INBOX")
    assert mailbox.attach(ignore, claim_recent=True).recent == {3}
    mailbox.release()


# -- copy and move ---------------------------------------------------------------------------------


async def test_copy(account: AccountStore) -> None:
    await account.append(
        "INBOX", [NewMessage(message(str(n)), internal_date=1e9 + n) for n in range(3)]
    )
    mailbox = await account.open("INBOX")
    await mailbox.store_flags([2], "+", [SEEN, "Word"])
    await mailbox.rows([2], columns=["start"])
    copied = await account.copy(mailbox, [3, 2, 77], "Archive")
    assert (copied.source_uids, copied.target_uids) == ([2, 3], [1, 2])
    assert copied.uidvalidity == (await account.status("Archive")).uidvalidity
    archive = await account.open("Archive")
    assert archive.flags(1) == {SEEN, "Word"}
    rows = await archive.rows([1, 2], columns=["internal_date", "start", "length"])
    assert [row[1] for row in rows] == [1e9 + 1, 1e9 + 2]
    assert await octets(account, "Archive") == [message("1"), message("2")]
    assert list(mailbox.uids) == [1, 2, 3]
    within = await account.copy(mailbox, [1], "INBOX")
    assert within.target_uids == [4] and list(mailbox.uids) == [1, 2, 3, 4]
    with pytest.raises(NoSuchMailbox):
        await account.copy(mailbox, [1], "nowhere")
    assert (await account.copy(mailbox, [99], "Archive")).target_uids == []
    archive.release()
    mailbox.release()


@pytest.mark.parametrize("watched", [False, True])
async def test_move(account: AccountStore, watched: bool) -> None:
    await fill(account, 3)
    mailbox = await account.open("INBOX")
    one = mailbox.attach(ignore, claim_recent=True)
    other = mailbox.attach(ignore, claim_recent=True) if watched else None
    archive = await account.open("Archive")
    changes: list[Change] = []
    there = archive.attach(changes.append, claim_recent=False)
    await mailbox.store_flags([1], "+", [FLAGGED])
    moved = await account.move(mailbox, [1, 3], "Archive", origin=one)
    assert (moved.source_uids, moved.target_uids) == ([1, 3], [1, 2])
    assert list(mailbox.uids) == [2] and archive.flags(1) == {FLAGGED}
    assert [(c.kind, c.uids) for c in changes] == [("appended", [1, 2])]
    assert await octets(account, "Archive") == [message("0"), message("2")]
    if other is not None:
        await archive.expunge(None, only_deleted=False)
        assert (await mailbox.read([1]))[0] == (1, message("0"))
    within = await account.move(mailbox, [2], "INBOX", origin=one)
    assert within.target_uids == [4] and list(mailbox.uids) == [4]
    assert await octets(account, "INBOX") == [message("1")]
    for attachment in (one, other, there):
        if attachment is not None:
            attachment.detach()
    mailbox.release()
    archive.release()


# -- reading, restarts -----------------------------------------------------------------------------


async def test_reading_pieces(account: AccountStore) -> None:
    big = b"A: b\r\n\r\n" + b"0123456789" * 20_000
    await account.append("INBOX", [NewMessage(message("x")), NewMessage(big)])
    mailbox = await account.open("INBOX")
    with await mailbox.open_message(2) as file:
        assert file.size == len(big)
        assert await file.read(8, 12) == b"012345678901"
        assert await file.read(len(big) - 3, 50) == b"789"
        assert await file.read(len(big) + 3) == b""
        await mailbox.expunge([2], only_deleted=False)
        assert await file.read() == big
    await account.append("INBOX", [NewMessage(message("y"))])
    assert await mailbox.read([1, 3], max_octets=60) == [(1, message("x"))]
    assert await mailbox.read([1], max_octets=5) == [(1, None)]
    assert await mailbox.read([77, 1]) == [(77, None), (1, message("x"))]
    with pytest.raises(MessageGone):
        await mailbox.open_message(77)
    with pytest.raises(ValueError, match="column"):
        await mailbox.rows([1], columns=["nothing"])
    assert await mailbox.rows([1], columns=["header"]) == [
        (1, b"From: a@example.test\r\nSubject: x\r\n\r\n")
    ]
    mailbox.release()


async def test_examine(account: AccountStore) -> None:
    big = b"A: b\r\n\r\n" + b"0123456789\r\n" * 200_000 + b"end"
    await account.append("INBOX", [NewMessage(message("x")), NewMessage(big)])
    await account.append("INBOX", [NewMessage(message("y"))])
    mailbox = await account.open("INBOX")

    def look(data: Octets) -> tuple[int, bytes, int, int]:
        return len(data), data[0:4], data.find(b"end"), data.find(b"9\r\n0", 1_000_000)

    small = (len(message("x")), b"From", -1, -1)
    assert await mailbox.examine([1, 3], look) == [(1, small), (3, small)]
    assert await mailbox.examine([1, 3], look, max_octets=60) == [(1, small)]
    assert await mailbox.examine([77, 1], look) == [(77, None), (1, small)]
    found = [(2, (len(big), b"A: b", len(big) - 3, big.find(b"9\r\n0", 1_000_000)))]
    assert await mailbox.examine([2, 1], look) == found
    one = mailbox.attach(lambda change: None, claim_recent=False)
    await mailbox.expunge([2, 3], only_deleted=False)
    assert await mailbox.examine([2], look) == found
    one.detach()
    assert await mailbox.examine([], look) == []
    mailbox.release()


@pytest.mark.parametrize("where", ["header", "body", "any"])
async def test_candidates_leave_nothing_out(account: AccountStore, where: Where) -> None:
    """A backend may know as little as it likes, at any time, but nothing wrong."""
    mailbox = await account.open("INBOX")
    for number in range(6):
        await account.append("INBOX", [NewMessage(message(f"apples {number}"))])
        for text in ("APPLES", "ES 3", "APPLES 7", "S", "PP"):
            told = await mailbox.candidates(text, where)
            if told is None:
                continue
            for uid in mailbox.uids:
                header, body = message(f"apples {uid - 1}").upper().split(b"\r\n\r\n")
                octets = {"header": header, "body": body}.get(where, header + b"\0" + body)
                is_there = text.encode() in octets
                if told.covers(uid) and uid not in told.unsure:
                    named = uid in told.hits
                    assert named or not is_there
                    assert is_there or not (named and told.exact)
    mailbox.release()


async def test_everything_is_there_after_a_restart(opener: Opener) -> None:
    store = await opener()
    account = await store.account("alice@example.test")
    await account.create("Work/ü")
    await fill(account, 3, "Work/ü")
    mailbox = await account.open("Work/ü")
    await mailbox.store_flags([1], "+", [SEEN, "one", "two"])
    await mailbox.expunge([3], only_deleted=False)
    mailbox.release()
    before = await account.status("Work/ü")
    listed = await account.mailboxes()
    await store.close()
    account = await (await opener()).account("ALICE@example.test")
    assert await account.status("Work/ü") == before
    assert await account.mailboxes() == listed
    mailbox = await account.open("Work/ü")
    assert list(mailbox.uids) == [1, 2]
    assert mailbox.flags(1) == {SEEN, "one", "two"}
    assert await fill(account, 1, "Work/ü") == [4]
    mailbox.release()


# -- mail from another server ----------------------------------------------------------------------


async def test_an_empty_mailbox_goes_on_under_another_servers_numbers(opener: Opener) -> None:
    store = await opener()
    account = await store.account("alice@example.test")
    open_already = await account.open("INBOX")
    assert await account.take_over("INBOX", 4_000_000_000, 20)
    assert open_already.gone
    open_already.release()
    messages = [NewMessage(b"A: 3\r\n\r\n", uid=3), NewMessage(b"A: 7\r\n\r\n", uid=7)]
    appended = await account.append("INBOX", messages)
    assert (appended.uidvalidity, appended.uids) == (4_000_000_000, [3, 7])
    assert await account.take_over("INBOX", 4_000_000_000, 20)  # a second run
    assert (await account.append("INBOX", [NewMessage(b"x", uid=9)])).uids == [9]
    assert await account.take_over("INBOX", 4_000_000_000, 20, whole=True)
    assert (await account.append("INBOX", [NewMessage(b"y")])).uids == [20]
    await account.create("New")
    assert (await account.status("New")).uidvalidity > 4_000_000_000
    await store.close()
    account = await (await opener()).account("alice@example.test")
    mailbox = await account.open("INBOX")
    assert (mailbox.uidvalidity, list(mailbox.uids)) == (4_000_000_000, [3, 7, 9, 20])
    mailbox.release()


async def test_uids_of_another_server_stay_reserved_over_a_restart(opener: Opener) -> None:
    store = await opener()
    account = await store.account("alice@example.test")
    assert await account.take_over("INBOX", 5, 20)
    await store.close()
    account = await (await opener()).account("alice@example.test")
    assert (await account.append("INBOX", [NewMessage(b"delivered")])).uids == [20]


async def test_a_mailbox_with_messages_keeps_its_numbers(opener: Opener) -> None:
    account = await (await opener()).account("alice@example.test")
    before = await account.append("INBOX", [NewMessage(b"x")])
    assert not await account.take_over("INBOX", 5, 20)
    assert (await account.append("INBOX", [NewMessage(b"y")])).uids == [2]
    assert (await account.status("INBOX")).uidvalidity == before.uidvalidity
    for wrong in ((0, 1), (1 << 32, 1), (1, 0), (1, 0xF000_0001)):
        with pytest.raises(CannotChange):
            await account.take_over("Drafts", *wrong)


async def test_keywords_of_before_do_not_stick_to_what_comes(opener: Opener) -> None:
    account = await (await opener()).account("alice@example.test")
    await account.append("INBOX", [NewMessage(b"x", frozenset({"old"}))])
    mailbox = await account.open("INBOX")
    await mailbox.expunge(None, only_deleted=False)
    mailbox.release()
    assert await account.take_over("INBOX", 5, 20)
    await account.append("INBOX", [NewMessage(b"x", uid=1)])
    mailbox = await account.open("INBOX")
    assert mailbox.flags(1) == frozenset()
    mailbox.release()
