"""`mailsuite send`: what its options refuse before anything is sent."""

from pathlib import Path

import pytest

from mailsuite.cli import run

SEND = ["send", "--dry-run", "--from", "a@x.test", "--to", "b@x.test", "--body", "x"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("Bcc: c@x.test", "give --bcc instead"),
        ("reply-to : c@x.test", "give --reply-to instead"),
        ("Message-ID: <x@y>", "is written for you"),
        ("Content-Type: text/html", "is written for you"),
        ("nothing", "is not NAME:TEXT"),
    ],
)
def test_no_field_is_given_twice(
    given: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*SEND, "--header", given]) == 64
    assert words in " ".join(capsys.readouterr().err.split())


def test_other_fields_are_written(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run([*SEND, "--header", "X-Mine: yes"]) == 0
    assert b"\nX-Mine: yes\r\n" in capfdbinary.readouterr().out


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--charset", "nope"], 64, "--charset 'nope' is not known"),
        (["--charset", "base64"], 64, "--charset 'base64' is not known"),
        (["--server", "localhost:1", "--ca", "{0}/none.pem"], 66, "none.pem: No such file"),
        (["--server", "localhost:1", "--ca", "{0}/bad.pem"], 65, "bad.pem: holds no certificate"),
    ],
)
def test_what_can_not_be_used_is_named(
    options: list[str], code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.pem").write_text("x")
    given = [option.format(tmp_path) for option in options]
    assert run(["send", "--to", "b@x.test", "--body", "x", *given]) == code
    assert words in capsys.readouterr().err
