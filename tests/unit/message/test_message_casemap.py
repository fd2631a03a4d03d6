"""The comparison form of texts: i;unicode-casemap (RFC 5051)."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.message import fold


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Hello, World 42", "HELLO, WORLD 42"),
        ("caf\u00e9", "CAFE\u0301"),
        ("CAFE\u0301", "CAFE\u0301"),
        # RFC 5051 §2 has this as its example: DZ WITH CARON by way of its titlecase.
        ("\u01c4", "Dz\u030c"),
        ("\u01c6", "Dz\u030c"),
        # The simple mapping only: no letter becomes two by its case.
        ("stra\u00dfe", "STRA\u00dfE"),
        # By compatibility: ligatures, full width, circled.
        ("\ufb01n", "fin".replace("n", "N")),
        ("\uff21\uff42", "A" + "B"),
        ("\u2460", "1"),
        # Both sigmas have one capital.
        ("\u03c3\u03c2", "\u03a3\u03a3"),
        # Georgian: the titlecase of a letter is itself, its uppercase another.
        ("\u10d0", "\u10d0"),
        ("a\0b\uffff\x01\ud800", "A\ufffdB\ufffd\ufffd\ufffd"),
        ("", ""),
    ],
)
def test_folded(text: str, folded: str) -> None:
    assert fold(text) == folded


def reference(text: str) -> str:
    """RFC 5051 §2 character by character, (a) titlecase, (b) decomposition."""
    titled = "".join(t if len(t := c.title()) == 1 else c for c in text)
    folded = unicodedata.normalize("NFKD", titled)
    for none in "\0\x01\ufffe\uffff":
        folded = folded.replace(none, "\ufffd")
    return folded


@given(st.text())
def test_as_the_rfc_says(text: str) -> None:
    assert fold(text) == reference(text)


@given(st.lists(st.text(max_size=20).map("é".__add__), max_size=5), st.integers(1, 60))
def test_long_texts_are_decomposed_in_pieces(texts: list[str], times: int) -> None:
    marks = "가\u0316\u0301\u0f73\uff9e\u0344"
    text = "".join([*texts, marks]) * times
    assert fold(text) == reference(text)


def test_every_character() -> None:
    every = [chr(n) for n in range(0x110000) if not 0xD800 <= n < 0xE000]
    assert [c for c in every if fold(c) != reference(c)] == []
