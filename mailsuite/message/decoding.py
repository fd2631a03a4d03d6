"""Pure. Content-Transfer-Encodings taken off a body that comes in pieces (RFC 2045 §6).

Promises: the pieces given, joined, are what `decode_body` gives for the pieces taken, joined;
memory is bounded by the largest piece and `HELD`. Never raises.
"""

from __future__ import annotations

import binascii
from typing import Protocol

from mailsuite.message.body import decode_quoted_printable

HELD = 1 << 17
"""Octets of one line of quoted-printable that are kept until it ends."""
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(set(range(256)) - set(_ALPHABET) - {0x3D})
_UNFINISHED = b" \t\r="
"""Octets of quoted-printable whose meaning hangs on what follows."""
IDENTITY = frozenset(("7bit", "8bit", "binary"))
"""Encodings that change nothing."""


class Decoder(Protocol):
    """Takes pieces of a body, gives pieces of what it stands for."""

    def feed(self, piece: bytes) -> bytes:
        """The next piece."""
        ...

    def end(self) -> bytes:
        """No more comes: what was held back."""
        ...


class Identity:
    """7bit, 8bit, binary."""

    def feed(self, piece: bytes) -> bytes:
        return piece

    def end(self) -> bytes:
        return b""


class Base64:
    """RFC 2045 §6.8. Octets outside the alphabet are skipped; the first padding is the end."""

    __slots__ = ("_ended", "_group", "_pads")

    def __init__(self) -> None:
        self._group = bytearray()
        self._pads = 0
        self._ended = False

    def feed(self, piece: bytes) -> bytes:
        if self._ended:
            return b""
        group = self._group
        for number, run in enumerate(piece.translate(None, _NOT_BASE64).split(b"=")):
            if number and len(group) & 3 >= 2:
                self._pads += 1
                if (len(group) & 3) + self._pads >= 4:  # a group's padding: the end
                    self._ended = True
                    return self._last()
            if run:
                self._pads = 0
                group += run
        whole = len(group) & ~3
        octets = binascii.a2b_base64(group[:whole])
        del group[:whole]
        return octets

    def end(self) -> bytes:
        return b"" if self._ended else self._last()

    def _last(self) -> bytes:
        """Whole groups of four and what there is of a last one; six bits alone are no octet."""
        group = self._group
        if len(group) & 3 == 1:
            del group[-1:]
        return binascii.a2b_base64(group + b"=" * (-len(group) & 3))


class QuotedPrintable:
    """RFC 2045 §6.7."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        octets = self._rest + piece
        # At a line end where there is one; else outside of an escape and of white space.
        cut = octets.rfind(b"\n") + 1
        if len(octets) - cut >= HELD:
            whole = octets[cut:-2].rstrip(_UNFINISHED)
            if whole[-2:-1] == b"=":  # a third octet may follow
                whole = whole[:-2].rstrip(_UNFINISHED)
            cut += len(whole)
        rest = octets[cut:]
        if len(rest) > 2 * HELD:  # nothing but white space: it has no end to wait for
            cut, rest = len(octets), b""
        self._rest = rest
        return decode_quoted_printable(octets[:cut])

    def end(self) -> bytes:
        return decode_quoted_printable(self._rest)


def decoder(encoding: str) -> Decoder | None:
    """For a Content-Transfer-Encoding in lower case; None when nobody knows how to decode it."""
    if encoding == "base64":
        return Base64()
    if encoding == "quoted-printable":
        return QuotedPrintable()
    return Identity() if encoding in IDENTITY else None
