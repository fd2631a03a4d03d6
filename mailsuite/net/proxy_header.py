"""Pure. The header that a proxy sends before a client's octets: PROXY protocol, versions 1 and 2.

(HAProxy's proxy-protocol.txt.) Promises: never asks for an octet that is not the header's, so that
what follows it, a TLS handshake perhaps, is left alone; a header that can't become a good one is
refused as soon as that shows; holds at most `LONGEST` octets.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from struct import unpack_from

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LONGEST_V1 = 107  # octets with CRLF (§2.1)
LONGEST = 4096  # of version 2: addresses, and what proxies add about TLS

_START_V1 = b"PROXY "
_SHORTEST = 15  # "PROXY UNKNOWN" CRLF; version 2 has one octet more at the least
_FIXED = 16  # octets of version 2 before the addresses
_NUMBER = r"(0|[1-9][0-9]{0,4})"
_LINE = re.compile(rf"PROXY TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) {_NUMBER} {_NUMBER}")
_CRC32C = 0x03
_ADDRESSES = {0x1: 12, 0x2: 36, 0x3: 216}  # octets, by family: IPv4, IPv6, Unix


class BadHeader(ValueError):
    """Not a header of the PROXY protocol, or one that says something impossible."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The connection that the client made: its address and port, and those that it asked for."""

    peer: str
    peer_port: int
    local: str
    local_port: int


class HeaderReader:
    """Reads one header. Read up to `need` octets from the connection and `feed` them, until 0.

    origin  what the header says; None: the connection is the proxy's own (a health check), or it
            does not know more
    """

    __slots__ = ("_octets", "need", "origin")

    def __init__(self) -> None:
        self._octets = b""
        self.need = _SHORTEST
        self.origin: Origin | None = None

    @property
    def begun(self) -> bool:
        """There was at least one octet."""
        return bool(self._octets)

    def feed(self, octets: bytes) -> None:
        """Take the next octets, `need` at the most. Raises BadHeader."""
        self._octets += octets
        if len(self._octets) <= len(SIGNATURE):
            starts = (_START_V1[: len(self._octets)], SIGNATURE[: len(self._octets)])
            if not self._octets.startswith(starts):
                raise BadHeader("no header")
        if len(self._octets) < _SHORTEST:
            self.need = _SHORTEST - len(self._octets)
        elif self._octets.startswith(_START_V1):
            self._version1()
        elif self._octets.startswith(SIGNATURE):
            self._version2()
        else:
            raise BadHeader("no header")

    # -- version 1 ------------------------------------------------------------------------------

    def _version1(self) -> None:
        line, end, rest = self._octets.partition(b"\r\n")
        if rest or b"\n" in line or b"\r" in line[:-1]:
            raise BadHeader("a line end that is not CR LF")
        if end:
            self.need = 0
            self.origin = _origin_of(line)
            return
        self.need = _least_left(line)
        if len(line) + self.need > LONGEST_V1:
            raise BadHeader("the line is too long")

    # -- version 2 ------------------------------------------------------------------------------

    def _version2(self) -> None:
        octets = self._octets
        if octets[len(SIGNATURE)] not in (0x20, 0x21):
            raise BadHeader("unknown version or command")
        if len(octets) < _FIXED:
            self.need = _FIXED - len(octets)
            return
        command, family, length = unpack_from(">BBH", octets, len(SIGNATURE))
        if length > LONGEST - _FIXED:
            raise BadHeader("the header is too long")
        self.need = _FIXED + length - len(octets)
        if self.need or command == 0x20:
            return  # LOCAL: whatever else is in it is ignored
        if family >> 4 > 0x3 or family & 0xF > 0x2:
            raise BadHeader("unknown family or protocol")
        size = _ADDRESSES.get(family >> 4, 0)
        if size > length:
            raise BadHeader("the addresses are cut off")
        # Without a family nothing is known of what the block holds.
        if family >> 4:
            _check(octets, _FIXED + size)
        if family == 0x11:
            self.origin = _origin(*unpack_from(">4s4sHH", octets, _FIXED))
        elif family == 0x21:
            self.origin = _origin(*unpack_from(">16s16sHH", octets, _FIXED))


def _least_left(line: bytes) -> int:
    """Octets that a line without its end still needs at the least."""
    if line.endswith(b"\r"):
        return 1
    if line.startswith(b"PROXY UNKNOWN"):
        return 2
    fields = line.split(b" ")
    if len(fields) > 6:
        raise BadHeader("too many fields")
    # For each field that is missing a space and a character, and for an empty one a character.
    return 2 * (6 - len(fields)) + (not fields[-1]) + 2


def _origin_of(line: bytes) -> Origin | None:
    if line == b"PROXY UNKNOWN" or line.startswith(b"PROXY UNKNOWN "):
        return None
    found = _LINE.fullmatch(line.decode("latin-1"))
    if found is None:
        raise BadHeader("not a line of version 1")
    made = IPv4Address if found[1] == "4" else IPv6Address
    try:
        peer, local = made(found[2]), made(found[3])
    except ValueError as error:
        raise BadHeader("not an address") from error
    ports = int(found[4]), int(found[5])
    if max(ports) > 65535:
        raise BadHeader("not a port")
    return Origin(_text(peer), ports[0], _text(local), ports[1])


def _origin(peer: bytes, local: bytes, peer_port: int, local_port: int) -> Origin:
    made = IPv4Address if len(peer) == 4 else IPv6Address
    return Origin(_text(made(peer)), peer_port, _text(made(local)), local_port)


def _text(address: IPv4Address | IPv6Address) -> str:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _check(header: bytes, at: int) -> None:
    """Look through what stands behind the addresses; where a checksum is there, it must fit."""
    while at < len(header):
        if at + 3 > len(header):
            raise BadHeader("a field is cut off")
        kind, length = unpack_from(">BH", header, at)
        value = at + 3
        at = value + length
        if at > len(header):
            raise BadHeader("a field is cut off")
        if kind == _CRC32C:
            if length != 4:
                raise BadHeader("a checksum has four octets")
            blank = header[:value] + bytes(4) + header[at:]
            if crc32c(blank) != int.from_bytes(header[value:at], "big"):
                raise BadHeader("the checksum does not fit")


def _row(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value


_TABLE = tuple(map(_row, range(256)))


def crc32c(octets: bytes) -> int:
    """The Castagnoli checksum (RFC 4960, appendix B)."""
    found = 0xFFFFFFFF
    for octet in octets:
        found = _TABLE[(found ^ octet) & 0xFF] ^ found >> 8
    return found ^ 0xFFFFFFFF
