"""What the store keeps in memory and for how long, and what it writes down at the end."""

from __future__ import annotations

import asyncio
import itertools
import os
from array import array
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from mailsuite.store import (
    AccountStore,
    Facets,
    Mailbox,
    NewMessage,
    Store,
    StoreUnavailable,
    background,
    filler,
    flags,
    folder,
    journal,
    reading,
    records,
    sidecar,
)
from mailsuite.store import store as store_module
from mailsuite.store.records import Columns
from mailsuite.store.sidecar import MailboxSidecar
from mailsuite.store.view import View

MESSAGE = b"From: a@example.test\r\n\r\nhello\r\n"
Opener = Callable[..., Awaitable[Store]]


async def settled(account: AccountStore) -> None:
    """Background work (claiming, facets, files let go) has ended."""
    while len(account.tasks):
        await account.tasks.wait()


async def test_sidecar_is_ahead_while_running_and_exact_afterwards(
    store: Store, maildir: Path
) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)] * 3)
    running = sidecar.read_mailbox(maildir)
    assert running is not None
    assert running.uidnext > 4 and running.modseq > 1000
    await store.close()
    closed = sidecar.read_mailbox(maildir)
    assert closed is not None
    assert (closed.uidnext, closed.modseq) == (4, 3)


async def test_a_disk_that_refuses_at_the_end_keeps_nothing_open(
    open_store: Opener, maildir: Path
) -> None:
    store = await open_store()
    for name in ("alice@example.test", "bob@example.test"):
        await (await store.account(name)).append("INBOX", [NewMessage(MESSAGE)])
    refused = maildir / f".{sidecar.MAILBOX_FILE}.{os.getpid()}.tmp"
    refused.mkdir()
    account = await store.account("alice@example.test")
    with structlog.testing.capture_logs() as events:
        await store.close()
    assert [event["event"] for event in events] == ["numbers not written"]
    assert not account.files.is_open
    others = sidecar.read_mailbox(maildir.parent.parent / "bob" / "Maildir")
    assert others is not None
    assert others.uidnext == 2
    refused.rmdir()
    account = await (await open_store()).account("alice@example.test")
    assert (await account.append("INBOX", [NewMessage(MESSAGE)])).uids[0] > 1


async def test_facets_that_the_disk_refuses_are_computed_when_they_are_wanted(
    open_store: Opener,
) -> None:
    refusing = True

    def compute(message: bytes) -> tuple[bytes, bytes]:
        if refusing:
            raise StoreUnavailable("no room")
        return b"%d" % len(message), b""

    store = await open_store(Facets(("length", "start"), 1, compute))
    account = await store.account("alice@example.test")
    with structlog.testing.capture_logs() as events:
        await account.append("INBOX", [NewMessage(MESSAGE)])
        mailbox = await account.open("INBOX")
        await account.append("INBOX", [NewMessage(MESSAGE)])
        await settled(account)
    assert {event["event"] for event in events} == {"facets not kept"}
    refusing = False
    rows = await mailbox.rows([1, 2], columns=["length"])
    assert [row[-1] for row in rows] == [b"%d" % len(MESSAGE)] * 2
    mailbox.release()


async def test_reserved_numbers_are_written_before_they_are_used(
    store: Store, maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "UID_BLOCK", 3)
    monkeypatch.setattr(folder, "MODSEQ_BLOCK", 3)
    account = await store.account("alice@example.test")
    for _ in range(12):
        uid = (await account.append("INBOX", [NewMessage(MESSAGE)])).uids[0]
        written = sidecar.read_mailbox(maildir)
        assert written is not None
        assert written.uidnext > uid
        assert written.modseq > (await account.status("INBOX")).highestmodseq


async def test_claimed_messages_move_to_cur(store: Store, maildir: Path) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)] * 2)
    assert len(os.listdir(maildir / "new")) == 2
    mailbox = await account.open("INBOX")
    one = mailbox.attach(lambda change: None, claim_recent=False)
    await settled(account)
    assert len(os.listdir(maildir / "new")) == 2
    two = mailbox.attach(lambda change: None, claim_recent=True)
    await settled(account)
    assert os.listdir(maildir / "new") == []
    assert all(name.endswith(":2,") for name in os.listdir(maildir / "cur"))
    await account.append("INBOX", [NewMessage(MESSAGE)])
    await settled(account)
    assert os.listdir(maildir / "new") == []
    assert list(mailbox.uids) == [1, 2, 3] and not mailbox.in_new
    one.detach()
    two.detach()
    mailbox.release()


async def test_facets_are_computed_in_the_background(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)] * 50)
    await settled(account)
    monkeypatch.setattr(reading, "compute", None)  # nothing is left to be computed
    mailbox = await account.open("INBOX")
    rows = await mailbox.rows(list(mailbox.uids), columns=["start", "header"])
    assert len(rows) == 50
    await account.copy(mailbox, list(mailbox.uids), "Archive")
    archive = await account.open("Archive")
    assert len(await archive.rows(list(archive.uids), columns=["length"])) == 50
    archive.release()
    mailbox.release()


async def test_without_quiet_all_accounts_together_compute_facets_step_by_step(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filler, "QUIET", 3600.0)
    monkeypatch.setattr(background, "GIVE_WAY", 0.1)
    begun: list[float] = []

    def compute(message: bytes) -> tuple[bytes]:
        begun.append(store._background.computed)
        return (b"",)

    store = await open_store(Facets(("start",), 1, compute))
    accounts = [await store.account(f"{name}@example.test") for name in ("alice", "bob", "carol")]
    await asyncio.gather(*(one.append("INBOX", [NewMessage(MESSAGE)]) for one in accounts))
    await asyncio.gather(*map(settled, accounts))
    steps = [after - before for before, after in itertools.pairwise(begun)]
    assert len(steps) == 2 and all(step >= 0.1 for step in steps)


async def test_a_message_expunged_while_its_facets_are_computed(
    store: Store, maildir: Path
) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)])
    await settled(account)
    mailbox = await account.open("INBOX")
    await mailbox.expunge(None, only_deleted=False)
    with account.files.index.reader() as db:
        for table in ("message", "held", "header", "facet"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    mailbox.release()


async def test_sessions_share_a_view_that_is_kept_for_a_while(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "IDLE_MAILBOXES", 2)
    account = await store.account("alice@example.test")
    first, again = await asyncio.gather(account.open("INBOX"), account.open("inbox"))
    assert first is again
    first.release()
    again.release()
    assert await account.open("INBOX") is first
    for name in ("Sent", "Drafts", "Trash"):
        (await account.open(name)).release()
    assert await account.open("INBOX") is first  # in use all the time
    first.release()
    first.release()
    for name in ("Sent", "Drafts", "Trash"):
        (await account.open(name)).release()
    other = await account.open("INBOX")
    assert other is not first
    other.release()


async def test_accounts_that_nobody_uses_rest(
    store: Store, monkeypatch: pytest.MonkeyPatch, maildir: Path
) -> None:
    monkeypatch.setattr(store_module, "OPEN_ACCOUNTS", 1)
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)])
    await settled(account)
    await store.account("bob@example.test")
    await store.tasks.wait()
    assert not account.files.is_open
    exact = sidecar.read_mailbox(maildir)
    assert exact is not None and exact.uidnext == 2
    assert (await account.append("INBOX", [NewMessage(MESSAGE)])).uids == [2]
    assert account.files.is_open
    mailbox = await account.open("INBOX")
    await settled(account)
    await account.rest()
    assert account.files.is_open  # somebody uses it
    assert await mailbox.read([2]) == [(2, MESSAGE)]
    mailbox.release()


async def test_files_left_over_are_thrown_away(open_store: Opener, maildir: Path) -> None:
    store = await open_store()
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)])
    mailbox = await account.open("INBOX")
    mailbox.attach(lambda change: None, claim_recent=True)
    await mailbox.expunge([1], only_deleted=False)
    tmp = maildir.parent / "tmp"
    (tmp / "half a message").write_bytes(b"x")
    (tmp / "half a mailbox").mkdir()
    assert len(os.listdir(tmp)) == 3
    account = await (await open_store()).account("alice@example.test")
    assert os.listdir(tmp) == []
    assert (await account.status("INBOX")).messages == 0


async def test_closing_a_file_whose_reader_was_cancelled(store: Store) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(b"A: b\r\n\r\n" + b"x" * 200_000)])
    mailbox = await account.open("INBOX")
    file = await mailbox.open_message(1)
    reader = asyncio.create_task(file.read())
    await asyncio.sleep(0)
    reader.cancel()
    file.close()
    file.close()
    with pytest.raises(asyncio.CancelledError):
        await reader
    with pytest.raises(ValueError, match="closed"):
        await file.read()
    mailbox.release()


async def test_a_listener_that_raises_stops_nobody(store: Store) -> None:
    account = await store.account("alice@example.test")
    mailbox = await account.open("INBOX")

    def broken(change: Any) -> None:
        raise RuntimeError("a mistake")

    one = mailbox.attach(broken, claim_recent=False)
    assert (await account.append("INBOX", [NewMessage(MESSAGE)])).uids == [1]
    assert (await account.status("INBOX")).messages == 1
    one.detach()
    mailbox.release()


async def test_the_journal_is_compacted(store: Store, maildir: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(journal, "COMPACT_FROM", 100)
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)] * 2)
    mailbox: Mailbox = await account.open("INBOX")
    for number in range(40):
        await mailbox.store_flags([1, 2], "", ["word", f"k{number}"])
    size = journal.size(maildir)
    mailbox.release()
    await settled(account)
    await account.rest()
    mailbox = await account.open("INBOX")
    assert journal.size(maildir) < size / 10
    assert mailbox.flags(2) == {"word", "k39"}
    await mailbox.store_flags([2], "-", ["K39"])
    assert journal.read(maildir) == {1: ["k39", "word"], 2: ["word"]}
    mailbox.release()


async def test_history_of_expunges_is_bounded(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr(records, "MAX_EXPUNGED", 10)
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)] * 30)
    mailbox = await account.open("INBOX")
    since = mailbox.highestmodseq
    for uid in range(1, 21):
        await mailbox.expunge([uid], only_deleted=False)
    late = mailbox.highestmodseq - 2
    mailbox.release()
    await settled(account)
    await account.rest()
    mailbox = await account.open("INBOX")
    assert await mailbox.vanished(late) == [range(19, 21)]
    assert await mailbox.vanished(since) == [range(1, 21)]
    mailbox.release()


@pytest.mark.parametrize(
    "content",
    [b"", b"uidvalidity x\n", b"\xff\xfe", b"uidvalidity 0\nmailboxid F1\nuidnext 1\nmodseq 2\n"],
)
def test_sidecars_that_make_no_sense(tmp_path: Path, content: bytes) -> None:
    (tmp_path / sidecar.MAILBOX_FILE).write_bytes(content)
    assert sidecar.read_mailbox(tmp_path) is None


def test_sidecars_read_back(tmp_path: Path) -> None:
    written = MailboxSidecar(7, "F1", 5, 9, 3, "\\Sent")
    written.write(tmp_path)
    assert sidecar.read_mailbox(tmp_path) == written
    sidecar.write_subscriptions(tmp_path, {"INBOX", "Work/ä", "a.b"})
    text = (tmp_path / sidecar.SUBSCRIPTIONS_FILE).read_text()
    assert text == "INBOX\nWork.&AOQ-\na&AC4-b\n"
    assert sidecar.read_subscriptions(tmp_path) == {"INBOX", "Work/ä", "a.b"}


def test_states() -> None:
    letters, words = flags.split(["\\seen", "\\RECENT", "$forwarded", "Word"])
    assert (letters, words) == ({"S", "P"}, ["Word"])
    text = flags.apply("Fab old", "+", letters, words)
    assert text == "FPSab Word old"
    assert flags.to_set(text) == {"\\Flagged", "$Forwarded", "\\Seen", "Word", "old"}
    assert flags.apply(text, "", {"T"}, []) == "Tab"
    table = flags.FlagTable()
    assert table.of_state("Sa") == table.of_state("S") == 0
    assert len(table) == 1 and table[0] == {"\\Seen"}


@pytest.mark.parametrize("sets", [2, 300])
def test_the_first_message_that_lacks_a_flag(sets: int) -> None:
    view = View("INBOX", 1, "F1")
    assert view.first_lacking("\\Seen") is None
    states = [f"S word{number}" for number in range(sets - 1)] + ["F"]
    count = 3 * sets
    numbers = array("I", (number % sets for number in range(count)))
    modseqs = array("Q", [1]) * count
    view.fill(Columns(array("I", range(1, count + 1)), numbers, states, modseqs))
    assert view.first_lacking("\\Seen") == sets - 1
    assert view.first_lacking("\\Flagged") == 0
    assert view.first_lacking("word0") == 1
