"""Pure. The form in which texts are compared: i;unicode-casemap (RFC 5051), without case.

`fold` is the one place for SEARCH, SORT, THREAD and the full-text index (RFC 5255 §4.1,
I18NLEVEL=1). Folded strings compare by code point, which is the order of their UTF-8 octets.
"""

from __future__ import annotations

import re
import unicodedata

UNICODE_VERSION = unicodedata.unidata_version
"""What `fold` gives may differ between versions of Unicode: for what keeps folded text."""

_NONCHARACTERS = {0: 0xFFFD, 0xFFFF: 0xFFFD}


def _title(character: str) -> str:
    """The simple titlecase mapping of UnicodeData.txt (Python's own may give several letters)."""
    title = character.title()
    return title if len(title) == 1 else character


# Where the uppercase of a string is something else than the titlecase of its characters: ß, ǆ, ﬁ,
# letters with iota subscript, Georgian.
_EXCEPTIONS = {
    ord(character): _title(character)
    for character in map(chr, range(0x80, 0x20000))  # no letter beyond has case
    if character.upper() != _title(character)
}
_EXCEPTION = re.compile(f"([{''.join(map(chr, _EXCEPTIONS))}]+)")


def fold(text: str) -> str:
    """`text` titlecased and decomposed (RFC 5051 §2): "Café" and "CAFE\\u0301" become one.

    U+0000 and U+FFFF, which are no characters of a text, become U+FFFD.
    """
    if text.isascii():
        folded = text.upper()
        return folded.replace("\0", "\ufffd") if "\0" in folded else folded
    pieces = _EXCEPTION.split(text)
    pieces[::2] = [piece.upper() for piece in pieces[::2]]
    pieces[1::2] = [piece.translate(_EXCEPTIONS) for piece in pieces[1::2]]
    folded = unicodedata.normalize("NFKD", "".join(pieces))
    if "\0" in folded or "\uffff" in folded:
        folded = folded.translate(_NONCHARACTERS)
    return folded
