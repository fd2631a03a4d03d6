"""Replies, cut anywhere: the same replies, an error, or more wanted."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.relay.replies import MAX_LINE, MAX_LINES, BadReply, Reply, ReplyReader


def read(octets: bytes) -> list[Reply]:
    return ReplyReader().feed(octets)


def test_lines_and_codes() -> None:
    assert read(b"250-a\r\n250-\r\n250 b c\r\n") == [Reply(250, ("a", "", "b c"))]
    assert read(b"250\r\n421 x\n") == [Reply(250, ("",)), Reply(421, ("x",))]
    assert read(b"250 \xff\xc3\xa4\r\n") == [Reply(250, ("\ufffdä",))]
    assert read(b"250 a") == []


@pytest.mark.parametrize(
    ("text", "status", "line"),
    [
        (b"550 5.1.1 nobody\r\n", "5.1.1", "550 5.1.1 nobody"),
        (b"550-5.1.1 no\r\n550 5.1.1 body\r\n", "5.1.1", "550 5.1.1 no body"),
        (b"550-no\r\n550 5.1.1 body\r\n", "5.1.1", "550 5.1.1 no body"),
        (b"550 5.1.1\r\n", "5.1.1", "550 5.1.1"),
        (b"450 5.1.1 x\r\n", None, "450 5.1.1 x"),
        (b"550 5.1.1x\r\n", None, "550 5.1.1x"),
        (b"250 ok\r\n", None, "250 ok"),
    ],
)
def test_enhanced_status(text: bytes, status: str | None, line: str) -> None:
    (reply,) = read(text)
    assert reply.status == status and str(reply) == line
    assert reply.wire == text.decode().replace("\r\n", "\n").rstrip("\n")


@pytest.mark.parametrize(
    "octets",
    [
        b"\r\n",
        b"25 x\r\n",
        b"150 x\r\n",
        b"260x\r\n",
        b"600 x\r\n",
        b"250-a\r\n251 b\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"250 " + b"x" * MAX_LINE + b"\r\n",
        b"2" * (MAX_LINE + 1),
        b"250-x\r\n" * MAX_LINES,
    ],
)
def test_what_is_no_reply(octets: bytes) -> None:
    with pytest.raises(BadReply):
        read(octets)
    reader = ReplyReader()
    assert reader.feed(b"250 ok\r\n" + octets) == [Reply(250, ("ok",))], "what came before counts"
    assert reader.failure is not None and reader.pending
    with pytest.raises(BadReply):
        reader.feed(b"250 ok\r\n")


pieces = st.sampled_from([b"250", b"-", b" ", b"\r\n", b"\n", b"\r", b"x", b"421 y\r\n", b"\xff"])


@given(st.lists(pieces | st.binary(max_size=5), max_size=30), st.data())
def test_cut_anywhere_it_comes_to_the_same(parts: list[bytes], data: st.DataObject) -> None:
    octets = b"".join(parts)

    def outcome(chunks: list[bytes]) -> tuple[list[Reply], bool]:
        reader, found = ReplyReader(), []
        for chunk in chunks:
            try:
                found += reader.feed(chunk)
            except BadReply:
                break
        return found, reader.failure is not None

    at = data.draw(st.lists(st.integers(0, len(octets)), max_size=4).map(sorted))
    cuts = [0, *at, len(octets)]
    chunks = [octets[a:b] for a, b in itertools.pairwise(cuts)]
    singly, failed = outcome([bytes([each]) for each in octets])
    in_chunks, failed_in_chunks = outcome(chunks)
    assert failed == failed_in_chunks and in_chunks == singly
    for reply in singly:
        assert 200 <= reply.code <= 559 and 1 <= len(reply.lines) <= MAX_LINES
