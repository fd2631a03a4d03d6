"""`mailsuite domain records`: the zone's lines, by the settings."""

import json
from pathlib import Path

import dns.rdatatype
import dns.zone
import pytest

from mailsuite.cli import run


def test_the_lines_are_those_of_a_zone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mail.yaml"
    file.write_text("hostname: mail.example.org\n")
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
        "hostname: mail.example.org\noutbound: smarthost\nrelay: {smarthost: {host: out.test}}\n"
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
