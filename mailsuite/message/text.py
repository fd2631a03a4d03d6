"""Pure. What of a message is searched as text: fields and bodies decoded, in comparison form.

Header fields are unfolded and their encoded words decoded, bodies decoded from their transfer
encoding and charset; raw encodings are never searched. Texts come folded (`casemap.fold`), each
followed by `SEPARATOR`, which no folded text has, so that nothing is found across two of them.
Memory is bounded by `SLICE`, however large the message is. Never raises; time is linear.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterable, Iterator

from mailsuite.message.body import decode_body
from mailsuite.message.casemap import SEPARATOR, fold
from mailsuite.message.charset import codec_name, decode_text
from mailsuite.message.decoding import Identity, decoder
from mailsuite.message.header import Octets, fields, spaced
from mailsuite.message.part import Part
from mailsuite.message.words import decode_words

SLICE = 1 << 17
"""Octets that are decoded at once; longer bodies are cut, between characters."""
MAX_HEADER = 1 << 20
"""Octets of one header block that are searched."""
TEXT_VERSION = 3
"""To be raised whenever the same message gives another text."""

_BYTE_ORDER = {
    "utf_16": (codecs.BOM_UTF16, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    "utf_32": (codecs.BOM_UTF32, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
}
"""The mark that is assumed where there is none, as `bytes.decode` does; the marks there may be."""
_MARKS = 32


def header_text(data: Octets, part: Part) -> str:
    """The fields of a part's own header, each as "NAME: VALUE" and a separator."""
    block = data[part.header_start : min(part.body_start, part.header_start + MAX_HEADER)]
    if _is_plain(block):
        text = block.decode("ascii").replace("\r\n ", " ").replace("\r\n\t", " ")
        return fold(text.rstrip("\r\n")).replace("\r\n", SEPARATOR) + SEPARATOR
    texts = []
    for field in fields(block):
        value = decode_words(spaced(field.value))
        texts.append(fold(f"{field.name}: {value}" if field.name else value))
    return SEPARATOR.join([*texts, ""])


def _is_plain(block: bytes) -> bool:
    """It needs nothing but its lines unfolded: most headers; the rest takes ten times as long."""
    return (
        b"=?" not in block
        and block.isascii()
        and b" :" not in block
        and b"\t:" not in block
        and block.count(b"\n") == block.count(b"\r\n")
    )


def body_text(data: Octets, root: Part) -> Iterator[str]:
    """The bodies, and the headers of parts and of enclosed messages, piece by piece.

    Texts, and what stands in the message readable (such as JSON); never a picture's octets.
    """
    for part in root.walk():
        if part is not root:
            yield header_text(data, part)
        if part.parts or part.message is not None:
            continue
        if part.type in ("text", "message"):
            charset = part.charset
        elif part.encoding != "base64":
            charset = "us-ascii"
        else:
            continue
        yield from _leaf_text(data, part, charset)
        yield SEPARATOR


def contains(pieces: Iterable[str], needle: str) -> bool:
    """Is `needle` (folded) in the text that the pieces make up?"""
    if not needle:
        return True
    overlap = len(needle) - 1
    before = ""
    for piece in pieces:
        window = before + piece if before else piece
        if needle in window:
            return True
        before = window[-overlap:] if overlap else ""
    return False


# -- bodies ----------------------------------------------------------------------------------------


def _leaf_text(data: Octets, part: Part, charset: str) -> Iterator[str]:
    start, end = part.body_start, part.body_end
    if end - start <= SLICE:
        yield fold(decode_text(decode_body(data[start:end], part.encoding), charset))
        return
    codec = codec_name(charset)
    if codec is None or codec == "ascii":
        # As in `decode_text`: UTF-8 where it is that, and then the whole of it.
        codec = "utf_8" if _is_utf8(decoded(data, part)) else "cp1252"
    decoder = codecs.getincrementaldecoder(codec)("replace")
    marks = _BYTE_ORDER.get(codec)
    held_back = ""
    for octets in decoded(data, part):
        if marks is not None:
            if not octets.startswith(marks):
                decoder.decode(marks[0])
            marks = None
        text = held_back + decoder.decode(octets)
        cut = _last_character(text)
        held_back = text[cut:]
        yield fold(text[:cut])
    yield fold(held_back + decoder.decode(b"", True))


def _is_utf8(pieces: Iterable[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf_8")()
    try:
        for piece in pieces:
            decoder.decode(piece)
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def _last_character(text: str) -> int:
    """Where the last character and its marks begin: what comes next may belong to them."""
    at = max(len(text) - 1, 0)
    first = max(at - _MARKS, 0)
    while at > first and unicodedata.combining(text[at]):
        at -= 1
    return at


def decoded(data: Octets, part: Part) -> Iterator[bytes]:
    """A leaf's body without its transfer encoding, in pieces; together what `decode_body` gives."""
    ends = range(part.body_start, part.body_end, SLICE)
    pieces = (data[at : min(at + SLICE, part.body_end)] for at in ends)
    taken_off = decoder(part.encoding) or Identity()
    for piece in pieces:
        yield taken_off.feed(piece)
    yield taken_off.end()
