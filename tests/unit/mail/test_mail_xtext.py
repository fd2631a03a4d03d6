"""xtext both ways (RFC 3461 §4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.mail import decode_unitext, decode_xtext, encode_unitext, encode_xtext


@given(st.text(st.characters(max_codepoint=127)))
def test_reads_what_it_wrote(text: str) -> None:
    written = encode_xtext(text)
    assert decode_xtext(written) == text
    assert all("!" <= letter <= "~" and letter != "=" for letter in written)


def test_known_answers() -> None:
    assert encode_xtext("a+b=c d") == "a+2Bb+3Dc+20d"
    assert encode_xtext("Bob@example.com") == "Bob@example.com"


@pytest.mark.parametrize("text", ["a b", "a=b", "+", "+2", "+2b", "+G0", "\u00e9", "a\n"])
def test_what_is_not_xtext(text: str) -> None:
    with pytest.raises(ValueError):
        decode_xtext(text)


def test_only_ascii_has_xtext() -> None:
    with pytest.raises(ValueError):
        encode_xtext("\u00e9")


@given(st.text(st.characters(exclude_categories=("C", "Z"))))
def test_letters_written_out(text: str) -> None:
    written = encode_unitext(text)
    assert written.isascii() and decode_unitext(written) == decode_unitext(text)


def test_what_can_be_no_letter_stays() -> None:
    assert decode_unitext(r"\x{e9}\x{1F600}\x{D800}\x{110000}\x{0A}\x{e}") == (
        "é\U0001f600" r"\x{D800}\x{110000}\x{0A}\x{e}"
    )
