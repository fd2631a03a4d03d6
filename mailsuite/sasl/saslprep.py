"""Pure. SASLprep (RFC 4013): names and passwords brought into one form before they are compared.

The mechanisms whose RFCs ask for it use it (SCRAM: RFC 5802 §2.2, §5.1). Code points that Unicode
3.2 did not know are let through, as in a query (RFC 3454 §7): a password may well have an emoji in
it, and both sides must come to the same octets.
"""

import stringprep
import unicodedata

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str) -> str:
    """The prepared text. Raises ValueError where it has characters that are prohibited (§2.3)."""
    if text.isascii():
        if not text.isprintable():
            raise ValueError("control characters")
        return text
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if not stringprep.in_table_b1(character)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    for character in prepared:
        if any(prohibited(character) for prohibited in _PROHIBITED):
            raise ValueError(f"prohibited character U+{ord(character):04X}")
    _check_directions(prepared)
    return prepared


def _check_directions(text: str) -> None:
    """RFC 3454 §6: text that runs right to left does so as a whole."""
    if not any(stringprep.in_table_d1(character) for character in text):
        return
    if any(stringprep.in_table_d2(character) for character in text):
        raise ValueError("characters of both directions")
    if not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])):
        raise ValueError("text that runs right to left must begin and end so")
