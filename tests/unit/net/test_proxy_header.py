"""PROXY protocol headers: known ones, broken ones, and any octets at all."""

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.net.proxy_header import (
    LONGEST,
    LONGEST_V1,
    SIGNATURE,
    BadHeader,
    HeaderReader,
    Origin,
    crc32c,
)

TAIL = b"\x16\x03\x01EHLO c\r\n"


def read(octets: bytes, most: int = 1 << 20) -> tuple[Origin | None, bytes]:
    """What a connection with these octets gives, and what is left of them."""
    reader = HeaderReader()
    while reader.need:
        chunk, octets = octets[: min(reader.need, most)], octets[min(reader.need, most) :]
        if not chunk:
            raise EOFError
        reader.feed(chunk)
    return reader.origin, octets


def binary(command: int, family: int, block: bytes) -> bytes:
    return SIGNATURE + struct.pack(">BBH", command, family, len(block)) + block


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack(">BH", kind, len(value)) + value


V4 = IPv4Address("192.0.2.7").packed + IPv4Address("198.51.100.1").packed + b"\x30\x39\x00\x19"
V6 = IPv6Address("2001:db8::7").packed + IPv6Address("2001:db8::1").packed + b"\x30\x39\x03\xe1"
FROM_V4 = Origin("192.0.2.7", 12345, "198.51.100.1", 25)
FROM_V6 = Origin("2001:db8::7", 12345, "2001:db8::1", 993)


@pytest.mark.parametrize(
    ("header", "origin"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 12345 25\r\n", FROM_V4),
        (b"PROXY TCP6 2001:db8::7 2001:DB8:0:0:0:0:0:1 12345 993\r\n", FROM_V6),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 0 0\r\n", Origin("1.1.1.1", 0, "2.2.2.2", 0)),
        (b"PROXY TCP6 :: ::1 1 2\r\n", Origin("::", 1, "::1", 2)),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", Origin("192.0.2.7", 1, "::1", 2)),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN " + b"f" * (LONGEST_V1 - 16) + b"\r\n", None),
        (binary(0x21, 0x11, V4), FROM_V4),
        (binary(0x21, 0x21, V6), FROM_V6),
        (binary(0x21, 0x11, V4 + tlv(0x04, b"") + tlv(0x02, b"mail.example.org")), FROM_V4),
        (binary(0x20, 0x00, b""), None),
        (binary(0x20, 0x11, V4), None),
        (binary(0x20, 0xFF, b"\0" * 100), None),
        (binary(0x21, 0x00, b"whatever"), None),
        (binary(0x21, 0x12, V4), None),
        (binary(0x21, 0x31, bytes(216)), None),
    ],
)
@pytest.mark.parametrize("most", [1, 7, 1 << 20])
def test_good_headers(header: bytes, origin: Origin | None, most: int) -> None:
    assert read(header + TAIL, most) == (origin, TAIL)


@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO c\r\n",
        b"\x16\x03\x01\x02",
        b"GET / HTTP/1.1\r\n",
        b"PROXYTCP4 1.1.1.1 2.2.2.2 1 1\r\n",
        b"PROXY  TCP4 1.1.1.1 2.2.2.2 1 1\r\n",
        b"PROXY TCP4  1.1.1.1 2.2.2.2 1 1\r\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 1 \r\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 1 1\r\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 1\n\r\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r1\r\n",
        b"PROXY TCP4 01.1.1.1 2.2.2.2 1 1\r\n",
        b"PROXY TCP4 1.1.1.256 2.2.2.2 1 1\r\n",
        b"PROXY TCP4 1.1.1 2.2.2.2 1 1 \r\n",
        b"PROXY TCP4 ::1 ::1 1 1\r\n     ",
        b"PROXY TCP6 1.1.1.1 ::1 1 1\r\n   ",
        b"PROXY TCP6 fe80::1%lo ::1 1 1\r\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 65536 1\r\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 01 1\r\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 -1 1\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 ١ 1\r\n".encode(),
        b"PROXY UDP4 1.1.1.1 2.2.2.2 1 1\r\n",
        b"PROXY UNKNOWNS\r\n",
        b"proxy TCP4 1.1.1.1 2.2.2.2 1 1\r\n",
        b"PROXY UNKNOWN " + b"f" * (LONGEST_V1 - 15) + b"\r\n",
        b"PROXY TCP4 " + b"1" * 200,
        SIGNATURE[:-1] + b"X" + b"\x21\x11\x00\x0c" + V4,
        binary(0x11, 0x11, V4),
        binary(0x22, 0x11, V4),
        binary(0x22, 0x00, b"")[:15],
        binary(0x21, 0x41, V4),
        binary(0x21, 0x13, V4),
        binary(0x21, 0x11, V4[:-1]),
        binary(0x21, 0x21, V4),
        binary(0x21, 0x31, bytes(215)),
        binary(0x21, 0x11, V4 + b"\x04\x00"),
        binary(0x21, 0x11, V4 + b"\x04\x00\x05abcd"),
        binary(0x20, 0x00, bytes(LONGEST)),
    ],
)
def test_bad_headers(octets: bytes) -> None:
    with pytest.raises(BadHeader):
        read(octets)


def test_what_is_no_header_is_refused_at_its_first_octet() -> None:
    """A client that says something else and waits for the greeting does not cost the whole time."""
    for octets in (b"E", b"\x16", b"PX", b"\r\nQ"):
        with pytest.raises(BadHeader):
            HeaderReader().feed(octets)


def test_a_checksum_has_to_fit() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C
    blank = binary(0x21, 0x11, V4 + tlv(0x04, b"x") + tlv(0x03, bytes(4)))
    good = blank[:-4] + crc32c(blank).to_bytes(4, "big")
    assert read(good) == (FROM_V4, b"")
    addresses = range(len(SIGNATURE) + 4, len(SIGNATURE) + 4 + len(V4))
    for number in (*addresses, *range(len(good) - 4, len(good))):
        bad = bytearray(good)
        bad[number] ^= 0x40
        with pytest.raises(BadHeader):
            read(bytes(bad))
    with pytest.raises(BadHeader):
        read(binary(0x21, 0x11, V4 + tlv(0x03, b"abc")))


v4_pairs = st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4))
v6_pairs = st.tuples(st.ip_addresses(v=6), st.ip_addresses(v=6))
ports = st.integers(0, 65535)


@given(v4_pairs | v6_pairs, ports, ports, st.binary(max_size=40), st.integers(1, 30))
def test_every_header_is_read_and_no_octet_more(
    pair: tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address],
    peer_port: int,
    local_port: int,
    tail: bytes,
    most: int,
) -> None:
    peer, local = pair
    line = f"PROXY TCP{peer.version} {peer} {local} {peer_port} {local_port}\r\n".encode()
    block = peer.packed + local.packed + struct.pack(">HH", peer_port, local_port)
    octets = binary(0x21, 0x11 if peer.version == 4 else 0x21, block)
    one, left = read(line + tail, most)
    assert left == tail
    assert (one, tail) == read(octets + tail, most)
    assert one is not None and (one.peer_port, one.local_port) == (peer_port, local_port)
    mapped = getattr(peer, "ipv4_mapped", None)
    assert one.peer == str(mapped or peer)


starts = st.sampled_from(
    [b"", b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 ", SIGNATURE, binary(0, 0, b"")]
)


@given(starts, st.binary(max_size=200), st.integers(1, 64))
def test_any_octets_are_a_header_or_bad_and_bounded(start: bytes, rest: bytes, most: int) -> None:
    octets = start + rest
    try:
        _, left = read(octets, most)
    except (BadHeader, EOFError):
        return
    used = len(octets) - len(left)
    assert used <= LONGEST
    assert octets[:used].endswith(b"\r\n") or octets.startswith(SIGNATURE)
