"""`mailsuite domain records`: the zone's lines, by the settings."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import dns.rdatatype
import dns.zone
import pytest

from mailsuite.cli import run
from mailsuite.dkim import Keys


def test_the_lines_are_those_of_a_zone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mail.yaml"
    file.write_text(f"{{hostname: mail.example.org, data: {tmp_path / 'none'}}}")
    assert run(["domain", "records", "Example.ORG", "-c", str(file)]) == 0
    out, err = capsys.readouterr()
    assert "A and AAAA records of mail.example.org" in err
    zone = dns.zone.from_text(
        "$TTL 3600\n" + out, origin="example.org.", relativize=False, check_origin=False
    )
    found = {
        f"{name} {dns.rdatatype.to_text(data.rdtype)}": data.to_text()
        for name, _, data in zone.iterate_rdatas()
    }
    assert found.pop("_dmarc.example.org. TXT").startswith('"v=DMARC1; p=none; rua=mailto:')
    assert found == {
        "example.org. MX": "10 mail.example.org.",
        "example.org. TXT": '"v=spf1 mx -all"',
        "mail.example.org. TXT": '"v=spf1 a -all"',
        "_imaps._tcp.example.org. SRV": "0 1 993 mail.example.org.",
        "_imap._tcp.example.org. SRV": "10 1 143 mail.example.org.",
        "_pop3s._tcp.example.org. SRV": "0 1 995 mail.example.org.",
        "_pop3._tcp.example.org. SRV": "10 1 110 mail.example.org.",
        "_submissions._tcp.example.org. SRV": "0 1 465 mail.example.org.",
        "_submission._tcp.example.org. SRV": "10 1 587 mail.example.org.",
    }


def test_they_follow_the_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mail.yaml"
    file.write_text(
        f"hostname: mail.example.org\ndata: {tmp_path / 'none'}\n"
        "outbound: smarthost\nrelay: {smarthost: {host: out.test}}\n"
        "listeners:\n  - {protocol: smtp, port: 25}\n"
        "  - {protocol: imap, port: 2993, tls: implicit, address: [127.0.0.1, '::1']}\n"
        "  - {protocol: imap, port: 1993, tls: implicit}\n"
        "  - {protocol: pop3, port: 995, proxy_protocol: true, proxy_from: 10.0.0.2}\n"
    )
    assert run(["domain", "records", "b\u00fccher.example", "-c", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["type"]) for one in found] == [
        ("xn--bcher-kva.example.", "MX"),
        ("_dmarc.xn--bcher-kva.example.", "TXT"),
        ("_imaps._tcp.xn--bcher-kva.example.", "SRV"),
    ]
    assert found[2]["data"] == "0 1 1993 mail.example.org."
    assert run(["domain", "records", "a b", "-c", str(file)]) == 1


def settings(folder: Path, **more: object) -> list[str]:
    """A settings file with a data folder, as arguments; and the domain is there."""
    file = folder / "mail.yaml"
    file.write_text(json.dumps({"hostname": "mx.example.org", "data": str(folder / "data")} | more))
    assert run(["domain", "add", "bücher.example", "-c", str(file)]) == 0
    return ["-c", str(file)]


def txt(out: str) -> dict[str, str]:
    """The names of TXT records for DKIM, with their strings joined."""
    zone = dns.zone.from_text("$TTL 60\n" + out, origin=".", relativize=False, check_origin=False)
    return {
        name.to_text(omit_final_dot=True): b"".join(data.strings).decode("ascii")
        for name, _, data in zone.iterate_rdatas("TXT")
        if b"_domainkey" in name.labels
    }


def test_the_key_is_made_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = settings(tmp_path)
    capsys.readouterr()
    assert run(["domain", "records", "bücher.example", *given]) == 0
    out = capsys.readouterr().out
    key = Keys(tmp_path / "data" / "dkim").signing("xn--bcher-kva.example")
    assert txt(out) == {"mailsuite._domainkey.xn--bcher-kva.example": key.record}
    assert run(["domain", "records", "bücher.example", *given]) == 0
    assert capsys.readouterr().out == out, "there is one key"
    assert run(["domain", "records", "bücher.example", *given, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    (row,) = [row for row in rows if "_domainkey" in row["name"]]
    assert row["data"].count('"') == 4, "a string has up to 255 octets"


def test_a_domain_that_is_not_here_gets_no_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = settings(tmp_path, users_file={"path": "/none", "domains": "listed.example"})
    assert run(["domain", "records", "other.example", *given]) == 0
    assert "mailsuite domain add other.example" in capsys.readouterr().err
    assert run(["domain", "dkim", "other.example", *given, "--new-selector", "2027a"]) == 1
    assert "no such domain: other.example" in capsys.readouterr().err
    assert not (tmp_path / "data" / "dkim").exists()
    assert run(["domain", "dkim", "listed.example", *given]) == 0
    capsys.readouterr()
    assert run(["domain", "records", "listed.example", *given]) == 0
    assert "mailsuite._domainkey.listed.example. " in capsys.readouterr().out


def test_without_signing_there_is_no_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = settings(tmp_path, relay={"dkim": False})
    assert run(["domain", "records", "bücher.example", *given]) == 0
    assert "_domainkey" not in capsys.readouterr().out
    assert not (tmp_path / "data" / "dkim").exists()


def test_a_change_of_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = settings(tmp_path)
    domain, ascii = "bücher.example", "xn--bcher-kva.example"
    run(["domain", "dkim", domain, *given])
    assert "no key yet" in capsys.readouterr().out
    run(["domain", "records", domain, *given])
    assert run(["domain", "dkim", domain, *given, "--new-selector", "2027a"]) == 0
    assert run(["domain", "dkim", domain, *given, "--new-selector", "2027a"]) == 1
    assert f"{ascii} has a key 2027a already" in capsys.readouterr().err
    run(["domain", "records", domain, *given])
    assert set(txt(capsys.readouterr().out)) == {
        f"mailsuite._domainkey.{ascii}",
        f"2027a._domainkey.{ascii}",
    }

    def rows() -> list[tuple[str, bool, int]]:
        assert run(["domain", "dkim", domain, *given, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        return [(row["selector"], row["signs"], row["bits"]) for row in found]

    assert rows() == [("2027a", False, 2048), ("mailsuite", True, 2048)]
    assert run(["domain", "dkim", domain, *given, "--use", "2027a"]) == 0
    capsys.readouterr()
    assert rows() == [("2027a", True, 2048), ("mailsuite", False, 2048)]
    assert run(["domain", "dkim", domain, *given, "--remove", "2027a"]) == 1
    assert run(["domain", "dkim", domain, *given, "--remove", "mailsuite"]) == 0
    capsys.readouterr()
    assert rows() == [("2027a", True, 2048)]
    assert run(["domain", "dkim", domain, *given, "--use", "a", "--remove", "b"]) == 2
    assert "give one of" in capsys.readouterr().err


def test_a_broken_key_is_told_beside_the_other_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = settings(tmp_path)
    folder = tmp_path / "data" / "dkim" / "xn--bcher-kva.example"
    folder.mkdir(parents=True)
    (folder / "old.pem").write_bytes(b"broken")
    capsys.readouterr()
    assert run(["domain", "records", "bücher.example", *given]) == 1
    out, err = capsys.readouterr()
    assert "MX" in out and "_domainkey" not in out
    assert f"no record for DKIM: {folder}/old.pem: not a private key" in err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_root_uses_the_keys_as_the_server_does(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="mailsuite-test-"))
    folder.chmod(0o755)
    try:
        file = folder / "mail.yaml"
        file.write_text("{hostname: mx.example.org, data: data, user: nobody}")
        assert run(["domain", "add", "example.org", "-c", str(file)]) == 0

        def records() -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "mailsuite", "domain", "records", "example.org"]
            return subprocess.run(
                [*command, "-c", str(file)], capture_output=True, text=True, check=False
            )

        done = records()
        assert done.returncode == 0 and len(txt(done.stdout)) == 1, done.stderr
        made = folder / "data" / "dkim" / "example.org" / "mailsuite.pem"
        assert made.stat().st_uid == pwd.getpwnam("nobody").pw_uid
        # One that only root can read is none for the server.
        os.chown(made, 0, 0)
        done = records()
        assert done.returncode == 1 and txt(done.stdout) == {}
        assert f"{made}: Permission denied" in done.stderr
        capsys.readouterr()
        assert run(["config", "check", str(file)]) == 0
        assert f"relay.dkim: {made}: Permission denied" in capsys.readouterr().err
    finally:
        shutil.rmtree(folder)
