"""DataReader: however the octets are cut, one message comes out, and only CRLF.CRLF ends it."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailsuite.smtpd.data_reader import DataReader


def read(pieces: list[bytes], max_line: int = 1 << 20) -> tuple[DataReader, bytes]:
    """Feed the pieces; what comes after the end goes to `rest`, as in a session."""
    reader = DataReader(max_line)
    out = b""
    for number, piece in enumerate(pieces):
        out += reader.feed(piece)
        if reader.done:
            reader.rest += b"".join(pieces[number + 1 :])
            break
    return reader, out


def by_the_book(stream: bytes) -> tuple[bytes, bytes] | None:
    """RFC 5321 §4.5.2, a line at a time: (message, rest), or None where no end has come."""
    message = b""
    while True:
        end = stream.find(b"\r\n")
        if end < 0:
            return None
        line, stream = stream[: end + 2], stream[end + 2 :]
        if line == b".\r\n":
            return message, stream
        message += line.removeprefix(b".")


# Octets from which everything of interest is made, and some that stand for all others.
tricky = st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"a", b"\0", b"\xff"])).map(
    b"".join
)


@given(tricky, tricky, st.lists(st.integers(0, 60)))
@example(b"..\r\n.\r\n", b"QUIT\r\n", [1, 2, 3, 4, 5, 6])
@example(b"a\r\n.\r\r\n", b"", [5])
def test_the_same_however_it_is_cut(message: bytes, after: bytes, cuts: list[int]) -> None:
    """Invariant: equals the line-by-line reading, for every cut; nothing lost, nothing held."""
    stream = message + b"\r\n.\r\n" + after
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(places)]
    expected = by_the_book(stream)
    assert expected is not None
    for cut in (pieces, [stream], [bytes([octet]) for octet in stream]):
        reader, out = read(cut)
        assert reader.done
        assert (out, reader.rest) == expected
        assert reader.size == len(out)
        bare = out.replace(b"\r\n", b"")
        assert reader.bare == (b"\r" in bare or b"\n" in bare)


@given(tricky)
def test_never_holds_more_than_four_octets(stream: bytes) -> None:
    reader = DataReader()
    given_out = 0
    for fed in range(1, len(stream) + 1):
        given_out += len(reader.feed(stream[fed - 1 : fed]))
        if reader.done:
            return
        stuffing = stream[:fed].count(b"\r\n.") + stream.startswith(b".")
        assert fed - given_out - stuffing <= 4


@given(st.lists(st.sampled_from([b"", b".", b"..", b"text", b".text", b"\xe4\xf6"])))
def test_stuffed_text_comes_back(lines: list[bytes]) -> None:
    message = b"".join(line + b"\r\n" for line in lines)
    stuffed = b"".join((b"." + line if line[:1] == b"." else line) + b"\r\n" for line in lines)
    reader, out = read([stuffed + b".\r\n"])
    assert reader.done and out == message and reader.rest == b"" and not reader.bare


@pytest.mark.parametrize(
    "end",
    [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\n\0.\r\n"],
)
def test_no_other_end_of_data_counts(end: bytes) -> None:
    """SMTP smuggling: what another server may take for the end is inside the message, and bare."""
    reader, out = read([b"one" + end + b"MAIL FROM:<evil@example>\r\n"])
    assert not reader.done
    reader.feed(b".\r\n")
    assert reader.done and b"MAIL" in out
    assert reader.bare or end == b"\r\n\0.\r\n"


def test_empty_message() -> None:
    reader, out = read([b".\r\nQUIT\r\n"])
    assert (reader.done, out, reader.rest, reader.size) == (True, b"", b"QUIT\r\n", 0)


def test_long_line_over_many_chunks_is_noticed() -> None:
    chunk = b"x" * 1000
    reader, _ = read([chunk] * 11 + [b"\r\n.\r\n"], max_line=10_000)
    assert reader.long_line
    reader, _ = read([chunk] * 10 + [b"\r\n.\r\n"], max_line=10_000)
    assert reader.done and not reader.long_line
    reader, _ = read([b"short\r\n" + chunk] * 11 + [b"\r\n.\r\n"], max_line=10_000)
    assert reader.done and not reader.long_line
