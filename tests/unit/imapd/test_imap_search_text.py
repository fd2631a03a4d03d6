"""Texts are found as people read them, and only there."""

import base64
import quopri
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imap_dialogue import MESSAGES

from mailsuite.imapd.search_text import (
    field_contains,
    field_texts,
    message_contains,
    sent_day,
)
from mailsuite.message import decode_words, fields, fold
from mailsuite.store.content import FileOctets


@pytest.mark.parametrize(
    ("text", "body_only", "found"),
    [
        ("hidden TREASURE", True, True),
        ("aGlkZGVu", True, False),
        ("=C3=9F", True, False),
        ("straße nach köln", True, True),
        ("STRASSE", True, False),  # RFC 5051: no letter becomes two by its case
        ("Stra\u00dfe", True, True),
        ("content-transfer-encoding: base64", True, True),
        ("grüße aus köln", False, True),
        ("grüße", True, False),
        ("multipart/mixed", True, False),
        ("multipart/mixed", False, True),
        ("", True, True),
    ],
)
def test_message(text: str, body_only: bool, found: bool) -> None:
    assert message_contains(MESSAGES["mixed"], fold(text), body_only=body_only) is found


def test_enclosed_message_belongs_to_the_body() -> None:
    message = (
        b"Subject: outer\r\nContent-Type: message/rfc822\r\n\r\n"
        b"Subject: =?utf-8?q?in=C3=B1er?=\r\n\r\ntext within\r\n"
    )
    assert message_contains(message, fold("text within"), body_only=True)
    assert message_contains(message, fold("inñer"), body_only=True)
    assert not message_contains(message, fold("outer"), body_only=True)


def test_pictures_are_no_text() -> None:
    message = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\naGlkZGVu\r\n"
    assert not message_contains(message, fold("hidden"), body_only=True)


def test_fields() -> None:
    header = b"To: a\r\n  b\r\nto: =?utf-8?q?=C3=84?= <c@d>\r\nX-Empty:\r\n\r\n"
    assert field_contains(header, "TO", fold("a  b"))
    assert field_contains(header, "to", fold("ä <C@"))
    assert field_contains(header, "x-empty", "")
    assert not field_contains(header, "x-empty", fold("a"))
    assert not field_contains(header, "cc", "")


def test_sent_day_is_the_writers() -> None:
    east = sent_day(b"Date: Mon, 23 Nov 2026 00:30:00 +1200\r\n\r\n")
    west = sent_day(b"Date: Sun, 22 Nov 2026 23:30:00 -1200\r\n\r\n")
    assert east is not None and west is not None and east - west == 1
    assert sent_day(b"Subject: none\r\n\r\n") is None
    assert sent_day(b"Date: nonsense\r\n\r\n") is None


@given(st.binary(max_size=300), st.text(max_size=5), st.booleans())
def test_never_raises(data: bytes, text: str, body_only: bool) -> None:
    message_contains(data, fold(text), body_only=body_only)
    field_contains(data, "subject", fold(text))
    sent_day(data)


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_large_messages_take_little_memory(tmp_path: Path, encoding: str) -> None:
    line = "Größere Texte, Zeile für Zeile.\r\n".encode()
    body = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}.get(
        encoding, bytes
    )(line * 1000)
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n"
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(head % encoding.encode())
        for _ in range(250):
            file.write(body)
        size = file.tell()
    assert size > 8_000_000
    with path.open("rb") as file:
        data = FileOctets(file.fileno(), size)
        tracemalloc.start()
        try:
            assert not message_contains(data, fold("nowhere"), body_only=True)
            assert message_contains(data, fold("größere TEXTE"), body_only=True)
            assert tracemalloc.get_traced_memory()[1] < 4_000_000
        finally:
            tracemalloc.stop()


@given(
    st.lists(
        st.sampled_from(
            [b"to", b"To ", b"x-to", b"tO\t", b":", b": a", b"\r\n", b"\n", b" ", b"b"]
        ),
        max_size=25,
    ).map(b"".join),
    st.sampled_from(["to", "TO", "x-to", "", "b"]),
)
def test_fields_are_found_as_the_parser_does(header: bytes, name: str) -> None:
    parsed = [field for field in fields(header) if field.key == name.lower() and field.name]
    assert list(field_texts(header, name)) == [
        fold(decode_words(field.unfolded)) for field in parsed
    ]
