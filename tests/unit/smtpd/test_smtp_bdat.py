"""BDAT: however message, chunks and segments are cut, one message comes out; memory is flat."""

import asyncio
import contextlib
import itertools
import tracemalloc
from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st
from smtp_fakes import FakeIncoming, FakeQueue
from test_smtp_door import SETTINGS, house, until

from mailsuite.mail import Envelope
from mailsuite.smtpd.line_check import LineCheck

TRICKY = st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"a", b"\0", b"\xff"])).map(
    b"".join
)
CUTS = st.lists(st.integers(0, 60), max_size=8)


def cut(octets: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(min(cut, len(octets)) for cut in cuts), len(octets)]
    return [octets[a:b] for a, b in itertools.pairwise(places)]


@given(TRICKY, CUTS)
@example(b"\r\n", [1])
@example(b"\r\r\n", [1, 2])
@example(b"\r", [])
def test_lines_are_checked_the_same_however_they_are_cut(message: bytes, cuts: list[int]) -> None:
    """Invariant: `bare` is told exactly where a CR or LF is left once all CRLF are taken away."""
    rest = message.replace(b"\r\n", b"")
    check = LineCheck(1000)
    for piece in cut(message, cuts):
        check.feed(piece)
    check.close()
    assert check.bare == (b"\r" in rest or b"\n" in rest)
    assert not check.long_line


def test_a_long_line_is_noticed_over_many_pieces() -> None:
    for count, long in ((10, False), (11, True)):
        check = LineCheck(10_000)
        for _ in range(count):
            check.feed(b"x" * 1000)
        check.feed(b"\r\n")
        assert check.long_line is long


@settings(max_examples=60)
@given(TRICKY, CUTS, st.integers(1, 50), st.booleans())
def test_chunks(message: bytes, cuts: list[int], segment: int, binary: bool) -> None:
    """Invariant: each chunk has one reply; the message is taken octet for octet, or refused for its
    bare CR or LF where it is no BINARYMIME; the command behind the last chunk is the next one."""
    chunks = cut(message, cuts)
    stream = b"EHLO c\r\nMAIL FROM:<c@elsewhere.test> BODY=" + (
        b"BINARYMIME" if binary else b"7BIT"
    )
    stream += b"\r\nRCPT TO:<alice@example.test>\r\n"
    for number, chunk in enumerate(chunks, 1):
        last = b" LAST" if number == len(chunks) else b""
        stream += b"BDAT %d%s\r\n" % (len(chunk), last) + chunk
    stream += b"QUIT\r\n"

    async def run() -> None:
        queue = FakeQueue()
        async with house(queue=queue) as opened:
            reader, writer = await opened.connect()
            for start in range(0, len(stream), segment):
                writer.write(stream[start : start + segment])
                await asyncio.sleep(0)
            await until(reader, b"250 HELP")
            await until(reader, b"250 2.1.5")
            codes = [(await reader.readline())[:3] for _ in chunks]
            assert (await reader.readline()).startswith(b"221 ")
            assert await reader.read() == b""
            writer.close()
        bare = message.replace(b"\r\n", b"")
        if binary or not (b"\r" in bare or b"\n" in bare):
            assert codes == [b"250"] * len(chunks)
            [(envelope, octets)] = queue.accepted
            assert envelope.body == ("BINARYMIME" if binary else "7BIT")
            assert octets.endswith(message)
            assert octets.removesuffix(message).startswith(b"Received: ")
        else:
            first = codes.index(b"554")
            assert codes == [b"250"] * first + [b"554"] + [b"503"] * (len(codes) - first - 1)
            assert not queue.accepted and queue.discarded == 1

    asyncio.run(run())


@settings(max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                (
                    *(
                        b"EHLO c\r\n",
                        b"MAIL FROM:<a@b.test>\r\n",
                        b"RCPT TO:<alice@example.test>\r\n",
                    ),
                    *(
                        b"BDAT 5\r\nab\r\nc",
                        b"BDAT 0 LAST\r\n",
                        b"BDAT 3 LAST\r\nabc",
                        b"BDAT \r\n",
                    ),
                    *(b"BDAT 9999999\r\n", b"BDAT x\r\n", b"BDAT 4", b" LAST\r\n", b"RSET\r\n"),
                    *(b"DATA\r\n", b".\r\n", b"NOOP\r\n", b"MAIL FROM:<> BODY=BINARYMIME\r\n"),
                )
            ),
            st.binary(max_size=20),
        ),
        max_size=20,
    )
)
def test_any_octets_around_chunks(pieces: list[bytes]) -> None:
    """Invariant: well-formed replies, no failure of ours, no message neither taken nor dropped."""

    async def run() -> None:
        queue = FakeQueue()
        async with house(replace(SETTINGS, errors_before_delay=100), queue=queue) as opened:
            reader, writer = await opened.connect()
            with contextlib.suppress(ConnectionError):
                writer.write(b"".join(pieces))
                writer.write_eof()
                async with asyncio.timeout(10):
                    for line in (await reader.read()).split(b"\r\n")[:-1]:
                        assert line[:3].isdigit() and line[3:4] in (b" ", b"-")
            writer.close()
            assert opened.door.counters.failures == 0
        assert all(incoming.state != "open" for incoming in queue.all)

    asyncio.run(run())


class Sink(FakeQueue):
    """Keeps no octets."""

    def receive(self, envelope: Envelope | None = None) -> FakeIncoming:
        self.all.append(Drain(self, "Q1"))
        return self.all[-1]


class Drain(FakeIncoming):
    """Counts what it is given."""

    size = 0

    async def write(self, data: bytes) -> None:
        self.size += len(data)


async def test_one_large_chunk_costs_no_memory() -> None:
    """40 MB in one chunk and 10 MB in many."""
    queue, block = Sink(), b"x" * 998 + b"\r\n"
    async with house(replace(SETTINGS, max_message_size=60_000_000), queue) as opened:
        reader, writer = await opened.connect()
        writer.write(b"EHLO c\r\nMAIL FROM:<c@elsewhere.test>\r\nRCPT TO:<alice@example.test>\r\n")
        writer.write(b"BDAT 2\r\n\r\n")
        await until(reader, b"250 2.0.0 2 octets")
        tracemalloc.start()
        try:
            writer.write(b"BDAT 40000000\r\n")
            for _ in range(400):
                writer.write(block * 100)
                await writer.drain()
            await until(reader, b"250 2.0.0 40000000")
            for _ in range(100):
                writer.write(b"BDAT 100000\r\n" + block * 100)
                await until(reader, b"250 2.0.0 100000")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        writer.write(b"BDAT 0 LAST\r\n")
        await until(reader, b"250 2.0.0 Ok")
        writer.close()
    [drain] = queue.all
    assert isinstance(drain, Drain) and drain.size > 50_000_000
    assert peak < 4_000_000
