"""The command as a whole: usage, version, settings, what is imported, the systemd unit."""

import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from mailsuite import __version__
from mailsuite.app import DevOptions
from mailsuite.app.privileges import as_user
from mailsuite.cli import output, run
from mailsuite.config import Config, parse

UNIT = Path(__file__).parents[3] / "config" / "mailsuite.service"


def test_version_and_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"mailsuite {__version__}\n"
    assert run(["--help"]) == 0
    assert "Exit codes: 0 done" in " ".join(capsys.readouterr().out.split())
    for wrong in (["frob"], ["user", "frob"], ["user", "add"], ["user", "list", "--frob"]):
        assert run(wrong) == 2
        assert capsys.readouterr().out == ""


@pytest.mark.parametrize("family", ["config", "domain", "user", "alias", "queue", "dev", "serve"])
def test_every_family_explains_itself(family: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([family, "--help"]) == 0
    assert "Usage: mailsuite " + family in capsys.readouterr().out


def test_help_is_laid_out(capsys: pytest.CaptureFixture[str]) -> None:
    """A switch shows no value, a list no brackets twice, a paragraph no breaks of its own."""
    assert run(["fetch", "add", "--help"]) == 0
    out = capsys.readouterr().out
    assert "bool" not in out
    assert run(["queue", "retry", "--help"]) == 0
    assert "Usage: mailsuite queue retry [OPTIONS] [ID]..." in capsys.readouterr().out
    assert run(["send", "--help"]) == 0
    assert " Exit codes as in sysexits.h: 0 sent, 65 bad" in capsys.readouterr().out
    assert run(["sendmail", "--help"]) == 0
    assert "-t takes recipients from the header" in capsys.readouterr().out


def test_the_data_folder_of_dev_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Beside `mailsuite dev`, in the folder where it was started, nothing needs to be named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAILSUITE_DATA", raising=False)
    monkeypatch.delenv("MAILSUITE_CONFIG", raising=False)
    monkeypatch.setattr("mailsuite.cli.options.STANDARD_FILE", tmp_path / "none.yaml")
    run(["domain", "add", "example.test", "--data", "data"])
    capsys.readouterr()
    assert run(["domain", "list"]) == 1  # somebody's folder of this name
    assert "no settings file" in capsys.readouterr().err
    (tmp_path / "data" / "server.lock").touch()
    assert run(["domain", "list"]) == 0
    assert "example.test" in capsys.readouterr().out
    assert run(["user", "list"]) == 0


def test_dev_refuses_an_address_that_is_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    assert run(["dev", "--address", "localhost", "--data", str(data)]) == 1
    assert "--address localhost: is not an IP address" in capsys.readouterr().err
    assert run(["dev", "--domain", "a b", "--data", str(data)]) == 1
    assert "not a domain name: a b" in capsys.readouterr().err
    assert not data.exists()


def test_a_command_imports_only_what_it_needs(tmp_path: Path) -> None:
    """The start of a command is felt: heavy libraries are for the commands that use them."""
    run(["domain", "add", "example.test", "--data", str(tmp_path)])
    code = (
        "import sys\n"
        "from mailsuite.cli import run\n"
        "before = set(sys.modules)\n"
        "assert run(sys.argv[1:]) == 0\n"
        "sys.stderr.write(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "user", "list", "--json", "--data", str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
    )
    loaded = set(done.stderr.split())
    assert "apsw" in loaded
    heavy = {"cryptography", "argon2", "structlog", "aiosmtpd", "uvloop", "yaml"}
    assert not loaded & heavy


def test_check_tells_mistakes_and_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mail.yaml"
    file.write_text("hostnam: x\nlog: {level: loud}\n")
    assert run(["config", "check", "-c", str(file)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f'{file}:1: hostnam: unknown key, did you mean "hostname"?',
        f'{file}:2: log.level: "loud" is not valid, expected debug, info, warning or error',
    ]
    assert run(["config", "check", str(file), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert told["mistakes"][0]["line"] == 1
    file.write_text("user: no-such-user\ntls: {certificate: no.pem, key: no.pem}\n")
    assert run(["config", "check", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{file}: no mistakes\n"
    assert f"{file}:2: tls: {tmp_path / 'no.pem'}: no such file" in err
    assert f'{file}:1: user: there is no user "no-such-user" on this machine' in err
    file.write_text("relay:\n  credentials: no.txt\n  ca_file: no.pem\n")
    assert run(["config", "check", str(file)]) == 0
    _, err = capsys.readouterr()
    assert f"{file}:2: relay.credentials: {tmp_path / 'no.txt'}: no such file" in err
    assert f"{file}:3: relay.ca_file: {tmp_path / 'no.pem'}: no such file" in err
    file.write_text(
        "users_file: {path: none, domains: a.test}\nsign_in: {openid: {issuer: https://x.test,\n"
        "  introspection: https://x.test/i, client_id: m,\n  client_secret: none}}\n"
        "listeners:\n  - {protocol: imap, port: 1, client_ca: none}\n"
    )
    assert run(["config", "check", str(file)]) == 0
    _, err = capsys.readouterr()
    for place in (
        "1: users_file.path",
        "4: sign_in.openid.client_secret",
        "6: listeners[0].client_ca",
    ):
        assert f"{file}:{place}: {tmp_path / 'none'}: No such file" in err
    assert run(["config", "check", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml: No such file" in capsys.readouterr().err
    assert run(["config", "check", str(file), "-c", str(file)]) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root looks as somebody else")
def test_check_looks_as_the_servers_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key of Let's Encrypt, which root alone may read, is none for the server."""
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o600)
    tmp_path.chmod(0o700)
    file = tmp_path / "mail.yaml"
    file.write_text("user: nobody\nusers_file: {path: secret, domains: a.test}\n")
    assert run(["config", "check", str(file)]) == 0
    assert f"{file}:2: users_file.path: {tmp_path / 'secret'}: Permission denied" in (
        capsys.readouterr().err
    )
    assert os.geteuid() == 0
    (tmp_path / "secret").read_text()
    file.write_text("users_file: {path: secret, domains: a.test}\n")
    assert run(["config", "check", str(file)]) == 0
    assert "secret" not in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
@pytest.mark.parametrize("what", [["why", "x"], ["user", "list"], ["bans", "list"]])
def test_a_data_folder_of_others_is_told(
    what: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    tmp_path.chmod(0o711)
    with as_user("nobody", None):
        assert run([*what, "--data", str(data)]) == 1
    assert "run this as the server's user or as root" in capsys.readouterr().err


def test_sample_is_what_check_accepts(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "sample"]) == 0
    assert parse(capsys.readouterr().out, Path("s.yaml")).config == Config()


def test_dev_hands_its_options_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given: list[DevOptions] = []

    def fake(options: DevOptions) -> int:
        given.append(options)
        return 5

    monkeypatch.delenv("MAILSUITE_DATA", raising=False)
    monkeypatch.setattr(import_module("mailsuite.app.dev"), "dev", fake)
    assert run(["dev"]) == 5
    assert given.pop() == DevOptions()
    assert run(
        ["dev", "--data", str(tmp_path), "--domain", "a.test", "--user", "x@a.test:p:q", "--user",
         "y@a.test:r", "--ports", "auto", "--ready-file", "r.json", "--json-log"]
    ) == 5  # fmt: skip
    assert given.pop() == DevOptions(
        data=tmp_path,
        domain="a.test",
        users=(("x@a.test", "p:q"), ("y@a.test", "r")),
        ports_auto=True,
        ready_file=Path("r.json"),
        json_log=True,
    )
    assert run(["dev", "--port-base", "4000"]) == 5
    assert given.pop().port_base == 4000
    for wrong in (
        ["--ports", "some"],
        ["--ports", "auto", "--port-base", "1"],
        ["--port-base", "70000"],
        ["--user", "x@a.test"],
        ["--user", "x:secret"],
        ["--user", "x@a.test:"],
    ):
        assert run(["dev", *wrong]) == 2
    assert not given


def test_serve_hands_its_settings_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given: list[Any] = []

    def fake(config: Config, *, config_path: Path | None) -> int:
        given.append((config.hostname, config_path))
        return 0

    monkeypatch.setattr(import_module("mailsuite.app.serve"), "serve", fake)
    monkeypatch.setattr("mailsuite.base.log.configure", lambda **_: None)
    file = tmp_path / "mail.yaml"
    file.write_text("hostname: mail.example.test\n")
    assert run(["serve", "-c", str(file)]) == 0
    assert given == [("mail.example.test", file)]
    file.write_text("hostname: [\n")
    assert run(["serve", "-c", str(file)]) == 1
    assert len(given) == 1


def test_tables_fit_their_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What names a row is never cut; where the rest would be shreds, each row is a list."""
    rows = [("D247P08GAM3FH", "alice@example.org", "bob@far.example", "in 5m 21s")]

    def shown(width: int) -> list[str]:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "dumb")
        output.table(["ID", "Sender", "Recipients", "Next"], rows, empty="none")
        return capsys.readouterr().out.splitlines()

    assert len(shown(80)) == 2
    folded = shown(50)
    assert len(folded) > 2
    assert any("D247P08GAM3FH" in line for line in folded)
    assert shown(30) == [
        "ID          D247P08GAM3FH",
        "Sender      alice@example.org",
        "Recipients  bob@far.example",
        "Next        in 5m 21s",
    ]


def test_numbers_for_people() -> None:
    assert [output.span(s) for s in (0, 59, 3600, 90_061, -5)] == ["0s", "59s", "1h", "1d 1h", "0s"]
    assert [output.size(o) for o in (0, 999, 1000, 12_345, 999_999, 5 * 10**9)] == [
        "0 B",
        "999 B",
        "1 kB",
        "12.3 kB",
        "1 MB",
        "5 GB",
    ]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    text = UNIT.read_text()
    assert "\nType=notify\n" in text
    copy = tmp_path / "mailsuite.service"
    for old, new in (
        ("/usr/local/bin/mailsuite ", "/bin/true "),
        ("User=mailsuite", "User=root"),
        ("Group=mailsuite", "Group=root"),
    ):
        assert old in text
        text = text.replace(old, new)
    copy.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
