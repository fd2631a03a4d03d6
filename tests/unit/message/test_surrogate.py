"""Surrogates of messages with UTF-8 in their header fields (RFC 6858)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import decode_words, fields, mailboxes, parse_addresses, scan
from mailsuite.message.surrogate import NOWHERE, Edit, Edited, is_fit, surrogate


def shown(message: bytes) -> bytes:
    edits = surrogate(message)
    assert edits is not None
    made = Edited(edits).feed(message)
    assert len(made) == len(message) + sum(edit.growth for edit in edits)
    return made


def header(message: bytes) -> dict[str, bytes]:
    return {field.key: field.unfolded for field in fields(message)}


def test_ascii_and_8_bit_bodies_are_fit_as_they_are() -> None:
    assert surrogate(b"Subject: x\r\n\r\nplain\r\n") == ()
    assert surrogate("Subject: x\r\n\r\ngrüße\r\n".encode()) == ()
    assert surrogate(b"") == ()


def test_texts_become_encoded_words_and_the_rest_stays() -> None:
    before = "Received: from a\r\nSubject: Grüße\r\n aus Köln\r\nDate: x\r\nX-Mood: fröhlich\r\n"
    made = shown(before.encode() + "\r\nÄ body\r\n".encode())
    assert made.startswith(b"Received: from a\r\nSubject: =?")
    assert made.endswith("\r\n\r\nÄ body\r\n".encode())
    found = header(made)
    assert decode_words(found["subject"]) == "Grüße aus Köln"
    assert decode_words(found["x-mood"]) == "fröhlich"
    assert found["date"] == b"x"


def test_addresses_keep_what_ascii_has_a_form_for() -> None:
    made = shown(
        "From: Jürgen <j@example.org>\r\nTo: a@bücher.example, Ä <ä@example.org>, c@example.org\r\n"
        "Cc: Gäste: ö@example.org;\r\n\r\n".encode()
    )
    assert made.isascii()
    found = {key: mailboxes(parse_addresses(value)) for key, value in header(made).items()}
    assert [(a.display_name, a.address) for a in found["from"]] == [("Jürgen", "j@example.org")]
    assert [(a.display_name, a.address) for a in found["to"]] == [
        ("", "a@xn--bcher-kva.example"),
        ("Ä <ä@example.org>", NOWHERE),
        ("", "c@example.org"),
    ]
    assert [(a.display_name, a.address) for a in found["cc"]] == [("ö@example.org", NOWHERE)]


def test_file_names_in_parts_are_kept() -> None:
    message = (
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
        'Content-Type: application/pdf; name="Übersicht.pdf"\r\n'
        'Content-Disposition: attachment; filename="Übersicht.pdf"\r\n\r\nÄÖ\r\n--b--\r\n'
    ).encode()
    made = shown(message)
    assert "ÄÖ".encode() in made
    part = scan(made).parts[0]
    assert part.filename == "Übersicht.pdf"
    assert part.content_type == "application/pdf"
    assert made.replace("ÄÖ".encode(), b"").isascii()


@pytest.mark.parametrize(
    "line", ["Received: for <ü@example.org>", "Return-Path: <ü@example.org>", "no field ü", "To: ü"]
)
def test_what_has_no_form_is_left_out_or_leads_nowhere(line: str) -> None:
    made = shown(f"{line}\r\nSubject: x\r\n\r\n".encode())
    assert made.isascii()
    assert made.endswith(b"Subject: x\r\n\r\n")
    assert line.startswith("To") == (NOWHERE.encode() in made)


def test_octets_that_are_no_utf_8_are_shown_as_what_they_probably_are() -> None:
    made = shown("Subject: Grüße\r\n\r\n".encode("latin-1"))
    assert made.isascii()
    assert decode_words(header(made)["subject"]) == "Grüße"


def test_a_header_out_of_all_proportion_is_refused() -> None:
    assert surrogate("Subject: ü\r\n".encode() + b"X: y\r\n" * 200_000 + b"\r\n") is None


@given(st.binary(max_size=200))
def test_any_octets(data: bytes) -> None:
    edits = surrogate(data)
    assert edits is not None
    assert is_fit(data) == (edits == ())
    made = Edited(edits).feed(data)
    for part in scan(made).walk():
        assert made[part.header_start : part.body_start].isascii()


@given(st.binary(max_size=60), st.data())
def test_edits_do_not_depend_on_how_the_message_is_cut(data: bytes, draw: st.DataObject) -> None:
    places = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=8).map(set)))
    edits = [Edit(a, b, b"<%d>" % a) for a, b in zip(places[::2], places[1::2], strict=False)]
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=5)))
    edited = Edited(edits)
    bounds = zip([0, *cuts], [*cuts, len(data)], strict=True)
    assert b"".join(edited.feed(data[a:b]) for a, b in bounds) == Edited(edits).feed(data)
