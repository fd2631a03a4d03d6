"""`mailsuite message show`."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from mailsuite.cli import run

MESSAGE = b"""From: =?utf-8?q?J=C3=B6rg?= <j@x.test>
Subject: two \x1b[31mparts
Date: Mon, 23 Nov 2026 09:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b

hello
--b
Content-Type: message/rfc822
Content-Disposition: attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.eml

From: x@y.test
Date: Mon, 23 Nov 2026 09:00:00 +0000
MIME-Version: 1.0
Content-Type: image/png; name=a.png
Content-Transfer-Encoding: base64

AAAA
--b--
""".replace(b"\n", b"\r\n")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "message.eml"
    path.write_bytes(MESSAGE)
    return path


def test_a_tree_in_a_pipe(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["message", "show", str(file)]) == 0
    assert capsys.readouterr().out == (
        "From:       Jörg <j@x.test>\n"
        "Subject:    two \N{REPLACEMENT CHARACTER}[31mparts\n"
        "Date:       Mon, 23 Nov 2026 09:00:00 +0000\n"
        "\n"
        "message, 451 B\n"
        '└── multipart/mixed  7bit  283 B  boundary "b"\n'
        "    ├── 1 text/plain us-ascii  7bit  5 B\n"
        '    └── 2 message/rfc822  7bit  152 B  "Grüße.eml"  attachment\n'
        '        └── 2.1 image/png  base64  4 B (decoded 3 B)  "a.png"\n'
    )


def test_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["message", "show", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fields"]["From"] == "Jörg <j@x.test>"
    assert (found["size"], found["line_ends"], found["defects"]) == (len(MESSAGE), "CRLF", [])
    second = found["structure"]["parts"][1]
    assert second["filename"] == "Grüße.eml"
    start, end = second["message"]["body"]
    assert MESSAGE[start:end] == b"AAAA"


def test_standard_input_and_defects(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"Date: x\n\n\xe9\n")))
    assert run(["message", "show", "-"]) == 0
    assert capsys.readouterr().out == (
        "Date:       x\n"
        "\n"
        "message, 11 B\n"
        "! lines end with LF alone; on the way they end with CRLF\n"
        "! no field From\n"
        "! the date can't be read: 'x'\n"
        "└── 1 text/plain us-ascii  7bit  2 B\n"
        "    ! 8-bit octets in a part labelled 7bit\n"
        "    ! the text is not us-ascii\n"
    )


def test_files_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").touch()
    for name, words in (("empty", "is empty"), ("missing", "No such file"), (".", "directory")):
        assert run(["message", "show", str(tmp_path / name)]) == 1
        assert words in capsys.readouterr().err
