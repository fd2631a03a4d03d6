"""Pure. What octets demand of a transport: 8-bit octets, NUL, bare line ends, overlong lines.

One pass at the speed of C, in slices, so that a mapped file of any size costs no memory.
"""

import mmap
from dataclasses import dataclass
from typing import TypeAlias

Source: TypeAlias = bytes | mmap.mmap

MAX_LINE = 998
"""Octets of a line without its CRLF (RFC 5322 §2.1.1, RFC 2045 §2.7)."""
SLICE = 1 << 18
_HIGH = bytes(range(128, 256))


@dataclass(frozen=True, slots=True)
class Traits:
    """Of a run of octets.

    size       octets
    high       octets above 127
    odd        NULs, and CR or LF that are not a CRLF: what 7bit and 8bit forbid (RFC 2045 §2.7)
    long_line  a line is longer than 998 octets
    """

    size: int = 0
    high: int = 0
    odd: int = 0
    long_line: bool = False

    @property
    def plain(self) -> bool:
        """Whether any transport takes it as it is ("7bit")."""
        return not (self.high or self.odd or self.long_line)

    @property
    def body(self) -> str:
        """The BODY parameter of MAIL: 7BIT, 8BITMIME or BINARYMIME (RFC 6152, RFC 3030 §3).

        Overlong lines alone do not make it BINARYMIME: they are mended where no hop takes that.
        """
        if self.odd:
            return "BINARYMIME"
        return "8BITMIME" if self.high else "7BIT"

    def __or__(self, other: "Traits") -> "Traits":
        """Of both runs, taken as lines of their own."""
        return Traits(
            self.size + other.size,
            self.high + other.high,
            self.odd + other.odd,
            self.long_line or other.long_line,
        )


def examine(data: Source, start: int = 0, end: int | None = None) -> Traits:
    """The traits of `data` (bytes or mmap) from `start` to `end`."""
    end = len(data) if end is None else end
    high = odd = 0
    for at in range(start, end, SLICE):
        piece = data[at : min(at + SLICE, end)]
        if not piece.isascii():
            high += len(piece) - len(piece.translate(None, _HIGH))
        odd += piece.count(0)
        # A CRLF that the cut goes through belongs to the slice of its CR.
        ends = piece.count(b"\r\n")
        cr, lf = piece.count(b"\r") - ends, piece.count(b"\n") - ends
        cr -= piece.endswith(b"\r") and data[at + SLICE : min(at + SLICE + 1, end)] == b"\n"
        lf -= piece.startswith(b"\n") and at > start and data[at - 1 : at] == b"\r"
        odd += cr + lf
    return Traits(end - start, high, odd, has_long_line(data, start, end))


def has_long_line(data: Source, start: int = 0, end: int | None = None) -> bool:
    """Whether a line is longer than MAX_LINE octets; `start` begins a line.

    Jumps from line to line a thousand octets later, so it looks at few of them.
    """
    end = len(data) if end is None else end
    line = start
    while line + MAX_LINE + 2 < end:
        found = data.rfind(b"\n", line, line + MAX_LINE + 2)
        if found < 0:
            return True
        line = found + 1
    return any(len(rest.rstrip(b"\r")) > MAX_LINE for rest in data[line:end].split(b"\n"))


class LineWatch:
    """Whether octets that come in pieces hold a line longer than MAX_LINE: `long` says it."""

    __slots__ = ("_line", "long")

    def __init__(self) -> None:
        self._line = 0
        self.long = False

    def feed(self, octets: bytes) -> None:
        """Look at the next piece."""
        if self.long:
            return
        first = octets.find(b"\n")
        if first < 0:
            self._line += len(octets)
            self.long = self._line > MAX_LINE + 1
            return
        last = octets.rfind(b"\n") + 1
        self.long = self._line + first > MAX_LINE + 1 or has_long_line(octets, first + 1, last)
        self._line = len(octets) - last
