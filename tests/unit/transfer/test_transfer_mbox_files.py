"""mbox files into an account and out of it."""

from __future__ import annotations

import os

import pytest

from mailsuite.base.errors import UserError
from mailsuite.store import NewMessage
from mailsuite.transfer import Choice, MboxExport, MboxImport, Progress

FROM = b"From alice@example.org Fri Jul  8 12:08:34 2011\n"


async def state_of(account, name):
    mailbox = await account.open(name)
    try:
        uids = list(mailbox.uids)
        rows = await mailbox.rows(uids, columns=("internal_date",))
        octets = dict(await mailbox.read(uids, max_octets=1 << 24))
        return [(octets[uid], set(mailbox.flags(uid)), date) for uid, date in rows]
    finally:
        mailbox.release()


async def bring(target, threads, *paths, **choice):
    await MboxImport(paths, target, threads, Choice(**choice)).run()
    return target.progress


async def test_there_and_back(alice, bob, target, threads, tmp_path):
    large = b"A: b\r\n\r\n" + b"From x\r\n" * 700_000
    await alice.append(
        "INBOX",
        [
            NewMessage(b"Return-Path: <x@y>\r\nA: 1\r\n\r\nFrom me\r\n", frozenset({"work"}), 1e9),
            NewMessage(b"A: 2\r\n", frozenset({"\\Seen", "\\Answered"}), 1.1e9),
            NewMessage(large, frozenset(), 1.2e9),
        ],
    )
    await alice.create("Work/2024")
    await alice.append("Work/2024", [NewMessage(b"A: 3\r\n\r\n\r\n", frozenset(), 1e9)])
    await MboxExport(alice, tmp_path / "out", threads, Choice(), Progress()).run()
    first = (tmp_path / "out/INBOX.mbox").read_bytes().partition(b"\n")[0]
    assert first == b"From x@y Sun Sep  9 01:46:40 2001"
    await bring(await target(bob, "mbox:"), threads, tmp_path / "out")
    for name in ("INBOX", "Work/2024"):
        assert await state_of(bob, name) == await state_of(alice, name)


async def test_a_file_that_has_grown(alice, target, threads, tmp_path):
    file = tmp_path / "Sent Items"
    same = FROM + b"A: 1\n\nx\n\n"
    file.write_bytes(same * 2)
    progress = await bring(await target(alice, "mbox:"), threads, file)
    assert (progress.new, progress.done, progress.total) == (2, len(same) * 2, len(same) * 2)
    file.write_bytes(same * 3 + FROM + b"Status: R\nA: 2\n\ny\n")
    progress = await bring(await target(alice, "mbox:"), threads, file)
    assert (progress.new, progress.known) == (2, 2)
    assert [octets for octets, _, _ in await state_of(alice, "Sent")] == [
        *[b"A: 1\r\n\r\nx\r\n"] * 3,
        b"A: 2\r\n\r\ny\r\n",
    ]
    file.write_bytes(same.replace(b"A:", b"Status: RO\nA:"))
    progress = await bring(await target(alice, "mbox:"), threads, file, remove_vanished=True)
    assert (progress.new, progress.changed, progress.removed) == (0, 1, 3)
    assert await state_of(alice, "Sent") == [(b"A: 1\r\n\r\nx\r\n", {"\\Seen"}, 1310126914.0)]


async def test_files_of_one_name_and_of_many_people(alice, target, threads, tmp_path):
    """Each goes where it is told to go; what has come over makes no empty folder elsewhere."""
    for who in ("ann", "ben"):
        (tmp_path / who).mkdir()
        (tmp_path / who / "Letters").write_bytes(FROM + f"A: {who}\n\nx\n".encode())
    for who, into in (("ann", "A"), ("ben", "B")):
        await bring(await target(alice, "mbox:"), threads, tmp_path / who / "Letters", into=into)
    found = [await state_of(alice, f"{into}/Letters") for into in "AB"]
    assert [[octets for octets, _, _ in rows] for rows in found] == [
        [b"A: ann\r\n\r\nx\r\n"],
        [b"A: ben\r\n\r\nx\r\n"],
    ]
    names = {info.name for info in await alice.mailboxes()}
    (tmp_path / "ann/Letters").write_bytes(FROM + b"Status: RO\nA: ann\n\nx\n")
    progress = await bring(
        await target(alice, "mbox:"), threads, tmp_path / "ann/Letters", into="C"
    )
    assert (progress.new, progress.known, progress.changed) == (0, 1, 0)
    assert {info.name for info in await alice.mailboxes()} == names
    # The change has not been missed: it comes where the message is.
    progress = await bring(
        await target(alice, "mbox:"), threads, tmp_path / "ann/Letters", into="A"
    )
    assert progress.changed == 1
    assert [flags for _, flags, _ in await state_of(alice, "A/Letters")] == [{"\\Seen"}]


async def test_a_file_that_is_none(alice, target, threads, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(UserError, match="no mbox file"):
        await bring(await target(alice, "mbox:"), threads, tmp_path / "photo.jpg")
    with pytest.raises(UserError, match="No such file"):
        await bring(await target(alice, "mbox:"), threads, tmp_path / "nothing")


async def test_thunderbirds_tree(alice, target, threads, tmp_path):
    (tmp_path / "Local.sbd").mkdir()
    (tmp_path / "Local").write_bytes(b"")
    (tmp_path / "Local.msf").write_bytes(b"// index")
    (tmp_path / "Local.sbd/Trips").write_bytes(FROM + b"A: 1\n\n")
    await bring(await target(alice, "mbox:"), threads, tmp_path)
    assert (await alice.status("Local/Trips")).messages == 1
    assert (await alice.status("Local")).messages == 0


async def test_files_of_one_name_are_folders_of_their_own(alice, target, threads, tmp_path):
    """Else each would be taken for a later state of the other, and its messages for vanished."""
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "a.mbox").write_bytes(FROM + b"A: 1\n\nx\n")
    (folder / "a.mbx").write_bytes(FROM + b"A: 2\n\ny\n")
    (folder / "loop").symlink_to(folder)
    (folder / "others").symlink_to(folder / "a.mbox")
    os.mkfifo(folder / "fifo")
    for new in (2, 0):
        progress = await bring(await target(alice, "mbox:"), threads, folder, remove_vanished=True)
        assert (progress.new, progress.removed) == (new, 0)
        assert [note.rpartition("/")[2].split()[0] for note in progress.notes] == ["loop", "others"]
    assert [octets for octets, _, _ in await state_of(alice, "a")] == [b"A: 1\r\n\r\nx\r\n"]
    assert [octets for octets, _, _ in await state_of(alice, "a_")] == [b"A: 2\r\n\r\ny\r\n"]
    with pytest.raises(UserError, match="no regular file"):
        await bring(await target(alice, "mbox:"), threads, folder / "fifo")


async def test_each_folder_has_a_file_of_its_own(alice, threads, tmp_path):
    """However alike their names are once what file systems do not take is replaced."""
    names = ["a:b", "a?b", "a_b", ".x", "_x", "../up", "漢" * 70 + "1", "漢" * 70 + "2"]
    for number, name in enumerate(names):
        await alice.create(name)
        await alice.append(name, [NewMessage(b"A: %d\r\n" % number, frozenset(), 1e9)])
    await MboxExport(alice, tmp_path / "out", threads, Choice(), Progress()).run()
    files = [path.read_bytes() for path in (tmp_path / "out").rglob("*.mbox")]
    for number in range(len(names)):
        assert sum(b"A: %d\n" % number in octets for octets in files) == 1
    assert b"A: 2\n" in (tmp_path / "out/a_b.mbox").read_bytes()


async def test_only_an_earlier_export_is_written_into(alice, threads, tmp_path):
    """Somebody's own INBOX.mbox is not replaced, nor are files put into an exported Maildir."""
    await alice.append("INBOX", [NewMessage(b"A: 1\r\n\r\nx\r\n", frozenset(), 1e9)])

    async def export(out, **choice):
        await MboxExport(alice, out, threads, Choice(**choice), Progress()).run()

    mine = tmp_path / "mine" / "INBOX.mbox"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(UserError, match="is not empty, and not an earlier export"):
        await export(mine.parent)
    assert mine.read_text() == "mine"
    for _ in range(2):
        await export(tmp_path / "out")
        assert b"A: 1\n" in (tmp_path / "out" / "INBOX.mbox").read_bytes()
    with pytest.raises(UserError, match=r"no folder is left by --folder .*there are: .*INBOX"):
        await export(tmp_path / "out", only=["Nope"])
