"""`mailsuite send`: what its options refuse before anything is sent, and what it composes."""

import email.policy
from email.message import EmailMessage
from email.parser import BytesParser
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


def composed(capture: pytest.CaptureFixture[bytes], *options: object) -> EmailMessage:
    """What is printed, as the standard library reads it; there is nothing in it to complain of."""
    assert run([*SEND, *map(str, options)]) == 0
    octets = capture.readouterr().out
    lines = octets.split(b"\r\n")
    assert all(len(line) <= 998 and not {0, 10, 13} & set(line) for line in lines)
    message = BytesParser(EmailMessage, policy=email.policy.default).parsebytes(octets)
    for part in message.walk():
        assert not part.defects
        assert not [value for value in part.values() if getattr(value, "defects", ())]
    return message


@pytest.mark.parametrize(
    ("content", "encoding", "charset"),
    [
        (b"plain\r\n", "7bit", None),
        (b"", "7bit", None),
        (b"lines of\nUnix\n", "base64", None),
        ("schön und gut\r\n".encode(), "quoted-printable", "utf-8"),
        ("schön und gut\r\n".encode("latin-1"), "quoted-printable", "unknown-8bit"),
        ("한글\r\n".encode(), "base64", "utf-8"),
        (b"x" * 999, "quoted-printable", None),
        (b"\0", "base64", None),
    ],
)
def test_a_text_that_is_attached(
    content: bytes,
    encoding: str,
    charset: str | None,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    part = composed(capfdbinary, "-a", tmp_path / "a.txt").get_payload(1)
    assert isinstance(part, EmailMessage)
    assert part["Content-Transfer-Encoding"] == encoding
    assert part.get_content_type() == "text/plain"
    assert part.get_param("charset") == charset
    assert part.get_payload(decode=True) == content


@pytest.mark.parametrize(
    "name",
    ["한글 이름.bin", "emoji 😀.bin", 'quo"te;semi\\.bin', "=?utf-8?q?x?=.bin", "per%20cent'.bin",
     "a" * 200 + ".bin", "가" * 80 + ".bin", "tab\there.bin", "new\nline.bin", "x*0*=y.bin"],
)  # fmt: skip
def test_names_of_attachments(
    name: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / name).write_bytes(b"\xff")
    part = composed(capfdbinary, "-a", tmp_path / name).get_payload(1)
    assert isinstance(part, EmailMessage)
    assert part.get_filename() == name


HEAD = b"From: a@x.test\r\nSubject: x\r\n\r\n"


@pytest.mark.parametrize(
    ("file", "kind", "encoding"),
    [
        (HEAD + b"x\r\n", "message/rfc822", "7bit"),
        (HEAD + b"\xff\r\n", "message/rfc822", "8bit"),
        (HEAD.replace(b"\r\n", b"\n") + b"x\n", "message/rfc822", "7bit"),
        (HEAD + b"x\n", "application/octet-stream", "base64"),
        (HEAD + b"\0", "application/octet-stream", "base64"),
        (HEAD + b"x" * 999, "application/octet-stream", "base64"),
    ],
)
def test_a_message_that_is_attached(
    file: bytes,
    kind: str,
    encoding: str,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    (tmp_path / "a.eml").write_bytes(file)
    whole = composed(capfdbinary, "-a", tmp_path / "a.eml")
    part = whole.get_payload(1)
    assert isinstance(part, EmailMessage)
    assert part.get_content_type() == kind
    assert part["Content-Transfer-Encoding"] == encoding
    assert whole["Content-Transfer-Encoding"] == ("8bit" if encoding == "8bit" else "7bit")


def test_what_the_html_shows_has_an_id_of_its_own(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "a.png").write_bytes(b"\xff")
    (tmp_path / "b.html").write_text("<img src='cid:a.png'><img src=cid:a.png.x>")
    given = ("--html", tmp_path / "b.html", "--inline", tmp_path / "a.png")
    one, two = composed(capfdbinary, *given), composed(capfdbinary, *given)
    ids = [next(part["Content-ID"] for part in m.walk() if part["Content-ID"]) for m in (one, two)]
    assert ids[0] != ids[1]
    assert ids[0].endswith("@x.test>")
    (html,) = [part for part in one.walk() if part.get_content_type() == "text/html"]
    assert html.get_content() == f"<img src='cid:{ids[0][1:-1]}'><img src=cid:a.png.x>\r\n"


def test_what_is_answered_is_named_with_or_without_brackets(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    for given in ("<1@x.test>", "1@x.test"):
        message = composed(capfdbinary, "--in-reply-to", given)
        assert (message["In-Reply-To"], message["References"]) == ("<1@x.test>", "<1@x.test>")
    assert run([*SEND, "--in-reply-to", "no id"]) == 64
