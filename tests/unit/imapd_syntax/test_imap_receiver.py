"""The receiver: whole commands out of octets cut anywhere, and bounds that hold."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsuite.imapd.syntax.model import StoredLiteral
from mailsuite.imapd.syntax.receiver import (
    Event,
    Hangup,
    Limits,
    Line,
    Literal,
    LiteralAnnounced,
    LiteralData,
    RawLine,
    Receiver,
    Refused,
)

SMALL = Limits(line=40, memory=20, literals=3, literal=60, swallow=100)
SINK = "sink"


def decide(receiver: Receiver, event: LiteralAnnounced) -> str:
    """Stream what APPEND brings, refuse what REFUSE brings, keep the rest."""
    first = event.chunks[0]
    assert isinstance(first, bytes)
    if b"APPEND" in first:
        return "granted" if receiver.stream(SINK) else "denied"
    if b"REFUSE" in first:
        receiver.refuse("NO", "[TRYCREATE] no")
        return "denied"
    return "granted" if receiver.accept() else "denied"


def run(
    pieces: list[bytes], limits: Limits | None = None, *, raw: bool = False
) -> list[Event | str]:
    """All events, with streamed octets joined, and what was decided of each literal."""
    receiver = Receiver(limits)
    events: list[Event | str] = []
    if raw:
        receiver.expect_line()
    for piece in pieces:
        receiver.feed(piece)
        while (event := receiver.next_event()) is not None:
            if isinstance(event, LiteralData):
                assert event.data
                if events and isinstance(last := events[-1], LiteralData):
                    event = LiteralData(event.sink, last.data + event.data)
                    events.pop()
            events.append(event)
            if isinstance(event, LiteralAnnounced):
                assert receiver.next_event() is None
                events.append(decide(receiver, event))
    return events


def one_by_one(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def test_lines() -> None:
    assert run([b"a NOOP\r\nb CHECK\r\n"]) == [Line((b"a NOOP",)), Line((b"b CHECK",))]


def test_bare_lf_ends_a_line() -> None:
    assert run([b"a NOOP\nb LOGIN {1+}\nx {1+}\r\ny\n"])[:1] == [Line((b"a NOOP",))]
    assert run([b"b LOGIN {1+}\nx {1+}\r\ny\n"])[-1] == Line(
        (b"b LOGIN ", Literal(b"x"), b" ", Literal(b"y"), b"")
    )


def test_bare_cr_stays_in_the_text() -> None:
    assert run([b"a NOOP\r \r\r\n"]) == [Line((b"a NOOP\r \r",))]


def test_synchronizing_literal_waits() -> None:
    receiver = Receiver()
    receiver.feed(b"a LOGIN {5}\r\n")
    assert receiver.next_event() == LiteralAnnounced((b"a LOGIN ",), 5, False, True)
    assert receiver.next_event() is None
    assert receiver.accept()
    receiver.feed(b"alice ")
    assert receiver.next_event() is None
    receiver.feed(b'"x"\r\n')
    assert receiver.next_event() == Line((b"a LOGIN ", Literal(b"alice"), b' "x"'))


def test_literal8_and_non_synchronizing() -> None:
    events = run([b"a X ~{2+}\r\n\0\n ~{0}\r\n\r\n"])
    assert events[0] == LiteralAnnounced((b"a X ",), 2, True, False)
    assert events[-1] == Line((b"a X ", Literal(b"\0\n", True), b" ", Literal(b"", True), b""))


def test_streamed_literal() -> None:
    events = run([b"a APPEND x {5}\r\nhe", b"llo {2+}\r\nyo\r\nb NOOP\r\n"])
    assert events == [
        LiteralAnnounced((b"a APPEND x ",), 5, False, True),
        "granted",
        LiteralData(SINK, b"hello"),
        LiteralAnnounced((b"a APPEND x ", StoredLiteral(SINK, 5), b" "), 2, False, False),
        "granted",
        LiteralData(SINK, b"yo"),
        Line((b"a APPEND x ", StoredLiteral(SINK, 5), b" ", StoredLiteral(SINK, 2), b"")),
        Line((b"b NOOP",)),
    ]


def test_big_literal_is_not_kept() -> None:
    receiver = Receiver()
    receiver.feed(b"a APPEND x {50000000}\r\n")
    assert isinstance(receiver.next_event(), LiteralAnnounced)
    assert receiver.stream(SINK)
    total = 0
    for _ in range(50):
        receiver.feed(b"x" * 1_000_000)
        event = receiver.next_event()
        assert isinstance(event, LiteralData)
        total += len(event.data)
        assert not receiver.pending
    assert total == 50_000_000
    assert list(receiver.sinks) == [SINK]
    receiver.feed(b"\r\n")
    assert receiver.next_event() == Line((b"a APPEND x ", StoredLiteral(SINK, 50_000_000), b""))
    assert not receiver.sinks


def test_refused_synchronizing_literal_ends_the_command() -> None:
    events = run([b"a REFUSE {5}\r\nb NOOP\r\n"])
    assert events[1:] == [
        "denied",
        Refused("a", "NO", "[TRYCREATE] no"),
        Line((b"b NOOP",)),
    ]


def test_refused_non_synchronizing_literal_is_swallowed_with_the_rest() -> None:
    events = run([b"a REFUSE {5+}\r\n\r\nb\r\n {3+}\r\nxyz x {9}\r\nb NOOP\r\n"])
    assert events[1:] == ["denied", Refused("a", "NO", "[TRYCREATE] no"), Line((b"b NOOP",))]


def test_too_big_for_memory() -> None:
    events = run([b"a LOGIN {21+}\r\n" + b"x" * 21 + b" y\r\nb NOOP\r\n"], SMALL)
    assert events[1:] == [
        "denied",
        Refused("a", "BAD", "literals of more than 20 octets"),
        Line((b"b NOOP",)),
    ]


def test_memory_limit_counts_all_literals() -> None:
    events = run([b"a X {20+}\r\n" + b"x" * 20 + b" {1}\r\nb NOOP\r\n"], SMALL)
    assert events[-2:] == [
        Refused("a", "BAD", "literals of more than 20 octets"),
        Line((b"b NOOP",)),
    ]


def test_too_big_to_stream() -> None:
    events = run([b"a APPEND x {61+}\r\n" + b"x" * 61 + b"\r\nb NOOP\r\n"], SMALL)
    assert events[1:] == [
        "denied",
        Refused("a", "NO", "[TOOBIG] more than 60 octets"),
        Line((b"b NOOP",)),
    ]


def test_absurd_literal_hangs_up() -> None:
    for size in (b"101+", b"9" * 21 + b"+", b"9" * 60 + b"+"):
        events = run([b"a X {" + size + b"}\r\nxxxx\r\nb NOOP\r\n"], SMALL)
        assert isinstance(events[-1], Hangup | Refused)
        assert Line((b"b NOOP",)) not in events
        assert isinstance(events[-1], Hangup)


def test_absurd_synchronizing_literal_is_refused() -> None:
    events = run([b"a X {99999999999999999999}\r\nb NOOP\r\n"], SMALL)
    assert isinstance(events[-2], Refused)
    assert events[-1] == Line((b"b NOOP",))


def test_hangup_gives_back_the_sinks() -> None:
    events = run([b"a APPEND x {1+}\r\nx {1000+}\r\n"], SMALL)
    assert events[-1] == Hangup("too much data", (SINK,))


def test_refused_gives_back_the_sinks() -> None:
    events = run([b"a APPEND x {1+}\r\nx {61}\r\n"], SMALL)
    assert events[-1] == Refused("a", "NO", "[TOOBIG] more than 60 octets", (SINK,))


def test_too_many_literals() -> None:
    events = run([b"a X {0+}\r\n {0+}\r\n {0+}\r\n {2+}\r\n\r\n\r\nb NOOP\r\n"], SMALL)
    assert events[-2:] == [Refused("a", "BAD", "more than 3 literals"), Line((b"b NOOP",))]


@pytest.mark.parametrize("cut", [True, False])
def test_line_too_long(cut: bool) -> None:
    data = b"tag SEARCH " + b"x" * 30 + b"\r\nb NOOP\r\n"
    events = run(one_by_one(data) if cut else [data], SMALL)
    assert events == [Refused("tag", "BAD", "line of more than 40 octets"), Line((b"b NOOP",))]


def test_line_of_exactly_the_limit() -> None:
    line = b"a " + b"x" * 38
    assert run([line + b"\r\n"], SMALL) == [Line((line,))]
    assert run(one_by_one(line + b"\r\n"), SMALL) == [Line((line,))]
    assert isinstance(run([line + b"x\r\n"], SMALL)[0], Refused)


def test_limit_counts_text_around_literals() -> None:
    events = run([b"a " + b"x" * 30 + b" {1+}\r\nx" + b" y" * 10 + b"\r\nb NOOP\r\n"], SMALL)
    assert events[-2:] == [
        Refused("a", "BAD", "line of more than 40 octets"),
        Line((b"b NOOP",)),
    ]


def test_literal_at_the_end_of_a_line_too_long() -> None:
    data = b"a " + b"x" * 50 + b" {6+}\r\n\r\nc X\n z\r\nb NOOP\r\n"
    expected = [Refused("a", "BAD", "line of more than 40 octets"), Line((b"b NOOP",))]
    assert run([data], SMALL) == expected
    assert run(one_by_one(data), SMALL) == expected


def test_endless_line_hangs_up() -> None:
    receiver = Receiver(SMALL)
    for _ in range(20):
        receiver.feed(b"x" * 10)
        event = receiver.next_event()
        if event is not None:
            break
    assert event == Hangup("too much data")
    receiver.feed(b"\r\na NOOP\r\n")
    assert receiver.next_event() is None
    assert not receiver.pending


def test_nul_refused() -> None:
    assert run([b"a NO\0OP\r\n"]) == [Refused("a", "BAD", "NUL octet")]
    assert run([b"a\0 NOOP\r\n"]) == [Refused(None, "BAD", "NUL octet")]
    nul = Refused("a", "BAD", "NUL octet in a literal that is no literal8")
    assert run([b"a X {2+}\r\n\0x y\r\n"])[-1] == nul
    for pieces in (
        [b"a APPEND {4+}\r\nx\0y\0 y\r\n"],
        one_by_one(b"a APPEND {4+}\r\nx\0y\0 y\r\n"),
    ):
        events = run(pieces)
        assert events[-2] == LiteralData(SINK, b"x")
        assert events[-1] == Refused("a", "BAD", nul.text, (SINK,))
    assert run([b"a APPEND ~{2+}\r\n\0\0\r\n"])[-2] == LiteralData(SINK, b"\0\0")
    # A literal announced behind the NUL is read away with it.
    assert run([b"a \0 {6+}\r\nx NOOP\r\nb NOOP\r\n"]) == [
        Refused("a", "BAD", "NUL octet"),
        Line((b"b NOOP",)),
    ]


def test_braces_that_announce_nothing() -> None:
    for text in (b"a STORE 1 FLAGS x}", b'a LOGIN "x {3}', b"a X {3} ", b"a X {-1}", b"a X {}"):
        assert run([text + b"\r\n"]) == [Line((text,))]
    assert isinstance(run([b'a LOGIN "x\\"y" {3}\r\n'])[0], LiteralAnnounced)


def test_many_quotes_are_no_trouble() -> None:
    text = b"a X " + b'"\\' * 20000 + b"}"
    assert run([text + b"\r\n"]) == [Line((text,))]


def test_raw_lines() -> None:
    receiver = Receiver(SMALL)
    receiver.feed(b"a IDLE\r\nDO")
    assert receiver.next_event() == Line((b"a IDLE",))
    receiver.expect_line()
    assert receiver.next_event() is None
    receiver.feed(b"NE {3}\r\nb NOOP\r\n")
    assert receiver.next_event() == RawLine(b"DONE {3}")
    assert receiver.next_event() == Line((b"b NOOP",))


def test_raw_line_too_long() -> None:
    data = b"x" * 50 + b"{3+}\r\nb NOOP\r\n"
    expected = [Refused(None, "BAD", "line of more than 40 octets"), Line((b"b NOOP",))]
    assert run([data], SMALL, raw=True) == expected
    assert run(one_by_one(data), SMALL, raw=True) == expected


def test_unread() -> None:
    receiver = Receiver()
    receiver.expect_line()
    receiver.feed(b"b X {3+}\r\nabc d\r\nc NOOP\r\n")
    event = receiver.next_event()
    assert event == RawLine(b"b X {3+}")
    receiver.unread(event.data)
    assert isinstance(receiver.next_event(), LiteralAnnounced)
    assert receiver.accept()
    assert receiver.next_event() == Line((b"b X ", Literal(b"abc"), b" d"))
    assert receiver.next_event() == Line((b"c NOOP",))


def test_reset_forgets_everything() -> None:
    receiver = Receiver()
    receiver.feed(b"a X {3+}\r\nab")
    receiver.next_event()
    receiver.reset()
    receiver.feed(b"b NOOP\r\n")
    assert receiver.next_event() == Line((b"b NOOP",))


def test_decisions_need_an_announcement() -> None:
    with pytest.raises(RuntimeError):
        Receiver().accept()


WIRE = st.lists(
    st.sampled_from(
        [b"a ", b"b APPEND ", b"c REFUSE ", b"\r\n", b"\n", b"\r", b"\0", b'"', b"\\", b" x", b"(",
         b"{1}\r\n", b"{3+}\r\n", b"~{2+}\r\n", b"{0}\r\n", b"{25+}\r\n", b"{55+}\r\n",
         b"{99+}\r\n", b"{70}\r\n", b"{" + b"7" * 45 + b"+}\r\n", b"y" * 15, b"z" * 70,
         b"}", b"\xc3\xa4"]
    )
    | st.binary(max_size=8),
    max_size=40,
).map(b"".join)  # fmt: skip


@settings(max_examples=300)
@given(WIRE, st.lists(st.integers(0, 400), max_size=8), st.booleans())
def test_cutting_changes_nothing(data: bytes, cuts: list[int], raw: bool) -> None:
    whole = run([data], SMALL, raw=raw)
    assert run(one_by_one(data), SMALL, raw=raw) == whole
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(places)]
    assert run(pieces, SMALL, raw=raw) == whole


@settings(max_examples=300)
@given(WIRE)
def test_limits_hold(data: bytes) -> None:
    """Octet by octet: nothing beyond the limits is ever kept, and every event is within them."""
    receiver = Receiver(SMALL)
    for octet in one_by_one(data):
        receiver.feed(octet)
        while (event := receiver.next_event()) is not None:
            if isinstance(event, LiteralAnnounced):
                decide(receiver, event)
            if isinstance(event, Line):
                text = [c for c in event.chunks if isinstance(c, bytes)]
                kept = [c for c in event.chunks if isinstance(c, Literal)]
                assert len(event.chunks) == 2 * len(text) - 1
                assert len(text) - 1 <= SMALL.literals
                assert sum(len(c.data) for c in kept) <= SMALL.memory
                assert sum(map(len, text)) <= SMALL.line
        assert len(receiver._buffer) <= SMALL.line + 2
