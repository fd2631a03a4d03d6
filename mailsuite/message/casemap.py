"""Pure. The form in which texts are compared: i;unicode-casemap (RFC 5051), without case.

`fold` is the one place for SEARCH, SORT, THREAD and the full-text index (RFC 5255 §4.1,
I18NLEVEL=1). Folded strings compare by code point, which is the order of their UTF-8 octets.
"""

from __future__ import annotations

import re
import unicodedata

UNICODE_VERSION = unicodedata.unidata_version
"""What `fold` gives may differ between versions of Unicode: for what keeps folded text."""

SEPARATOR = "\x01"
"""What no folded text contains: put between texts that are kept as one."""
_UNREADABLE = "\ufffd"
_NO_CHARACTERS = ("\0", SEPARATOR, "\ufffe", "\uffff")


def _title(character: str) -> str:
    """The simple titlecase mapping of UnicodeData.txt (Python's own may give several letters)."""
    title = character.title()
    return title if len(title) == 1 else character


_CASED = (*range(0x80, 0x3000), *range(0xA000, 0xAC00), *range(0xF900, 0x20000))
"""No letter beyond or between has case: Han and Hangul."""
# Where the uppercase of a string is something else than the titlecase of its characters: ß, ǆ, ﬁ,
# letters with iota subscript, Georgian.
_EXCEPTIONS = {
    ord(character): _title(character)
    for character in map(chr, _CASED)
    if character.upper() != _title(character)
}
_SURROGATE = re.compile("[\ud800-\udfff]")
_EXCEPTION = re.compile(f"([{''.join(map(chr, _EXCEPTIONS))}]+)")


_AT_ONCE = 512
_STARTER_WITHIN = 32


def _decomposed(text: str) -> str:
    """NFKD, in pieces that begin with a starter: what marks follow one is put in order with time
    that grows with their square, and without letting other threads run.

    After 32 marks a piece ends anyway: no text has so many (UAX #15 §13, Stream-Safe Text Format).
    """
    pieces = []
    at, end = 0, len(text)
    while at < end:
        cut = at + _AT_ONCE
        last = cut + _STARTER_WITHIN
        while cut < end and cut < last and not _begins(text[cut]):
            cut += 1
        pieces.append(unicodedata.normalize("NFKD", text[at:cut]))
        at = cut
    return pieces[0] if len(pieces) == 1 else "".join(pieces)


def _begins(character: str) -> bool:
    """Whether nothing before it changes place when a text is decomposed."""
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) == 0


def fold(text: str) -> str:
    """`text` titlecased and decomposed (RFC 5051 §2): "Café" and "CAFE\\u0301" become one.

    U+0000, U+0001, U+FFFE, U+FFFF and halves of surrogate pairs become U+FFFD.
    """
    if text.isascii():
        folded = text.upper()
    else:
        pieces = _EXCEPTION.split(text)
        pieces[::2] = [piece.upper() for piece in pieces[::2]]
        pieces[1::2] = [piece.translate(_EXCEPTIONS) for piece in pieces[1::2]]
        folded = _decomposed("".join(pieces))
        try:
            folded.encode()
        except UnicodeEncodeError:
            folded = _SURROGATE.sub(_UNREADABLE, folded)
    for character in _NO_CHARACTERS:
        if character in folded:
            folded = folded.replace(character, _UNREADABLE)
    return folded
