"""`mailsuite domain|user|alias`: what is printed, in which form, with which exit code."""

import io
import json
import os
import pwd
import select
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from mailsuite.accounts import Directory
from mailsuite.accounts.passwords import Hasher
from mailsuite.cli import options, run


class Terminal:
    """Runs commands on one data folder."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data = data
        self._capsys = capsys

    def __call__(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        found = run([*arguments, "--data", str(self.data)])
        out, err = self._capsys.readouterr()
        assert found == code, out + err
        assert "Traceback" not in out + err
        return out, err

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json")[0])


@pytest.fixture
def terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    for name in ("MAILSUITE_CONFIG", "MAILSUITE_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(options, "STANDARD_FILE", tmp_path / "none.yaml")
    return Terminal(tmp_path / "data", capsys)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What stands on the standard input, which is no terminal."""
    text = io.StringIO("secret\nmore\n")
    monkeypatch.setattr(sys, "stdin", text)
    return text


def test_a_domain_a_user_an_alias(terminal: Terminal, typed: io.StringIO) -> None:
    assert terminal("domain", "add", "Example.test")[0] == (
        "domain example.test added (next: mailsuite user add NAME@example.test)\n"
    )
    terminal("user", "add", "Alice@example.test", "--password-stdin")
    terminal("alias", "add", "sales@example.test", "alice@example.test", "x@other.test")

    (domain,) = terminal.json("domain", "list")
    assert set(domain) == {"name", "created", "users", "aliases"}
    (user,) = terminal.json("user", "list")
    assert set(user) == {
        "address",
        "enabled",
        "created",
        "quota_storage",
        "quota_messages",
        "legacy",
        "scram",
    }
    (alias,) = terminal.json("alias", "list")
    assert set(alias) == {"address", "targets", "created"}
    assert alias["targets"] == ["alice@example.test", "x@other.test"]

    directory = Directory(terminal.data / "accounts.db")
    assert directory.check("alice@example.test", "secret") == "alice@example.test"
    directory.close()

    out, _ = terminal("user", "list")
    header, line = out.splitlines()
    assert header.split() == ["User", "Sign-in", "Quota", "Added"]
    assert line.startswith("alice@example.test  enabled  none   2")
    assert "sales@example.test  alice@example.test, x@other.test" in terminal("alias", "list")[0]

    terminal("user", "disable", "alice@example.test")
    assert "disabled" in terminal("user", "list", "example.test")[0]
    terminal("user", "enable", "alice@example.test")
    assert "enabled" in terminal("user", "list")[0]
    terminal("alias", "remove", "sales@example.test")
    assert terminal("alias", "list")[0] == "no aliases\n"


def test_a_password_is_changed(terminal: Terminal, typed: io.StringIO) -> None:
    terminal("domain", "add", "example.test")
    terminal("user", "add", "alice@example.test", "--password-stdin")
    terminal("user", "password", "alice@example.test", "--password-stdin")
    directory = Directory(terminal.data / "accounts.db")
    assert directory.check("alice@example.test", "secret") is None
    assert directory.check("alice@example.test", "more") == "alice@example.test"
    directory.close()


def test_where_removed_mail_lies_is_told(terminal: Terminal, typed: io.StringIO) -> None:
    terminal("domain", "add", "example.test")
    terminal("user", "add", "alice@example.test", "--password-stdin")
    folder = terminal.data / "mail" / "example.test" / "alice"
    folder.mkdir(parents=True)
    out, _ = terminal("user", "remove", "alice@example.test")
    assert f"the mail stays on the disk, in {folder}" in out
    terminal("user", "add", "bob@example.test", "--password-stdin")
    out, _ = terminal("domain", "remove", "--force", "example.test")
    assert "user bob@example.test removed" in out
    assert "stays on the disk" in out


def test_mistakes_are_told_in_one_line(terminal: Terminal, typed: io.StringIO) -> None:
    def told(text: str, *arguments: str) -> None:
        out, err = terminal(*arguments, code=1)
        assert out == ""
        assert err.startswith("mailsuite: ")
        assert text in err
        assert err.count("\n") == 1

    told("no data folder", "user", "list")
    terminal("domain", "add", "example.test")
    told("domain exists already: example.test", "domain", "add", "example.test")
    told("(add it: mailsuite domain add no.test)", "user", "add", "a@no.test", "--password-stdin")
    told("not an address: nobody", "user", "add", "nobody", "--password-stdin")
    told("see --password-stdin", "user", "add", "bob@example.test")
    told("no such user: x@example.test", "user", "remove", "x@example.test")
    told("no such alias: x@example.test", "alias", "remove", "x@example.test")
    typed.seek(0, os.SEEK_END)
    told("the password is empty", "user", "add", "bob@example.test", "--password-stdin")


def test_an_alias_to_nobody_is_remarked(terminal: Terminal, typed: io.StringIO) -> None:
    terminal("domain", "add", "example.test")
    terminal("user", "add", "alice@example.test", "--password-stdin")
    _, err = terminal(
        "alias", "add", "sales@example.test", "alice+shop@example.test", "bob@example.test", "x@y.z"
    )
    assert err == (
        "mailsuite: warning: nobody has the address bob@example.test yet"
        " (mailsuite user add bob@example.test)\n"
    )
    terminal("alias", "add", "sales@example.test", "alice@example.test", code=1)
    terminal("alias", "add", "sales@example.test", "alice@example.test", "--replace")


def answer(master: int, lines: list[str], deadline: float) -> str:
    """What a program shows at a pseudo-terminal while each of its questions gets a line."""
    seen, waiting = "", list(lines)
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.02)[0]:
            try:
                octets = os.read(master, 1000)
            except OSError:  # the other end is closed
                break
            if not octets:
                break
            seen += octets.decode()
        elif waiting and seen.endswith(": ") and not termios.tcgetattr(master)[3] & termios.ECHO:
            # What is typed before the echo is off would be thrown away.
            os.write(master, waiting.pop(0).encode() + b"\n")
            seen += "|"
    return seen


def test_the_password_is_asked_for_twice(terminal: Terminal) -> None:
    terminal("domain", "add", "example.test")
    master, slave = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "mailsuite", "user", "add", "alice@example.test",
         "--data", str(terminal.data)],
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    ) as child:  # fmt: skip
        os.close(slave)
        try:
            seen = answer(master, ["secret", "secert", "secret", "secret"], time.monotonic() + 30)
        finally:
            child.terminate()
            os.close(master)
    assert "user alice@example.test added" in seen
    assert seen.count("|") == 4  # the second pair, since the first did not agree
    assert "secret" not in seen
    directory = Directory(terminal.data / "accounts.db")
    assert directory.check("alice@example.test", "secret")
    directory.close()


def test_settings_lead_to_the_data_folder(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file = tmp_path / "mail.yaml"
    file.write_text("data: mail-data\n")
    assert run(["domain", "add", "one.test", "-c", str(file)]) == 0
    assert (tmp_path / "mail-data" / "accounts.db").exists()
    capsys.readouterr()
    monkeypatch.setenv("MAILSUITE_CONFIG", str(file))
    assert run(["domain", "list"]) == 0
    assert "one.test" in capsys.readouterr().out
    monkeypatch.delenv("MAILSUITE_CONFIG")
    monkeypatch.setattr(options, "STANDARD_FILE", file)
    assert run(["domain", "list"]) == 0
    assert "one.test" in capsys.readouterr().out
    monkeypatch.setenv("MAILSUITE_DATA", str(tmp_path / "other"))
    assert run(["domain", "list"]) == 1
    assert "no data folder" in capsys.readouterr().err
    assert run(["domain", "list", "-c", str(file), "--data", "x"]) == 2
    file.write_text("dta: x\nlog: 1\n")
    assert run(["domain", "list", "-c", str(file)]) == 1
    lines = capsys.readouterr().err.splitlines()[-3:]
    assert lines[0] == "mailsuite: several mistakes:"
    assert lines[1].startswith(f"{file}:1: dta: unknown key")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_makes_the_data_folder_for_the_servers_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mail.yaml"
    file.write_text("data: data\nuser: nobody\n")
    assert run(["domain", "add", "example.test", "-c", str(file)]) == 0
    nobody = pwd.getpwnam("nobody")
    for path in (tmp_path / "data", tmp_path / "data" / "accounts.db"):
        assert (path.stat().st_uid, path.stat().st_gid) == (nobody.pw_uid, nobody.pw_gid)
    file.write_text("data: other\nuser: no-such-user\n")
    assert run(["domain", "add", "example.test", "-c", str(file)]) == 1
    assert "no-such-user" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_a_quota_is_set_and_shown(terminal: Terminal, typed: io.StringIO) -> None:
    terminal("domain", "add", "example.test")
    terminal("user", "add", "alice@example.test", "--password-stdin")
    quota = ("user", "quota", "alice@example.test")
    assert terminal(*quota)[0] == ("quota of alice@example.test: none; in use: nothing yet\n")
    out, _ = terminal(*quota, "--storage", "5G")
    assert out == "quota of alice@example.test: 5 GB; in use: nothing yet\n"
    out, _ = terminal(*quota, "--messages", "100")
    assert out == "quota of alice@example.test: 5 GB, 100 messages; in use: nothing yet\n"
    assert "5 GB, 100 messages" in terminal("user", "list")[0]
    assert "5 GB, 100 messages" in terminal("user", "show", "alice@example.test")[0]
    shown = terminal.json("user", "show", "alice@example.test")
    assert (shown["limit_storage"], shown["limit_messages"]) == (5_000_000_000, 100)
    assert shown["used_messages"] is None
    assert "quota of alice@example.test: 100 messages" in terminal(*quota, "--storage", "none")[0]
    assert "quota of alice@example.test: none" in terminal(*quota, "--none")[0]
    for wrong in (["--storage", "5 elephants"], ["--messages", "0"], ["--storage", "1 B"]):
        assert wrong[0] in terminal(*quota, *wrong, code=1)[1]
    terminal(*quota, "--none", "--default", code=2)
    terminal("user", "quota", "nobody@example.test", "--none", code=1)


def test_the_default_quota_of_the_settings(
    terminal: Terminal, typed: io.StringIO, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal("domain", "add", "example.test")
    terminal("user", "add", "alice@example.test", "--password-stdin")
    settings = tmp_path / "mailsuite.yaml"
    settings.write_text(f"data: {terminal.data}\nquota:\n  storage: 1 GB\n")
    line = ["user", "quota", "alice@example.test", "-c", str(settings)]
    assert run([*line, "--messages", "7"]) == 0
    assert "alice@example.test: 1 GB, 7 messages;" in capsys.readouterr()[0]
    assert run([*line, "--none"]) == 0
    assert "alice@example.test: none;" in capsys.readouterr()[0]
    assert run([*line, "--default"]) == 0
    assert "alice@example.test: 1 GB;" in capsys.readouterr()[0]


def test_app_passwords(terminal: Terminal, typed: io.StringIO) -> None:
    terminal("domain", "add", "example.test")
    terminal("user", "add", "alice@example.test", "--password-stdin")
    made = ["user", "app-password", "add", "Alice@example.test", "--name"]
    out, err = terminal(*made, "laptop", "--scope", "IMAP, smtp")
    password = out.strip()
    assert len(password) == 23
    assert "for laptop: user name alice@example.test, good for imap, smtp\n" in err
    directory = Directory(terminal.data / "accounts.db")
    row = directory.app_passwords.find("alice@example.test", password)
    assert row and row.doors == ("imap", "smtp")
    directory.app_passwords.note(row, "192.0.2.7", "imap", 1_700_000_000.0)
    directory.close()
    assert terminal.json(*made, "phone")["password"]
    _, err = terminal(*made, "phone", code=1)
    assert "has an app password of this name already: phone" in err
    _, err = terminal(*made, "tv", "--scope", "http", code=1)
    assert "no such scope: http" in err
    laptop, phone = terminal.json("user", "app-password", "list", "alice@example.test")
    assert (laptop["name"], laptop["used_from"], phone["used"]) == ("laptop", "192.0.2.7", None)
    assert "password" not in laptop
    out = terminal("user", "app-password", "list")[0]
    assert "imap from 192.0.2.7" in out and "never" in out
    out = terminal("user", "app-password", "revoke", "alice@example.test", "--name", "laptop")[0]
    assert out == "app password laptop of alice@example.test revoked\n"
    terminal("user", "app-password", "revoke", "alice@example.test", "--name", "laptop", code=1)
    terminal("user", "app-password", "add", "bob@example.test", "--name", "x", code=1)


def test_legacy_auth_needs_the_password(
    terminal: Terminal, typed: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal("domain", "add", "example.test")
    terminal("user", "add", "alice@example.test", "--password-stdin")
    legacy = ["user", "legacy-auth", "alice@example.test"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("wrong\nsecret\n"))
    _, err = terminal(*legacy, "on", "--password-stdin", code=1)
    assert "that is not the password of alice@example.test" in err
    assert terminal(*legacy, "on", "--password-stdin")[0].startswith(
        "user alice@example.test may sign in by CRAM-MD5 and APOP"
    )
    assert terminal.json("user", "show", "alice@example.test")["legacy"] is True
    terminal(*legacy, "off")
    assert terminal.json("user", "show", "alice@example.test")["legacy"] is False
    terminal(*legacy, "perhaps", code=2)


def test_app_passwords_of_accounts_kept_elsewhere(
    terminal: Terminal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.data.mkdir()
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"data: {terminal.data}\nusers_file: {{path: users, domains: file.test}}\n")
    made = ["user", "app-password", "add", "--name", "phone", "--config", str(settings)]
    assert run([*made, "Ann@file.test"]) == 0
    assert run([*made, "ann@other.test"]) == 1
    assert "no such user: ann@other.test" in capsys.readouterr().err


def test_a_hash_for_the_users_file(
    terminal: Terminal, typed: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["user", "hash", "--password-stdin"]) == 0
    made = capsys.readouterr().out
    assert made.startswith("$argon2id$")
    assert Hasher().check(made.strip(), b"secret")
