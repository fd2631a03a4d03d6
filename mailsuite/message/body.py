"""Pure. Content-Transfer-Encodings taken off a body (RFC 2045 §6).

Never raises: garbage is skipped, what is cut off is given as far as it goes.
"""

import binascii
import re

_NOT_BASE64 = bytes(
    set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
)
_BLANKS = (b" \r\n", b" \n", b"\t\r\n", b"\t\n")
_TRAILING = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")

_NO_BREAK = re.compile(rb"(?<!=)((?:==)*+)=\r(?!\n)")


def decode_body(octets: bytes, encoding: str) -> bytes:
    """The octets that a body stands for; unknown encodings and the identity ones change nothing.

    encoding: "base64", "quoted-printable", "7bit", "8bit", "binary", in any case.
    """
    name = encoding.strip().lower()
    if name == "base64":
        return decode_base64(octets)
    if name == "quoted-printable":
        return decode_quoted_printable(octets)
    return octets


def decode_base64(octets: bytes) -> bytes:
    """RFC 2045 §6.8. Octets outside the alphabet are skipped; the first padding is the end."""
    try:
        return binascii.a2b_base64(octets)
    except binascii.Error:
        kept = octets.translate(None, _NOT_BASE64)
        whole = len(kept) & ~3
        tail = kept[whole:]
        if len(tail) == 1:  # six bits are no octet
            tail = b""
        return binascii.a2b_base64(kept[:whole] + tail + b"=" * (-len(tail) % 4))


def decode_quoted_printable(octets: bytes) -> bytes:
    """RFC 2045 §6.7. White space at line ends is dropped, as rule (3) asks; bad escapes stay."""
    if octets.endswith((b" ", b"\t")) or any(blank in octets for blank in _BLANKS):
        octets = _TRAILING.sub(b"", octets)
    if octets.count(b"=\r") != octets.count(b"=\r\n"):  # a2b_qp would drop all up to the next LF
        octets = _NO_BREAK.sub(rb"\1=3D\r", octets)
    return binascii.a2b_qp(octets)
