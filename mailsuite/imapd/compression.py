"""Pure. DEFLATE both ways (RFC 4978): octets in pieces, each piece sent whole.

What is taken in is given out in pieces of at most `PIECE` octets, however much it expands. It is
inflated up to one flush of the client at a time, so that what comes behind the end of compression
(RFC 8437 §4.1) is never taken for compressed. Memory: `Deflater` about 64 kB, `Inflater` about 40.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

PIECE = 1 << 16
LEVEL = 3
"""IMAP compresses well at any level; this one keeps up with a fast line."""
_WINDOW = 13
"""2^13 octets: what repeats in IMAP's answers repeats soon. Clients must take any window."""
_MEMORY = 6
_FLUSHED = b"\x00\x00\xff\xff"
_EMPTY_BLOCK = b"\x03\x00"


class CorruptStream(Exception):
    """The client's octets are not what DEFLATE gives."""


class Deflater:
    """What goes out."""

    __slots__ = ("_deflate",)

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -_WINDOW, _MEMORY)

    def pieces(self, chunks: Iterable[bytes]) -> bytes:
        """These octets, compressed and flushed: the client can read all of them."""
        out = [self._deflate.compress(chunk) for chunk in chunks]
        out.append(self._deflate.flush(zlib.Z_SYNC_FLUSH))
        return b"".join(out)

    def end(self) -> bytes:
        """The end of the stream; nothing may follow."""
        return self._deflate.flush(zlib.Z_FINISH)


class Inflater:
    """What comes in: `feed`, then `take` until it gives None."""

    __slots__ = ("_before", "_flushed", "_full", "_inflate", "_tail", "_waiting")

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._waiting = bytearray()
        self._tail = b""  # taken from `_waiting`, not inflated yet
        self._before = b""  # the last octets that were taken: a flush may be cut anywhere
        self._flushed = False  # they are the end of a flush
        self._full = False  # the last piece was as large as may be: there may be more of it

    def feed(self, data: bytes) -> None:
        """Octets from the client."""
        self._waiting += data

    def take(self) -> bytes | None:
        """Some of what they stand for; None: more octets are needed. Raises CorruptStream."""
        while self._full or self._tail or self._waiting:
            if self._inflate.eof:
                raise CorruptStream("octets behind the end of the compressed stream")
            if piece := self._next():
                return piece
        return None

    def _next(self) -> bytes:
        if not self._tail and not self._full:
            self._tail = self._next_flush()
        try:
            piece = self._inflate.decompress(self._tail, PIECE)
        except zlib.error as error:
            raise CorruptStream(str(error)) from error
        self._tail = self._inflate.unconsumed_tail
        self._full = len(piece) == PIECE
        if self._inflate.eof:
            self._waiting[:0] = self._inflate.unused_data
            self._tail, self._full = b"", False
        return piece

    def _next_flush(self) -> bytes:
        """Waiting octets up to the end of a flush, or all of them."""
        found = (self._before + self._waiting).find(_FLUSHED)
        self._flushed = found >= 0
        end = found + len(_FLUSHED) - len(self._before) if self._flushed else len(self._waiting)
        taken = bytes(self._waiting[:end])
        del self._waiting[:end]
        self._before = b"" if self._flushed else (self._before + taken)[1 - len(_FLUSHED) :]
        return taken

    def rest(self) -> bytes | None:
        """The client ends its stream: octets that have come behind it; None: the end has not come.

        The end is that of a flush, or of the stream. Raises CorruptStream.
        """
        while not self._inflate.eof and (self._tail or self._full or not self._flushed):
            if not (self._tail or self._full or self._waiting):
                return None
            self._next()
        # A client that has flushed may end its stream with an empty block, which says nothing.
        return bytes(self._waiting).removeprefix(_EMPTY_BLOCK)
