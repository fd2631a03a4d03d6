"""The file with passwords: read, or refused with words that help and show none of them."""

from pathlib import Path

import pytest

from mailsuite.base.errors import UserError
from mailsuite.relay.credentials import load
from mailsuite.sasl import ClientLogin


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "credentials"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_by_host_and_port(tmp_path: Path) -> None:
    found = load(
        write(
            tmp_path,
            "# comment\n\nsmtp.example.net  alice@example.org  two words\n"
            "SMTP.example.net:465\tbob\tsecret\n",
            0o640,
        )
    )
    assert found.of("smtp.example.net", 587) == ClientLogin("alice@example.org", "two words")
    assert found.of("Smtp.Example.net", 465) == ClientLogin("bob", "secret")
    assert found.of("other.example.net", 25) is None


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("a b c", 0o644, "others may read or write"),
        ("a b c", 0o620, "others may read or write"),
        ("# x\na secret\n", 0o600, ":2: expected three things"),
        ("a b secret\nA b secret\n", 0o600, ":2: A stands in the file already"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, mode: int, words: str) -> None:
    path = write(tmp_path, text, mode)
    with pytest.raises(UserError) as error:
        load(path)
    assert str(error.value).startswith(str(path)) and words in str(error.value)
    assert "secret" not in str(error.value).removeprefix(str(path))


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load(tmp_path / "nothing")
