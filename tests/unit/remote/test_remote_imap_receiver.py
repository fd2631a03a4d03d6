"""Octets of an IMAP server into responses, however they are cut; bounds."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.remote import Nonsense
from mailsuite.remote.imap.receiver import (
    INLINE,
    MAX_TEXT,
    Begins,
    Event,
    Large,
    Literal,
    Octets,
    Receiver,
    Whole,
)

LARGE = b"x" * (INLINE + 1)
STREAM = (
    b"* OK ready\r\n"
    b"* 1 FETCH (UID 7 BODY[] {5}\r\nA: b\n)\r\n"
    b"* 2 FETCH (BODY[] ~{0}\r\n UID 8)\r\n"
    b"* 3 FETCH (BODY[] {%d}\r\n%s FLAGS ())\n"
    b"A1 OK done {really}\r\n" % (len(LARGE), LARGE)
)
EXPECTED = [
    Whole((b"* OK ready",)),
    Whole((b"* 1 FETCH (UID 7 BODY[] ", Literal(b"A: b\n"), b")")),
    Whole((b"* 2 FETCH (BODY[] ", Literal(b""), b" UID 8)")),
    Begins(len(LARGE)),
    Octets(LARGE),
    Whole((b"* 3 FETCH (BODY[] ", Large(len(LARGE)), b" FLAGS ())")),
    Whole((b"A1 OK done {really}",)),
]


def joined(events: list[Event]) -> list[Event]:
    """Pieces of a large literal put together."""
    found: list[Event] = []
    for event in events:
        if isinstance(event, Octets) and found and isinstance(before := found[-1], Octets):
            found[-1] = Octets(before.octets + event.octets)
        else:
            found.append(event)
    return found


def test_whole():
    assert joined(Receiver().feed(STREAM)) == EXPECTED


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_however_it_is_cut(cuts):
    receiver = Receiver()
    events: list[Event] = []
    places = [0, *sorted(cuts), len(STREAM)]
    for start, stop in itertools.pairwise(places):
        events += receiver.feed(STREAM[start:stop])
    assert joined(events) == EXPECTED


def test_octet_by_octet():
    receiver = Receiver()
    short = STREAM[: STREAM.index(b"* 3")]
    events = [event for octet in short for event in receiver.feed(bytes([octet]))]
    assert joined(events) == EXPECTED[:3]


@given(st.binary(max_size=300))
def test_nothing_else_is_raised(octets):
    receiver = Receiver()
    try:
        receiver.feed(octets)
        receiver.feed(b"\r\n")
    except Nonsense:
        return


@pytest.mark.parametrize(
    "octets",
    [
        b"* " + b"x" * (MAX_TEXT + 1),
        b"* " + b"(x {10}\r\n0123456789 " * (MAX_TEXT // 12),
        b"* 1 FETCH (BODY[] {99999999999}\r\n",
    ],
)
def test_bounds(octets):
    receiver = Receiver()
    with pytest.raises(Nonsense):
        for start in range(0, len(octets), 1 << 16):
            receiver.feed(octets[start : start + (1 << 16)])


def test_a_large_literal_is_not_held():
    receiver = Receiver()
    receiver.feed(b"* 1 FETCH (BODY[] {%d}\r\n" % (100 * INLINE))
    for _ in range(99):
        (event,) = receiver.feed(b"x" * INLINE)
        assert event == Octets(b"x" * INLINE)
        assert len(receiver._buffer) == 0
