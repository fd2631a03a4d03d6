"""Large results: in slices, no faster than the client reads; what SAVE and PARTIAL pick."""

import asyncio
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imap_dialogue import Runner, settings

from mailsuite.imapd import results
from mailsuite.imapd.partial import cut
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import response
from mailsuite.net import Connection, ConnectionLimits, Listener, bind

COUNT = 2_000_000


async def test_a_slow_reader_is_waited_for(tmp_path: Path) -> None:
    """Two million numbers take 15 MB: they are not written before the client reads."""
    written = 0
    texts = (b"%d" % number for number in range(1, COUNT + 1))

    async def session(connection: Connection) -> None:
        nonlocal written

        def counted():  # type: ignore[no-untyped-def]
            nonlocal written
            for text in texts:
                written += 1
                yield text

        await results.write_slices(Session(runner.door, connection), counted(), b" ")

    async with Runner(tmp_path, None, settings()) as runner:
        listener = Listener("big", session, ConnectionLimits(10, 10))
        sock = bind("127.0.0.1", 0)
        port = sock.getsockname()[1]
        await listener.start(sock)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
        before = -1
        while before != written or not written:  # until nothing more is taken
            before = written
            await asyncio.sleep(0.2)
        assert written < COUNT
        data = await reader.read()
        writer.close()
        await listener.stop()
    assert written == COUNT
    assert data == b" ".join(b"%d" % number for number in range(1, COUNT + 1))


numbers = st.lists(st.integers(1, 60), unique=True, max_size=40)


@given(numbers)
def test_sets_in_order(numbers: list[int]) -> None:
    """Read as RFC 3501 §9 says, in the order given; only what ascends is a range."""
    found: list[int] = []
    for piece in response.runs_in_order(numbers):
        first, _, last = piece.partition(b":")
        assert not last or int(first) < int(last)
        found += range(int(first), int(last or first) + 1)
    assert found == numbers


@given(st.integers(0, 30), st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, -1]))
def test_partial(count: int, first: int, last: int, sign: int) -> None:
    """RFC 9394 §3.1: from the first result, or from the last; what isn't there is left out."""
    whole = list(range(100, 100 + count))
    low, high = sorted((first, last))
    numbered = dict(enumerate(whole, 1)) if sign > 0 else dict(enumerate(reversed(whole), 1))
    expected = sorted(numbered[n] for n in range(low, high + 1) if n in numbered)
    assert list(cut(whole, (sign * first, sign * last))) == expected


@pytest.mark.parametrize("numbers", [[], [1], [3, 2, 1], [1, 2, 3, 7, 8, 5]])
def test_pieces_are_as_long_as_can_be(numbers: list[int]) -> None:
    texts = {(): b"", (1,): b"1", (3, 2, 1): b"3,2,1", (1, 2, 3, 7, 8, 5): b"1:3,7:8,5"}
    assert b",".join(islice(response.runs_in_order(numbers), 10)) == texts[tuple(numbers)]
