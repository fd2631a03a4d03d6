"""Maildirs in and out: UIDs, UIDVALIDITY, flags, keywords, dates and octets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailsuite.base.errors import UserError
from mailsuite.store import NewMessage, OverQuota
from mailsuite.transfer import Choice, MaildirExport, MaildirImport, Progress, State
from mailsuite.transfer.maildir_source import folders, to_crlf

LETTER = b"Subject: %d\n\nhi\n"


def maildir(root: Path, *, uidvalidity: int = 77) -> Path:
    """As Dovecot would leave it: messages 3, 5 and 9, of which 5 has LF alone, and one in new/."""
    for place in ("cur", "new", "tmp", ".Gesendet/cur", ".Work.2024/cur"):
        (root / place).mkdir(parents=True)
    (root / "cur/100.M1.host,S=17,W=20:2,Sa").write_bytes(LETTER % 3)
    (root / "cur/200.M2.host:2,FRb").write_bytes(to_crlf(LETTER % 5))
    (root / "cur/300.M3.host:2,T").write_bytes(LETTER % 9)
    (root / "new/400.M4.host").write_bytes(LETTER % 0)
    os.utime(root / "cur/100.M1.host,S=17,W=20:2,Sa", (1.5e9, 1.5e9))
    (root / "dovecot-keywords").write_bytes(b"0 $Forwarded\n1 work\n")
    (root / "dovecot-uidlist").write_bytes(
        b"3 V%d N12 G00\n3 :100.M1.host,S=17,W=20\n5 :200.M2.host\n9 :300.M3.host\n" % uidvalidity
    )
    (root / ".Gesendet/cur/500.M5.host:2,S").write_bytes(LETTER % 7)
    (root / "subscriptions").write_bytes(b"V\t2\n\nWork\t2024\n")
    return root


async def contents(account, name="INBOX"):
    mailbox = await account.open(name)
    try:
        read = await mailbox.read(list(mailbox.uids))
        return {uid: (set(mailbox.flags(uid)), octets) for uid, octets in read}
    finally:
        mailbox.release()


async def bring(target, threads, root, **choice):
    await MaildirImport(root, target, threads, Choice(**choice)).run()
    return target.progress


@pytest.fixture
def source(tmp_path) -> Path:
    return maildir(tmp_path / "source")


async def test_everything_comes_over(alice, target, threads, source):
    progress = await bring(await target(alice), threads, source)
    assert (progress.new, progress.known, progress.total, progress.done) == (5, 0, 5, 5)
    assert await contents(alice) == {
        3: ({"\\Seen", "$Forwarded"}, to_crlf(LETTER % 3)),
        5: ({"\\Flagged", "\\Answered", "work"}, to_crlf(LETTER % 5)),
        9: ({"\\Deleted"}, to_crlf(LETTER % 9)),
        12: (set(), to_crlf(LETTER % 0)),
    }
    status = await alice.status("INBOX")
    assert (status.uidvalidity, status.uidnext) == (77, 13)
    mailbox = await alice.open("INBOX")
    assert (await mailbox.rows([3], columns=("internal_date",))) == [(3, 1.5e9)]
    mailbox.release()


async def test_folders_of_special_use_and_subscriptions(alice, target, threads, source):
    await bring(await target(alice), threads, source)
    assert (await alice.status("Sent")).messages == 1
    infos = {info.name: info.subscribed for info in await alice.mailboxes()}
    assert "Gesendet" not in infos
    assert infos["Work/2024"]
    assert not infos["Work"]


async def test_again_for_the_difference(alice, target, threads, source):
    await bring(await target(alice), threads, source)
    mailbox = await alice.open("INBOX")
    await mailbox.store_flags([5], "+", ["mine"])
    await mailbox.expunge([9], only_deleted=False)
    mailbox.release()
    (source / "cur/200.M2.host:2,FRb").rename(source / "cur/200.M2.host:2,FS")
    (source / "cur/600.M6.host:2,").write_bytes(b"A: new\n\n")
    progress = await bring(await target(alice), threads, source)
    assert (progress.new, progress.known, progress.changed) == (1, 5, 1)
    found = await contents(alice)
    assert found[5][0] == {"\\Flagged", "\\Seen", "mine"}
    assert [octets for _, octets in found.values()].count(b"A: new\r\n\r\n") == 1
    assert 9 not in found


async def test_what_is_gone_over_there_goes_here_only_when_asked(alice, target, threads, source):
    await bring(await target(alice), threads, source)
    (source / "cur/200.M2.host:2,FRb").unlink()
    await bring(await target(alice), threads, source)
    assert 5 in await contents(alice)
    progress = await bring(await target(alice), threads, source, remove_vanished=True)
    assert progress.removed == 1
    assert 5 not in await contents(alice)


async def test_a_folder_goes_on_where_it_was_brought(alice, target, threads, source):
    """Another --into makes no empty folders, and no change is missed."""
    await bring(await target(alice), threads, source)
    names = {info.name for info in await alice.mailboxes()}
    (source / "cur/200.M2.host:2,FRb").rename(source / "cur/200.M2.host:2,FS")
    (source / "cur/100.M1.host,S=17,W=20:2,Sa").unlink()
    (source / ".Gesendet/cur/700.M7.host:2,S").write_bytes(b"A: new\n\n")
    (source / ".New/cur").mkdir(parents=True)
    progress = await bring(await target(alice), threads, source, into="X", remove_vanished=True)
    assert (progress.new, progress.changed, progress.removed) == (1, 1, 1)
    assert {info.name for info in await alice.mailboxes()} - names == {"X", "X/New"}
    found = await contents(alice)
    assert 3 not in found and found[5][0] == {"\\Flagged", "\\Seen"}
    assert (await alice.status("Sent")).messages == 2
    assert "Sent goes on where it was brought, not in X/Sent" in progress.notes
    # Where its owner has removed that mailbox, it goes where it is told to go.
    await alice.delete("Work/2024")
    (source / ".Work.2024/cur/800.M8.host:2,S").write_bytes(b"A: newer\n\n")
    progress = await bring(await target(alice), threads, source, into="X")
    assert (progress.new, (await alice.status("X/Work/2024")).messages) == (1, 1)


async def test_a_state_of_the_version_before(alice, target, threads, source, tmp_path):
    """It does not know where folders went; what has come over is known all the same."""
    made = await target(alice)
    await bring(made, threads, source)
    made.state._db.execute("ALTER TABLE folder DROP COLUMN place; PRAGMA user_version = 1")
    State(tmp_path / "imports.db").close()
    progress = await bring(await target(alice), threads, source)
    assert (progress.new, progress.known) == (0, 5)


async def test_after_a_crash_before_it_was_noted(alice, target, threads, source, monkeypatch):
    first = await target(alice)

    def fail(*_: object) -> None:
        raise OSError(5, "power cut")

    monkeypatch.setattr(first.state, "record", fail)
    with pytest.raises(UserError):
        await bring(first, threads, source)
    assert len(await contents(alice)) == 4
    monkeypatch.undo()
    await bring(await target(alice), threads, source)
    assert len(await contents(alice)) == 4


async def test_uids_of_a_mailbox_that_has_mail_stay(alice, target, threads, source):
    await alice.append("INBOX", [NewMessage(b"A: b\r\n\r\n")])
    before = (await alice.status("INBOX")).uidvalidity
    await bring(await target(alice), threads, source)
    status = await alice.status("INBOX")
    assert (status.uidvalidity, status.messages, status.uidnext) == (before, 5, 6)


async def test_mail_delivered_meanwhile_gets_no_uid_of_the_source(alice):
    assert await alice.take_over("INBOX", 77, 12)
    assert (await alice.append("INBOX", [NewMessage(b"x", uid=3)])).uids == [3]
    assert (await alice.append("INBOX", [NewMessage(b"delivered")])).uids == [12]
    assert (await alice.append("INBOX", [NewMessage(b"y", uid=5)])).uids == [13]


async def test_large_messages_are_streamed(alice, target, threads, tmp_path):
    (tmp_path / "s/cur").mkdir(parents=True)
    large = b"Subject: x\n\n" + b"line\r\nline\n" * 300_000
    (tmp_path / "s/cur/1.a.b:2,").write_bytes(large)
    await bring(await target(alice), threads, tmp_path / "s")
    mailbox = await alice.open("INBOX")
    with await mailbox.open_message(1) as file:
        assert await file.read() == to_crlf(large)
    mailbox.release()


async def test_export_and_back(alice, bob, target, threads, source, tmp_path):
    await bring(await target(alice), threads, source)
    out = tmp_path / "out"
    progress = Progress()
    await MaildirExport(alice, out, threads, Choice(), progress).run()
    assert (progress.new, progress.known) == (5, 0)
    await bring(await target(bob, "maildir:/out"), threads, out)
    assert await contents(bob) == await contents(alice)
    for name in ("INBOX", "Sent", "Work/2024"):
        mine, theirs = await alice.status(name), await bob.status(name)
        assert (mine.uidvalidity, mine.uidnext) == (theirs.uidvalidity, theirs.uidnext)
    assert {info.name for info in await bob.mailboxes() if info.subscribed} == {
        info.name for info in await alice.mailboxes() if info.subscribed
    }


async def test_export_again_writes_the_difference(alice, threads, tmp_path):
    await alice.append("INBOX", [NewMessage(b"1"), NewMessage(b"2", frozenset({"a", "\\Seen"}))])
    await alice.create("Going")
    out = tmp_path / "out"
    await MaildirExport(alice, out, threads, Choice(), Progress()).run()
    mailbox = await alice.open("INBOX")
    await mailbox.store_flags([2], "", ["b", "\\Flagged"])
    await mailbox.expunge([1], only_deleted=False)
    mailbox.release()
    await alice.delete("Going")
    progress = Progress()
    await MaildirExport(alice, out, threads, Choice(), progress).run()
    assert (progress.new, progress.known, progress.removed) == (0, 1, 1)
    (name,) = os.listdir(out / "cur")
    assert name.endswith(":2,Fb")
    assert (out / "dovecot-keywords").read_bytes() == b"0 a\n1 b\n"
    assert not (out / ".Going").exists()


async def test_export_writes_into_no_other_folder(alice, threads, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/photo.jpg").touch()
    with pytest.raises(UserError, match="not empty"):
        await MaildirExport(alice, tmp_path / "out", threads, Choice(), Progress()).run()
    await MaildirExport(alice, tmp_path / "new", threads, Choice(), Progress()).run()
    (tmp_path / "new/dovecot.index.log").touch()
    with pytest.raises(UserError, match="Dovecot"):
        await MaildirExport(alice, tmp_path / "new", threads, Choice(), Progress()).run()


async def test_more_keywords_than_letters(alice, threads, tmp_path):
    words = frozenset(f"w{number}" for number in range(30))
    await alice.append("INBOX", [NewMessage(b"1", words)])
    progress = Progress()
    await MaildirExport(alice, tmp_path / "out", threads, Choice(), progress).run()
    assert len(progress.notes) == 1
    assert len(progress.notes[0].partition("left out: ")[2].split()) == 4


def test_folders_within_folders(tmp_path):
    for name in ("INBOX/cur", "Work/cur", "Work/2024/cur", "Work/Gr&APw-n/new"):
        (tmp_path / name).mkdir(parents=True)
    found = [folder.name for folder in folders(tmp_path)]
    assert found == ["INBOX", "Work", "Work/2024", "Work/Grün"]


def test_no_maildir(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        folders(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no Maildir"):
        folders(tmp_path)


async def test_quota_is_kept(alice, target, threads, source, monkeypatch):
    from mailsuite.store import Quota

    monkeypatch.setattr(alice.files, "limits", lambda: Quota(messages=2))
    with pytest.raises(OverQuota):
        await bring(await target(alice), threads, source)


async def test_a_source_that_was_numbered_anew_is_told_of(alice, target, threads, source):
    first = await bring(await target(alice), threads, source)
    assert first.notes == []
    octets = (source / "dovecot-uidlist").read_bytes()
    (source / "dovecot-uidlist").write_bytes(octets.replace(b"V77", b"V78"))
    again = await bring(await target(alice), threads, source)
    assert any("INBOX: the source has numbered it anew" in note for note in again.notes)


async def test_links_and_other_things_that_are_no_mail_are_passed_over(
    alice, target, threads, source, tmp_path
):
    """A link may lead to others' mail or to a key, a FIFO would be waited for without end."""
    others = maildir(tmp_path / "others")
    secret = tmp_path / "secret"
    secret.write_bytes(b"of the house")
    (source / "cur/1.link:2,").symlink_to(secret)
    os.mkfifo(source / "cur/2.fifo:2,")
    (source / "cur/3.folder:2,").mkdir()
    (source / ".Linked").symlink_to(others)
    (source / "Nested").mkdir()
    (source / "Nested/Again").symlink_to(source)
    (source / ".Half").mkdir()
    (source / ".Half/new").symlink_to(others / "cur")
    progress = await bring(await target(alice), threads, source)
    assert progress.new == 5
    notes = "\n".join(progress.notes)
    for name in ("1.link", "2.fifo", "3.folder", ".Linked is a symb", "Again is a symb"):
        assert name in notes
    assert {info.name for info in await alice.mailboxes()}.isdisjoint({"Linked", "Half"})


async def test_no_folder_takes_the_place_of_another(alice, target, threads, source):
    """`.INBOX` and `.inbox` beside the root, which is INBOX itself."""
    for number, name in enumerate((".INBOX", ".inbox")):
        (source / name / "cur").mkdir(parents=True)
        (source / name / "cur/1.host:2,").write_bytes(LETTER % (20 + number))
    progress = await bring(await target(alice), threads, source)
    assert progress.new == 7
    assert len(await contents(alice)) == 4
    for name, number in ("INBOX_", 20), ("INBOX__", 21):
        ((_, octets),) = (await contents(alice, name)).values()
        assert octets == to_crlf(LETTER % number)


async def test_uids_far_apart_and_named_twice(alice, target, threads, source):
    (source / "dovecot-uidlist").write_bytes(
        b"3 V77 N2000000012 G00\n5 :100.M1.host,S=17,W=20\n5 :200.M2.host\nx\n"
        b"2000000009 :300.M3.host\n"
    )
    progress = await bring(await target(alice), threads, source)
    assert progress.new == 5
    found = await contents(alice)
    assert {octets for _, octets in found.values()} == {to_crlf(LETTER % n) for n in (3, 5, 9, 0)}
    assert 5 in found
