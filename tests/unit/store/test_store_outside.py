"""Other programs in the same Maildir: what they do is noticed, and never overwritten."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mailsuite.store import Change, MessageGone, NewMessage, NoSuchMailbox, Store, merge

MESSAGE = b"From: a@example.test\r\n\r\nhello\r\n"
SEEN, FLAGGED, DELETED = "\\Seen", "\\Flagged", "\\Deleted"


def files(folder: Path) -> list[Path]:
    return sorted(
        (path for place in ("new", "cur") for path in (folder / place).iterdir()),
        key=lambda path: int(path.name.partition(",U=")[2].partition(",")[0] or "0"),
    )


def flag(path: Path, letters: str) -> Path:
    """What a mail reader does: rename into cur/ with other letters."""
    head = path.name.partition(":")[0]
    return path.rename(path.parent.parent / "cur" / f"{head}:2,{letters}")


def noticeable(folder: Path) -> None:
    """A change in the same tick of the kernel's clock as ours would show up only later."""
    for place in ("new", "cur"):
        os.utime(folder / place, ns=(time.time_ns(), time.time_ns()))


async def test_new_mail_of_another_delivery_agent(store: Store, maildir: Path) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)])
    mailbox = await account.open("INBOX")
    changes: list[Change] = []
    one = mailbox.attach(changes.append, claim_recent=True)
    (maildir / "new" / "1700000000.1.other").write_bytes(b"A: b\n\nx\n")
    (maildir / "cur" / "1700000001.2.other:2,FSa").write_bytes(MESSAGE)
    (maildir / "cur" / ".hidden").write_bytes(b"")
    (maildir / "cur" / "folder").mkdir()
    noticeable(maildir)
    await mailbox.refresh()
    assert list(mailbox.uids) == [1, 2, 3]
    assert mailbox.flags(3) == {SEEN, FLAGGED}
    assert one.recent == {1, 2, 3}
    assert [(c.kind, c.uids) for c in changes] == [("appended", [2, 3])]
    assert await mailbox.read([2, 3]) == [(2, b"A: b\r\n\r\nx\r\n"), (3, MESSAGE)]
    rows = await mailbox.rows([2], columns=["size"])
    assert rows == [(2, 11)]
    await mailbox.store_flags([3], "", [DELETED])
    names = [path.name for path in (maildir / "cur").iterdir() if "1700000001" in path.name]
    assert names == [f"1700000001.2.other,U=3,S={len(MESSAGE)},W={len(MESSAGE)}:2,Ta"]
    one.detach()
    mailbox.release()


async def test_flags_set_by_another_reader(store: Store, maildir: Path) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)] * 2)
    mailbox = await account.open("INBOX")
    changes: list[Change] = []
    one = mailbox.attach(changes.append, claim_recent=False)
    flag(files(maildir)[0], "RS")
    before = mailbox.highestmodseq
    noticeable(maildir)
    await mailbox.refresh()
    assert mailbox.flags(1) == {SEEN, "\\Answered"}
    assert mailbox.modseq(1) > before
    assert [(c.kind, c.uids, c.origin) for c in changes] == [("flags", [1], None)]
    status = await account.status("INBOX")
    assert (status.messages, status.unseen) == (2, 1)
    one.detach()
    mailbox.release()


async def test_a_file_moved_from_new_to_cur_has_not_vanished(store: Store, maildir: Path) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)])
    mailbox = await account.open("INBOX")
    flag(files(maildir)[0], "")
    before = mailbox.highestmodseq
    noticeable(maildir)
    await mailbox.refresh()
    assert list(mailbox.uids) == [1]
    assert mailbox.modseqs[0] <= before
    assert (await mailbox.read([1])) == [(1, MESSAGE)]
    mailbox.release()


async def test_files_removed_by_another_program(store: Store, maildir: Path) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)] * 3)
    mailbox = await account.open("INBOX")
    one = mailbox.attach(lambda change: None, claim_recent=False)
    await mailbox.store_flags([2], "+", [SEEN])
    files(maildir)[1].unlink()
    noticeable(maildir)
    await mailbox.refresh()
    assert list(mailbox.uids) == [1, 3]
    assert one.expunged == [2]
    assert mailbox.flags(2) == {SEEN}
    with pytest.raises(MessageGone):
        await mailbox.open_message(2)
    assert await mailbox.vanished(1) == [range(2, 3)]
    one.told([2])
    one.detach()
    mailbox.release()


async def test_our_flags_are_put_on_top_of_theirs(store: Store, maildir: Path) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)] * 3)
    mailbox = await account.open("INBOX")
    await mailbox.store_flags([1, 2, 3], "+", ["word"])
    here = files(maildir)
    flag(here[0], "F")
    here[1].unlink()
    stored = await mailbox.store_flags([1, 2, 3], "+", [SEEN])
    assert list(stored.changed) == [1, 3]
    assert mailbox.flags(1) == {SEEN, FLAGGED, "word"}
    assert list(mailbox.uids) == [1, 3]
    assert [path.name.partition(":2,")[2] for path in files(maildir)] == ["FS", "S"]
    mailbox.release()


async def test_reading_copying_expunging_what_was_renamed(store: Store, maildir: Path) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)] * 3)
    mailbox = await account.open("INBOX")
    for path in files(maildir):
        flag(path, "F")
    assert await mailbox.read([1]) == [(1, MESSAGE)]
    with await mailbox.open_message(2) as file:
        assert await file.read() == MESSAGE
    assert (await mailbox.rows([3], columns=["length"])) == [(3, b"%d" % len(MESSAGE))]
    copied = await account.copy(mailbox, [1, 2], "Archive")
    archive = await account.open("Archive")
    assert [archive.flags(uid) for uid in copied.target_uids] == [{FLAGGED}] * 2
    archive.release()
    assert await mailbox.expunge([1], only_deleted=False) == [1]
    assert len(files(maildir)) == 2
    noticeable(maildir)
    await mailbox.refresh()
    assert list(mailbox.uids) == [2, 3]
    assert mailbox.flags(2) == {FLAGGED}
    mailbox.release()


async def test_foreign_uids_in_names_are_not_trusted(store: Store, maildir: Path) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)] * 3)
    await account.append("Archive", [NewMessage(MESSAGE)] * 5)
    mailbox = await account.open("INBOX")
    await mailbox.expunge([2], only_deleted=False)
    archived = files(maildir / ".Archive")
    archived[1].rename(maildir / "cur" / f"{archived[1].name}:2,S")  # U=2: used once
    archived[0].rename(maildir / "new" / archived[0].name)  # U=1: in use
    archived[4].rename(maildir / "new" / archived[4].name)  # U=5: reserved, not given
    noticeable(maildir)
    await mailbox.refresh()
    assert list(mailbox.uids) == [1, 3, 4, 5, 6]
    assert (await account.status("Archive")).messages == 2
    mailbox.release()


async def test_our_own_changes_do_not_make_us_list_the_folder(
    store: Store, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    account = await store.account("alice@example.test")
    mailbox = await account.open("INBOX")
    await mailbox.refresh()
    merges: list[str] = []
    real = merge.merge

    def counting(*arguments: Any, **how: Any) -> None:
        merges.append("merge")
        real(*arguments, **how)

    monkeypatch.setattr(merge, "merge", counting)
    for _ in range(5):
        await account.append("INBOX", [NewMessage(MESSAGE)])
        await mailbox.store_flags(None, "+", [SEEN])
        await mailbox.refresh()
        await account.status("INBOX")
    assert merges == []
    clock.ahead += 60
    await mailbox.refresh()
    await mailbox.refresh()
    assert merges == ["merge"]  # once later, for what may have hidden behind ours
    mailbox.release()


async def test_a_change_hidden_behind_ours_is_found_later(
    store: Store, maildir: Path, clock: Any
) -> None:
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(MESSAGE)])
    mailbox = await account.open("INBOX")
    before = (maildir / "new").stat()
    (maildir / "new" / "1.2.other").write_bytes(MESSAGE)
    os.utime(maildir / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    await mailbox.refresh()
    assert len(mailbox.uids) == 1
    clock.ahead += 60
    await mailbox.refresh()
    assert len(mailbox.uids) == 2
    mailbox.release()


async def test_folders_made_and_removed_by_others(store: Store, maildir: Path) -> None:
    account = await store.account("alice@example.test")
    for place in ("cur", "new", "tmp"):
        (maildir / ".Their.Folder" / place).mkdir(parents=True)
    (maildir / ".Their.Folder" / "cur" / "1.2.h:2,S").write_bytes(MESSAGE)
    (maildir / ".&broken").mkdir()
    listed = {info.name for info in await account.mailboxes()}
    assert "Their/Folder" in listed and len(listed) == 8
    mailbox = await account.open("Their/Folder")
    changes: list[Change] = []
    one = mailbox.attach(changes.append, claim_recent=False)
    assert mailbox.flags(1) == {SEEN}
    shutil.rmtree(maildir / ".Their.Folder")
    with pytest.raises(NoSuchMailbox):
        await mailbox.refresh()
    with pytest.raises(NoSuchMailbox):
        await account.status("Their/Folder")
    assert [change.kind for change in changes] == ["deleted"]
    one.detach()
    mailbox.release()
    await account.create("Their/Folder")
    assert (await account.status("Their/Folder")).messages == 0


async def test_a_copied_folder_is_another_mailbox(store: Store, maildir: Path) -> None:
    account = await store.account("alice@example.test")
    await account.append("Archive", [NewMessage(MESSAGE)] * 2)
    before = await account.status("Archive")
    shutil.copytree(maildir / ".Archive", maildir / ".Copy")
    copy = await account.status("Copy")
    assert copy.messages == 2
    assert copy.mailboxid != before.mailboxid
    assert copy.uidvalidity > before.uidvalidity
    assert await account.status("Archive") == before


async def test_an_existing_maildir_is_taken_over(
    open_store: Callable[[], Awaitable[Store]], maildir: Path
) -> None:
    for folder in (maildir, maildir / ".Sent", maildir / ".Work.2024"):
        for place in ("cur", "new", "tmp"):
            (folder / place).mkdir(parents=True)
    (maildir / "cur" / "3.c.h:2,S").write_bytes(MESSAGE)
    (maildir / "cur" / "4.d.h,U=9:2,").write_bytes(MESSAGE)
    (maildir / "new" / "odd\udcffname").write_bytes(MESSAGE)
    (maildir / "subscriptions").write_text("INBOX\nWork.2024\nEntw&APw-rfe\n")
    for path, age in (("cur/3.c.h:2,S", 30), ("cur/4.d.h,U=9:2,", 20)):
        os.utime(maildir / path, (1_700_000_000 - age, 1_700_000_000 - age))
    account = await (await open_store()).account("alice@example.test")
    listed = {info.name: info for info in await account.mailboxes()}
    assert list(listed) == ["INBOX", "Entwürfe", "Sent", "Work", "Work/2024"]
    assert listed["Sent"].special_use == "\\Sent"
    assert listed["Work/2024"].subscribed and not listed["Work"].exists
    mailbox = await account.open("INBOX")
    assert list(mailbox.uids) == [9, 10, 11]
    assert mailbox.flags(10) == {SEEN}
    mailbox.release()


@pytest.mark.parametrize("claim", [True, False])
async def test_new_files_are_named_once(store: Store, maildir: Path, claim: bool) -> None:
    """For a session that claims them they go to cur/ under the name that has their UID."""
    account = await store.account("alice@example.test")
    (maildir / "new" / "1795424400.M1P1.elsewhere").write_bytes(b"Subject: 1\r\n\r\n")
    (maildir / "cur" / "1795424401.M1P1.elsewhere:2,S").write_bytes(b"Subject: 2\r\n\r\n")
    mailbox = await account.open("INBOX", claim=claim)
    places = sorted(
        (path.parent.name, path.name.partition(",U=")[2].partition(",")[0], path.name[-3:])
        for path in maildir.glob("[cn]*/*")
    )
    first = ("cur", "1", ":2,") if claim else ("new", "1", "=14")
    assert places == sorted([first, ("cur", "2", "2,S")])
    attachment = mailbox.attach(lambda change: None, claim_recent=claim)
    assert attachment.recent == {1, 2}
    assert [mailbox.flags(uid) for uid in mailbox.uids] == [frozenset(), {"\\Seen"}]
    attachment.detach()
    mailbox.release()


@pytest.mark.parametrize("flags", [b"S\nF", b"\xffFS", b"F S\x7f"])
async def test_flags_that_no_index_could_keep(store: Store, maildir: Path, flags: bytes) -> None:
    """Another program writes nonsense into a file's flags: what is sense in it counts."""
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(b"a: b\r\n\r\n", frozenset({SEEN}))] * 2)
    mailbox = await account.open("INBOX")
    path = next(p for p in (maildir / "cur").iterdir() if ",U=1," in p.name)
    path.rename(os.fsdecode(os.fsencode(path).removesuffix(b"S") + flags))
    await mailbox.refresh()
    assert mailbox.flags(1) == {SEEN, r"\Flagged"}
    assert await mailbox.rows([1, 2], columns=("size",)) == [(1, 8), (2, 8)]
    await mailbox.store_flags([1], "-", (SEEN,))
    assert sorted(p.name[-4:] for p in (maildir / "cur").iterdir()) == [":2,F", ":2,S"]
    mailbox.release()
