"""Pure. Encoded words in header fields, decoded (RFC 2047).

Never raises and runs in linear time. More lenient than the RFC where senders are careless: words
that touch other text, blanks inside a word, a character cut in two between neighbouring words.
"""

import binascii
import re

from mailsuite.message.body import decode_base64
from mailsuite.message.charset import decode_text

# =?charset?encoding? with the language suffix of RFC 2231 §5 taken off the charset.
_START = re.compile(rb"=\?([A-Za-z0-9!#$%&'+_^`{}~.:()-]{1,64})(?:\*[^?\s]{0,64})?\?([bBqQ])\?")


def decode_words(value: bytes) -> str:
    """An unstructured field body (or a phrase) as text.

    Folds are taken out, white space between two encoded words is dropped. Octets outside of encoded
    words count as UTF-8, or windows-1252 where they are no UTF-8.
    """
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    if b"=?" not in value:
        return value.decode("ascii") if value.isascii() else decode_text(value)
    text: list[str] = []
    pending: list[bytes] = []  # decoded octets of neighbouring words in one charset
    charset = b""
    at = 0
    look = 0
    while (start := value.find(b"=?", look)) >= 0:
        match = _START.match(value, start)
        if match is None:
            look = start + 2
            continue
        end = value.find(b"?=", match.end())
        if end < 0:
            break
        between = value[at:start]
        if between.strip(b" \t") or (at == 0 and between):
            text += [_flush(pending, charset), decode_text(between)]
        elif match[1].lower() != charset:
            text.append(_flush(pending, charset))
        charset = match[1].lower()
        pending.append(_octets(value[match.end() : end], match[2] in b"bB"))
        at = look = end + 2
    text += [_flush(pending, charset), decode_text(value[at:])]
    return "".join(text)


def _flush(pending: list[bytes], charset: bytes) -> str:
    octets = b"".join(pending)
    pending.clear()
    return decode_text(octets, charset.decode("ascii"))


def _octets(word: bytes, base64: bool) -> bytes:
    if base64:
        return decode_base64(word)
    return binascii.a2b_qp(word, header=True)
