"""Pure. Content-Transfer-Encodings put on (RFC 2045 §6.7, §6.8), in streams, and the choice of one.

An encoder takes octets in pieces of any size and gives pieces; memory stays flat. Lines are at most
76 columns and end with CRLF.
"""

import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Literal, Protocol, TypeAlias

from mailsuite.message.traits import Traits

Encoding: TypeAlias = Literal["7bit", "8bit", "quoted-printable", "base64"]

_WIDTH = 76
_LINE = 57  # octets that make a line of base64
_HELD = 1 << 16
# What may not stand for itself: most controls, "=", 8-bit, bare CR and LF, white space at line
# ends; what other programs change: "From " and "." at the start of a line (RFC 2049 §3); and "--",
# so that no line is ever taken for a boundary.
_UNSAFE = re.compile(
    rb"[^\t\r\n !-<>-~]|\r(?!\n)|(?<!\r)\n|[\t ](?=\r\n|\Z)|^(?:F(?=rom )|\.(?=\r\n|\Z)|-(?=-))",
    re.MULTILINE,
)
_MISREAD = (b"From ", b"--")
_MISREAD_START = re.compile(rb"^(?:F(?=rom )|-(?=-))", re.MULTILINE)
_QUOTED = [b"=%02X" % octet for octet in range(256)]
_OVERLONG = re.compile(rb"^[^\r\n]{77,}", re.MULTILINE)


class Encoder(Protocol):
    """Of one encoding."""

    def feed(self, octets: bytes) -> bytes: ...
    def close(self) -> bytes: ...


class QuotedPrintable:
    """RFC 2045 §6.7 for text: a CRLF stays one, all other line ends are quoted."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, octets: bytes) -> bytes:
        """Take more; gives what is certain by now."""
        octets = self._held + octets
        last = octets.rfind(b"\r\n")
        if last >= 0:
            whole, end = last + 2, b""
        elif len(octets) > _HELD:
            # A line of any length: a soft line break (rule 5) lets go of it.
            whole, end = len(octets) - octets.endswith(b"\r"), b"=\r\n"
        else:
            whole, end = 0, b""
        self._held = octets[whole:]
        return _quote(octets[:whole]) + end

    def close(self) -> bytes:
        """What is left. No line end is added."""
        octets, self._held = self._held, b""
        return _quote(octets)


class Base64:
    """RFC 2045 §6.8. The last line has no line end."""

    __slots__ = ("_begun", "_held")

    def __init__(self) -> None:
        self._held = b""
        self._begun = False

    def feed(self, octets: bytes) -> bytes:
        """Take more; gives whole lines, each after the CRLF that parts it from the one before."""
        octets = self._held + octets
        whole = len(octets) - len(octets) % _LINE
        self._held = octets[whole:]
        return self._lines(octets[:whole])

    def close(self) -> bytes:
        """What is left."""
        octets, self._held = self._held, b""
        return self._lines(octets)

    def _lines(self, octets: bytes) -> bytes:
        lines = [
            binascii.b2a_base64(octets[at : at + _LINE], newline=False)
            for at in range(0, len(octets), _LINE)
        ]
        if lines and self._begun:
            lines.insert(0, b"")
        self._begun = self._begun or bool(lines)
        return b"\r\n".join(lines)


class Identity:
    """7bit, 8bit, binary."""

    __slots__ = ()

    def feed(self, octets: bytes) -> bytes:
        """The same octets."""
        return octets

    def close(self) -> bytes:
        """Nothing."""
        return b""


def encoder(encoding: str) -> Encoder:
    """A fresh encoder: quoted-printable, base64, or the identity for the other names."""
    if encoding == "quoted-printable":
        return QuotedPrintable()
    return Base64() if encoding == "base64" else Identity()


def encode(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The pieces of a body in an encoding."""
    made = encoder(encoding)
    for piece in pieces:
        yield made.feed(piece)
    yield made.close()


def encode_body(octets: bytes, encoding: str) -> bytes:
    """A whole body in an encoding."""
    return b"".join(encode((octets,), encoding))


def choose_encoding(traits: Traits, *, text: bool, eight_bit: bool = False) -> Encoding:
    """The encoding that suits a body (row X2).

    Plain ASCII stays 7bit; text with few other characters becomes quoted-printable, which stays
    readable; text that is mostly other characters, and what is no text, becomes base64.

    text       it is lines of text in the first place, so CRLF is a line end
    eight_bit  the way takes 8bit, so text in lawful lines stays as it is
    """
    if traits.plain:
        return "7bit"
    if eight_bit and text and not (traits.odd or traits.long_line):
        return "8bit"
    # Readable even where base64 would be a little shorter, which it is from a sixth on.
    if text and (traits.high + traits.odd) * 4 <= traits.size:
        return "quoted-printable"
    return "base64"


def _quote(octets: bytes) -> bytes:
    """Whole lines, the last one maybe without its end."""
    ends = octets.count(b"\r\n")
    if octets.count(b"\r") == ends == octets.count(b"\n"):
        quoted = binascii.b2a_qp(octets, istext=True)
        if not ends:
            quoted = quoted.replace(b"=\n", b"=\r\n")
        if quoted.startswith(_MISREAD) or any(b"\n" + word in quoted for word in _MISREAD):
            quoted = _MISREAD_START.sub(lambda match: _QUOTED[match[0][0]], quoted)
        elif b"=20\r\n" not in quoted and b"=09\r\n" not in quoted:
            return quoted  # otherwise lines may have become a little too long
    else:  # lone CR and LF, which the library would leave as they are
        quoted = _UNSAFE.sub(lambda match: _QUOTED[match[0][0]], octets)
    return _OVERLONG.sub(_broken, quoted)


def _broken(match: re.Match[bytes]) -> bytes:
    """A line with soft line breaks, none of them inside a quoted octet."""
    line = match[0]
    pieces = []
    at = 0
    begin = b""
    while len(line) - at > _WIDTH - len(begin):
        cut = at + _WIDTH - 1 - len(begin)
        if line[cut - 1 : cut] == b"=":
            cut -= 1
        elif line[cut - 2 : cut - 1] == b"=":
            cut -= 2
        pieces.append(begin + line[at:cut])
        at = cut
        begin = b""
        if line[at : at + 2] == b"--":
            begin = b"=2D"
            at += 1
    pieces.append(begin + line[at:])
    return b"=\r\n".join(pieces)
