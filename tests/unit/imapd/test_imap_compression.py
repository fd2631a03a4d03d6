"""DEFLATE streams cut anywhere, bombs in bounded pieces, nonsense refused, the end of a stream."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.imapd.compression import PIECE, CorruptStream, Deflater, Inflater


def compressed(*texts: bytes, end: bool = False) -> bytes:
    deflate = zlib.compressobj(6, wbits=-15)
    flushed = [deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH) for text in texts]
    return b"".join([*flushed, deflate.flush(zlib.Z_FINISH) if end else b""])


def taken(inflater: Inflater) -> bytes:
    pieces = []
    while (piece := inflater.take()) is not None:
        assert 0 < len(piece) <= PIECE
        pieces.append(piece)
    return b"".join(pieces)


@given(st.lists(st.binary(max_size=40), max_size=6), st.data())
def test_cut_anywhere(texts: list[bytes], data: st.DataObject) -> None:
    octets = compressed(*texts)
    inflater, found, at = Inflater(), b"", 0
    while at < len(octets):
        step = data.draw(st.integers(1, len(octets) - at))
        inflater.feed(octets[at : at + step])
        found += taken(inflater)
        at += step
    assert found == b"".join(texts)


def test_bomb() -> None:
    inflater = Inflater()
    inflater.feed(compressed(b"\0" * 50_000_000))
    assert len(taken(inflater)) == 50_000_000


@given(st.binary(min_size=1))
def test_nonsense(octets: bytes) -> None:
    """Something, or CorruptStream; never anything else, and never without end."""
    inflater = Inflater()
    inflater.feed(octets)
    try:
        taken(inflater)
    except CorruptStream:
        return
    assert len(octets) < 10_000


def test_behind_the_end() -> None:
    inflater = Inflater()
    inflater.feed(compressed(b"a", end=True) + b"b")
    assert inflater.take() == b"a"
    with pytest.raises(CorruptStream):
        inflater.take()


@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize("plain", [b"", b"b LOGIN x y\r\n", b"\x00\x00\xff\xff"])
def test_what_comes_behind_is_plain(end: bool, plain: bytes) -> None:
    """However the octets are cut: after the command has been read, the rest is found."""
    octets = compressed(b"a UNAUTHENTICATE\r\n", end=end) + plain
    for cut in range(1, len(octets) + 1):
        inflater = Inflater()
        inflater.feed(octets[:cut])
        read = b""
        while not read.endswith(b"\n") and (piece := inflater.take()) is not None:
            read += piece
        if not read.endswith(b"\n"):
            inflater.feed(octets[cut:])
            while not read.endswith(b"\n"):
                read += inflater.take() or b""
        else:
            rest = inflater.rest()
            inflater.feed(octets[cut:])
            if rest is not None and cut < len(octets) - len(plain):
                continue  # its end was told by a flush, the stream's own end came later
        assert inflater.rest() == plain


@given(st.lists(st.lists(st.binary(max_size=50), max_size=4), max_size=5))
def test_each_send_can_be_read(sends: list[list[bytes]]) -> None:
    deflater, inflate = Deflater(), zlib.decompressobj(-15)
    for chunks in sends:
        assert inflate.decompress(deflater.pieces(chunks)) == b"".join(chunks)
    assert inflate.decompress(deflater.end()) == b""
    assert inflate.eof
