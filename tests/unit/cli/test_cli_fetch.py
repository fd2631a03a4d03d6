"""`mailsuite fetch` without a server: what is listed reads as it was added."""

from pathlib import Path

import pytest

from mailsuite.accounts import Directory
from mailsuite.cli import run


def test_listed_as_it_was_added(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    data = ("--data", str(tmp_path / "data"))
    user = ("--password-file", str(password), *data)
    (tmp_path / "data").mkdir()
    assert run(["fetch", "list", *data]) == 0
    assert capsys.readouterr().out.startswith("nothing is fetched (mailsuite fetch add ")
    run(["domain", "add", "example.test", *data])
    directory = Directory(tmp_path / "data" / "accounts.db")
    directory.add_user("alice@example.test", "secret")
    directory.close()
    urls = [
        "imaps://a@far.example",
        "imaps://b@far.example:1993",
        "imap://a@b.example@far.example",
        "pop3s://a@[2001:db8::1]",
        "pop3://a@far.example",
    ]
    for url in urls:
        assert run(["fetch", "add", "alice@example.test", url, "--no-check", *user]) == 0
    capsys.readouterr()
    assert run(["fetch", "list", *data]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[1] for line in lines] == urls
