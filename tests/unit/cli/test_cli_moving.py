"""`mailsuite import|export` without a running server, and what is wrong with what was typed."""

import json
import os
from pathlib import Path

import pytest

from mailsuite.accounts import Directory
from mailsuite.base.lock import FileLock
from mailsuite.cli import run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    directory = Directory(folder / "accounts.db")
    directory.add_domain("example.test")
    directory.add_user("alice@example.test", "secret")
    directory.close()
    return folder


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    (tmp_path / "Maildir/cur").mkdir(parents=True)
    (tmp_path / "Maildir/cur/1.a.b:2,S").write_bytes(b"A: b\n\nx\n")
    return tmp_path / "Maildir"


def test_in_and_out(data, maildir, tmp_path, capsys):
    where = ["--data", str(data), "--json"]
    assert run(["import", "alice@example.test", "maildir", str(maildir), *where]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], told["new"], told["folders"]) == ("done", 1, 1)
    out = str(tmp_path / "out")
    assert run(["export", "alice@example.test", out, "--format", "mbox", "--data", str(data)]) == 0
    assert "1 messages (11 B) written to" in capsys.readouterr().out
    assert (tmp_path / "out/INBOX.mbox").read_bytes().endswith(b"\nA: b\n\nx\n\n")
    again = ["import", "alice@example.test", "mbox", out, "--into", "Old", "--data", str(data)]
    assert run(again) == 0
    assert "1 messages (11 B) brought into alice@example.test, 0 were there" in (
        capsys.readouterr().out
    )


def test_exit_code_where_something_is_left_behind(data, maildir, capsys):
    os.mkfifo(maildir / "cur/2.a.b:2,S")
    command = ["import", "alice@example.test", "maildir", str(maildir), "--data", str(data)]
    assert run(command) == 4
    said = capsys.readouterr()
    assert "1 messages (11 B) brought into alice@example.test, 0 were there, 1 left behind" in (
        said.out
    )
    assert "2.a.b:2,S is no regular file" in said.err
    (maildir / "cur/2.a.b:2,S").unlink()
    assert run(command) == 0


def test_no_such_user(data, maildir, capsys):
    assert run(["import", "bob@example.test", "maildir", str(maildir), "--data", str(data)]) == 1
    assert capsys.readouterr().err == "mailsuite: no such user: bob@example.test\n"


def test_no_maildir(data, tmp_path, capsys):
    nowhere = str(tmp_path / "nowhere")
    assert run(["import", "alice@example.test", "maildir", nowhere, "--data", str(data)]) == 1
    assert "no such folder" in capsys.readouterr().err


def test_never_beside_another_process(data, maildir, capsys):
    lock = FileLock(data / "server.lock", "taken")
    try:
        command = ["import", "alice@example.test", "maildir", str(maildir), "--data", str(data)]
        assert run(command) == 1
    finally:
        lock.release()
    assert "another mailsuite is running" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["import", "alice@example.test", "maildir"],
        ["import", "alice@example.test", "mbox"],
        ["import", "alice@example.test", "ftp://example.test"],
        ["export", "alice@example.test", "out", "--format", "zip"],
    ],
)
def test_wrong_usage(data, words):
    assert run([*words, "--data", str(data)]) == 2
