"""What is wrong with a message.

- Whatever the octets, nothing raises; what the composer writes has no defect.
- Time grows in step with size.
"""

import time

import pytest
from hypothesis import given
from test_message_compose import trees, written
from test_message_fuzz import messages

from mailsuite.message import scan
from mailsuite.message.compose import Entity
from mailsuite.message.defects import line_ends, message_defects, part_defects

HEAD = "From: a@b.test\nDate: Mon, 23 Nov 2026 09:00:00 +0000\nMIME-Version: 1.0\n"


def defects(text: str | bytes) -> list[str]:
    data = text if isinstance(text, bytes) else text.replace("\n", "\r\n").encode()
    root = scan(data)
    found = [defect for part in root.walk() for defect in part_defects(data, part)]
    return message_defects(data, root) + found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD + "\ntext\n", []),
        ("\n", ["no field Date", "no field From"]),
        (HEAD + "rubbish\n\n", ["a line of the header is no field: 'rubbish'"]),
        (HEAD + "Subject: a\nSUBJECT: b\n\n", ["the field subject is there 2 times"]),
        (HEAD + "Subject: ä\n\n", ["8-bit octets in header fields, which only SMTPUTF8 allows"]),
        (HEAD + f"X: {'y' * 999}\n\n", ["a line of the header has more than 998 octets"]),
        ("From: a\nDate: soon\n\n", ["the date can't be read: 'soon'"]),
        ("From: a\nDate: 1 Jan 2020\nContent-Type: text/plain\n\n",
         ["content fields without MIME-Version"]),
        (HEAD + "\nä\n", ["8-bit octets in a part labelled 7bit"]),
        (HEAD + "\n" + "x" * 999 + "\n", ["a line has more than 998 octets"]),
        (HEAD + "Content-Transfer-Encoding: x-own\n\n", ["the encoding x-own is not known"]),
        (HEAD + "Content-Transfer-Encoding: base64\n\nYW!j\n", ["characters that are not base64"]),
        (HEAD + "Content-Transfer-Encoding: quoted-printable\n\na=3D=\nb=x\n",
         ["an = that begins no quoted octet"]),
        (HEAD + "Content-Type: text/plain; charset=x-y\n\n", ["the charset x-y is not known"]),
        (HEAD + "Content-Transfer-Encoding: 8bit\n"
         "Content-Type: text/plain; charset=iso-2022-jp\n\nä\n",
         ["the text is not iso-2022-jp"]),
        (HEAD + "Content-Type: multipart/mixed\n\n", ["no boundary"]),
        (HEAD + "Content-Type: multipart/mixed; boundary=a\n\n--b\n",
         ["the boundary begins no line"]),
        (HEAD + "Content-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n",
         ["the closing boundary is missing"]),
        (HEAD + "Content-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n--a--\n", []),
        (HEAD + "Content-Type: multipart/mixed; boundary=a\nContent-Transfer-Encoding: base64\n\n"
         "--a\n\nx\n--a--\n", ["a multipart may not be encoded (base64)"]),
        (HEAD + "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nYQ==\n",
         ["a message inside may not be encoded"]),
    ],
)  # fmt: skip
def test_defects(text: str, expected: list[str]) -> None:
    assert [found for found in defects(text) if found != "the text is not us-ascii"] == expected


def test_line_ends() -> None:
    assert [line_ends(octets) for octets in (b"a", b"a\r\nb", b"a\nb\n", b"a\r\nb\n")] == [
        "", "CRLF", "LF", "mixed"
    ]  # fmt: skip


@given(messages)
def test_nothing_raises(octets: bytes) -> None:
    defects(octets)
    line_ends(octets)


@given(trees())
def test_what_is_composed_has_none(tree: tuple[Entity, list[bytes]]) -> None:
    assert defects(written(tree[0])) == []


@pytest.mark.parametrize("unit", [b"=", b"= ", b"\r", b"\xe9", b"!", b"--a\r\n\r\n", b"x\r\n"])
@pytest.mark.parametrize("encoding", [b"quoted-printable", b"base64"])
def test_time_is_linear(unit: bytes, encoding: bytes) -> None:
    def seconds(size: int) -> float:
        head = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
        head += b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n"
        data = head + unit * (size // len(unit))
        best = 9.9
        for _ in range(3):
            start = time.process_time()
            defects(data)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(400_000) < 30 * seconds(50_000) + 0.05
