"""Pure. A base64 or quoted-printable body that breaks its own rules, written anew.

Promises: what comes out decodes (by `decode_body`) to the same octets as what went in, and is 7bit
in short lines; streams, memory stays flat for all but absurd input.
"""

import re

from mailsuite.message.body import decode_quoted_printable
from mailsuite.message.transfer import QuotedPrintable

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_OTHERS = bytes(set(range(256)) - set(_ALPHABET))
_WIDTH = 76
_HELD = 1 << 16
# Where a line may be cut without changing what it decodes to.
_CUT = re.compile(rb".*[^=\s](?<!=.)(?=[^\s=])", re.DOTALL)


class AgainBase64:
    """Takes base64 with lines of any length, strange octets and wrong padding.

    A decoder ends at the first padding that completes a group of four, and skips any other.
    """

    __slots__ = ("_begun", "_count", "_ended", "_held", "_pads")

    def __init__(self) -> None:
        self._held = b""
        self._count = 0  # letters so far
        self._pads = 0  # "=" since the last letter
        self._ended = False
        self._begun = False

    def feed(self, octets: bytes) -> bytes:
        """Take more; gives whole lines, each after the CRLF that parts it from the one before."""
        kept = [self._held]
        letters = octets.translate(None, _OTHERS).split(b"=")
        for index, piece in enumerate(letters):
            if self._ended:
                break
            if index:
                self._pads += 1
                group = self._count % 4
                self._ended = group >= 2 and group + self._pads >= 4
            if piece and not self._ended:
                self._pads = 0
                self._count += len(piece)
                kept.append(piece)
        text = b"".join(kept)
        whole = len(text) - len(text) % _WIDTH
        self._held = text[whole:]
        return self._lines(text[:whole])

    def close(self) -> bytes:
        """What is left, with the padding it ought to have."""
        text, self._held = self._held, b""
        if self._count % 4 == 1:  # six bits are no octet
            text = text[:-1]
        return self._lines(text + b"=" * (-len(text) % 4))

    def _lines(self, text: bytes) -> bytes:
        lines = [text[at : at + _WIDTH] for at in range(0, len(text), _WIDTH)]
        if lines and self._begun:
            lines.insert(0, b"")
        self._begun = self._begun or bool(lines)
        return b"\r\n".join(lines)


class AgainQuotedPrintable:
    """Takes quoted-printable with 8-bit octets, bare line ends and lines of any length."""

    __slots__ = ("_encoder", "_held", "_size", "_wanted")

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0
        self._wanted = _HELD  # octets of a line from which on it is cut
        self._encoder = QuotedPrintable()

    def feed(self, octets: bytes) -> bytes:
        """Take more; gives what is certain by now."""
        self._held.append(octets)
        self._size += len(octets)
        if b"\n" not in octets and self._size < self._wanted:
            return b""
        octets = b"".join(self._held)
        whole = octets.rfind(b"\n") + 1
        if not whole and (match := _CUT.match(octets)):
            whole = match.end()
        self._held = [octets[whole:]]
        self._size = len(self._held[0])
        # Looked at again when twice as long, so that time stays linear.
        self._wanted = max(_HELD, 2 * self._size)
        return self._encoder.feed(decode_quoted_printable(octets[:whole]))

    def close(self) -> bytes:
        """What is left."""
        octets = b"".join(self._held)
        self._held = []
        return self._encoder.feed(decode_quoted_printable(octets)) + self._encoder.close()
