"""Killed at any moment, or refused by the disk: what was promised is there, exactly once."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mailsuite.base import durable
from mailsuite.store import (
    NewMessage,
    Store,
    StoreUnavailable,
    change,
    disk,
    journal,
    records,
)

MESSAGE = b"From: a@example.test\r\nSubject: %d\r\n\r\nhello\r\n"

CHILD = """
import asyncio, sys
from pathlib import Path
from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.store import Facets, NewMessage, Store

async def main(root):
    facets = Facets(("length", "start"), 1, lambda m: (b"%d" % len(m), bytes(m[:8])))
    store = Store(Path(root), facets=facets, threads=Threads("s", 4), clock=SystemClock())
    account = await store.account("alice@example.test")
    mailbox = await account.open("INBOX")
    mailbox.attach(lambda change: None, claim_recent=True)
    numbers = iter(range(1_000_000))

    async def append():
        for number in numbers:
            text = b"From: a@example.test\\r\\nSubject: %d\\r\\n\\r\\nhello\\r\\n" % number
            done = await account.append("INBOX", [NewMessage(text, delivery_id=f"q{number}")])
            print(number, done.uids[0], flush=True)
            if number % 5 == 0:
                await mailbox.store_flags(done.uids, "+", ["\\\\Seen", "word"])
                print("flag", done.uids[0], flush=True)

    await asyncio.gather(*(append() for _ in range(8)))

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("lines", [1, 90, 400])
async def test_kill_9_during_appends(
    open_store: Callable[[], Awaitable[Store]], tmp_path: Path, lines: int
) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(tmp_path / "mail"), stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    told: list[str] = []
    async for line in child.stdout:
        if line.endswith(b"\n"):  # not one that was cut off
            told.append(line.decode())
        if len(told) == lines:
            child.kill()
    await child.wait()
    odd = [x for x in told if len(x.split()) != 2]
    assert odd == []
    promised = {int(a): int(b) for a, b in (x.split() for x in told if not x.startswith("flag"))}
    flagged = {int(x.split()[1]) for x in told if x.startswith("flag")}
    account = await (await open_store()).account("alice@example.test")
    mailbox = await account.open("INBOX")
    uids = list(mailbox.uids)
    assert uids == sorted(set(uids))
    found: dict[int, int] = {}
    for uid, message in await mailbox.read(uids, max_octets=1 << 30):
        assert message is not None
        number = int(message.split(b"Subject: ")[1].split()[0])
        assert number not in found
        assert message == MESSAGE % number
        found[number] = uid
    assert {number: found[number] for number in promised} == promised
    for uid in flagged:
        assert mailbox.flags(uid) == {"\\Seen", "word"}
    again = [
        NewMessage(MESSAGE % number, delivery_id=f"q{number}", repeat=True) for number in promised
    ]
    assert (await account.append("INBOX", again)).uids == list(promised.values())
    new = await account.append("INBOX", [NewMessage(MESSAGE % 0)])
    assert new.uids[0] > max(uids)
    folder = tmp_path / "mail" / "example.test" / "alice"
    assert list((folder / "tmp").iterdir()) == []
    mailbox.release()


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def nth(number: int, call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, refused from the `number`-th time on."""
    left = [number]

    def wrapped(*arguments: Any, **named: Any) -> Any:
        left[0] -= 1
        return full() if left[0] < 0 else call(*arguments, **named)

    return wrapped


def unsynced(number: int) -> Callable[[Sequence[int]], list[OSError | None]]:
    """No file can be made durable from the `number`-th time on."""
    left = [number]

    def sync_all(fds: Sequence[int]) -> list[OSError | None]:
        left[0] -= 1
        return [OSError(errno.EIO, "I/O error") if left[0] < 0 else None for _ in fds]

    return sync_all


REFUSALS = {
    "writing": (durable, "begin_new", 1),
    "naming": (disk, "rename", 1),
    "octets": (durable, "sync_all", 0),
    "folder": (durable, "sync_all", 1),
    "journal": (journal, "append", 0),
    "rows": (records, "add", 0),
}


@pytest.mark.parametrize("what", REFUSALS)
async def test_append_refused_by_the_disk_leaves_nothing(
    store: Store, maildir: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE % 0)])
    before = await account.status("INBOX")
    new = [NewMessage(MESSAGE % 1), NewMessage(MESSAGE % 2, frozenset(["\\Seen", "word"]))]
    module, name, count = REFUSALS[what]
    with monkeypatch.context() as patch:
        refused = unsynced(count) if name == "sync_all" else nth(count, getattr(module, name))
        patch.setattr(module, name, refused)
        with pytest.raises(StoreUnavailable):
            await account.append("INBOX", new)
    status = await account.status("INBOX")
    assert (status.messages, status.size, status.unseen) == (1, before.size, 1)
    assert len([*(maildir / "new").iterdir(), *(maildir / "cur").iterdir()]) == 1
    assert list((maildir.parent / "tmp").iterdir()) == []
    assert len((await account.append("INBOX", new)).uids) == 2
    assert (await account.status("INBOX")).messages == 3


async def test_one_bad_append_does_not_spoil_the_others(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await store.account("alice@example.test")
    real = disk.rename

    def picky(old: str, new: str, *folders: int) -> None:
        if "Dbad" in new:
            full()
        real(old, new, *folders)

    monkeypatch.setattr(disk, "rename", picky)
    results = await asyncio.gather(
        *(
            account.append(
                "INBOX", [NewMessage(MESSAGE % n, delivery_id="bad" if n == 7 else f"n{n}")]
            )
            for n in range(20)
        ),
        return_exceptions=True,
    )
    bad = [number for number, one in enumerate(results) if isinstance(one, BaseException)]
    assert bad == [7]
    assert isinstance(results[7], StoreUnavailable)
    mailbox = await account.open("INBOX")
    assert len(mailbox.uids) == 19
    mailbox.release()


@pytest.mark.parametrize("operation", ["copy", "move", "expunge", "flags"])
async def test_half_done_changes_are_undone(
    store: Store, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE % n) for n in range(5)])
    mailbox = await account.open("INBOX")
    before = await account.status("INBOX")
    with monkeypatch.context() as patch:
        patch.setattr(change.disk, "rename", nth(3, disk.rename))
        patch.setattr(change.os, "link", nth(3, os.link))
        with pytest.raises(StoreUnavailable):
            if operation == "copy":
                await account.copy(mailbox, list(mailbox.uids), "Archive")
            elif operation == "move":
                await account.move(mailbox, list(mailbox.uids), "Archive")
            elif operation == "expunge":
                await mailbox.expunge(None, only_deleted=False, all_or_none=True)
            else:
                await mailbox.store_flags(None, "+", ["\\Seen"])
    await mailbox.refresh()
    after = await account.status("INBOX")
    assert (after.messages, after.unseen, after.uidnext) == (5, 5, before.uidnext)
    assert (await account.status("Archive")).messages == 0
    assert list(mailbox.uids) == [1, 2, 3, 4, 5]
    assert all(not mailbox.flags(uid) for uid in mailbox.uids)
    assert await mailbox.read([1, 5]) == [(1, MESSAGE % 0), (5, MESSAGE % 4)]
    mailbox.release()


async def test_an_expunge_that_the_disk_stops_half_way(
    store: Store, maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE % n) for n in range(5)])
    mailbox = await account.open("INBOX")
    with monkeypatch.context() as patch:
        patch.setattr(disk, "unlink", nth(2, disk.unlink))
        with pytest.raises(StoreUnavailable):
            await mailbox.expunge(None, only_deleted=False)
    assert list(mailbox.uids) == [3, 4, 5]
    assert (await account.status("INBOX")).messages == len(list((maildir / "new").iterdir())) == 3

    with monkeypatch.context() as patch:
        patch.setattr(records, "remove", full)
        with pytest.raises(StoreUnavailable):
            await mailbox.expunge([3], only_deleted=False)
    await mailbox.refresh()
    assert list(mailbox.uids) == [4, 5]
    assert (await account.status("INBOX")).messages == 2
    mailbox.release()


async def test_a_large_message_refused_while_it_comes_in(
    store: Store, maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await store.account("alice@example.test")
    temp = await account.new_temp()
    await temp.write(b"x" * 300_000)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StoreUnavailable):
            await temp.write(b"x" * 300_000)
    await temp.discard()
    await temp.discard()
    assert list((maildir.parent / "tmp").iterdir()) == []
    with pytest.raises(StoreUnavailable):
        await account.append("INBOX", [NewMessage(temp)])
