"""Dot-stuffing: what goes out is read back, however it was cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.relay.octets import Stuffer
from mailsuite.smtpd.data_reader import DataReader

octets = st.lists(st.sampled_from([b".", b"\r\n", b"\r", b"\n", b"a", b"..", b"\r\n."])).map(
    b"".join
)


@given(octets, st.data())
def test_the_reader_of_the_door_reads_it_back(message: bytes, data: st.DataObject) -> None:
    at = data.draw(st.lists(st.integers(0, len(message)), max_size=4).map(sorted))
    cuts = [0, *at, len(message)]
    stuffer = Stuffer()
    wire = b"".join(stuffer.feed(message[a:b]) for a, b in itertools.pairwise(cuts)) + stuffer.end()
    reader = DataReader()
    found = reader.feed(wire + b"QUIT\r\n")
    assert reader.done and reader.rest == b"QUIT\r\n"
    ended = not message or message.endswith(b"\r\n")
    assert found == (message if ended else message + b"\r\n")


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (b"", b".\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b"a\r\n.b\r\n", b"a\r\n..b\r\n.\r\n"),
        (b"a\n.b", b"a\n.b\r\n.\r\n"),
    ],
)
def test_known_answers(message: bytes, wire: bytes) -> None:
    stuffer = Stuffer()
    assert stuffer.feed(message) + stuffer.end() == wire
