"""`mailsuite send`: what its options refuse before anything is sent."""

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
