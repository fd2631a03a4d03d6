"""Tens of MB through IMAP's other doors, in flat memory: literal8, BINARY, CATENATE, COMPRESS."""

from __future__ import annotations

import random
import re
import socket
import sys
import zlib
from collections.abc import Callable

from e2e_harness import HOST, Account, AnonymousMemory, Server

MB = 1 << 20
PIECE = 1 << 16


class Client:
    """A few lines of IMAP over TLS, compressed where that is asked for."""

    def __init__(self, server: Server, account: Account) -> None:
        raw = socket.create_connection((HOST, server.port("imaps")), timeout=120)
        self._socket = server.tls().wrap_socket(raw, server_hostname=HOST)
        self._buffer = b""
        self._deflate: zlib._Compress | None = None
        self._inflate: zlib._Decompress | None = None
        self.line()
        self.ask(f"LOGIN {account.address} {account.password}")

    def compress(self) -> None:
        self.ask("COMPRESS DEFLATE")
        self._deflate, self._inflate = zlib.compressobj(1, wbits=-15), zlib.decompressobj(-15)

    def send(self, data: bytes) -> None:
        if self._deflate is not None:
            data = self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        self._socket.sendall(data)

    def _fill(self) -> None:
        data = self._socket.recv(PIECE)
        assert data, "connection closed"
        self._buffer += data if self._inflate is None else self._inflate.decompress(data)

    def line(self) -> bytes:
        while b"\n" not in self._buffer:
            self._fill()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line + b"\n"

    def octets(self, count: int) -> bytes:
        parts = [self._buffer]
        size = len(self._buffer)
        while size < count:
            self._buffer = b""
            self._fill()
            parts.append(self._buffer)
            size += len(self._buffer)
        whole = b"".join(parts)
        self._buffer = whole[count:]
        return whole[:count]

    def ask(self, command: str, *literals: bytes) -> list[bytes]:
        """Send a command, `{}` standing for its literals; the literals of its answer."""
        pieces = command.split("{}")
        found: list[bytes] = []
        for piece, literal in zip(pieces, literals, strict=False):
            self.send(f"{'x ' if piece is pieces[0] else ''}{piece}{{{len(literal)}}}\r\n".encode())
            line = self.line()
            assert line.startswith(b"+"), line
            for start in range(0, len(literal), PIECE):
                self.send(literal[start : start + PIECE])
        self.send(f"{'' if literals else 'x '}{pieces[-1]}\r\n".encode())
        while not (line := self.line()).startswith(b"x "):
            if size := re.search(rb"\{(\d+)\}\r\n\Z", line):
                found.append(self.octets(int(size[1])))
        assert line.startswith(b"x OK"), line
        return found

    def close(self) -> None:
        self._socket.close()


def test_25_megabytes_in_flat_memory(make_server: Callable[..., Server]) -> None:
    server = make_server().start()
    alice = Account("alice@example.test", "alice")
    binary = random.Random(8).randbytes(19 * MB) + b"\0"
    head = (
        b"Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Transfer-Encoding: binary\r\n\r\n"
    )
    client = Client(server, alice)
    client.ask("APPEND Drafts {}", b"Subject: small\r\n\r\nsmall\r\n")
    client.ask("SELECT Drafts")
    growth: dict[str, float] = {}

    def measured(name: str, work: Callable[[], list[bytes]]) -> list[bytes]:
        if not sys.platform.startswith("linux"):
            return work()
        with AnonymousMemory(server.pid) as memory:
            found = work()
        growth[name] = memory.growth / MB
        return found

    # NUL octets: the message is kept in base64, and given back as it came.
    measured("append", lambda: client.ask("APPEND Drafts ~{}", head + binary))
    assert measured("binary", lambda: client.ask("FETCH 2 BINARY[1]")) == [binary]
    (stored,) = measured("body", lambda: client.ask("FETCH 2 BODY[]"))
    assert b"Content-Transfer-Encoding: base64" in stored[:300]
    assert len(stored) > 25 * MB
    # Put together of two, and one put in another's place.
    measured(
        "catenate",
        lambda: client.ask(
            'APPEND Archive CATENATE (TEXT {} URL "/Drafts/;UID=2/;SECTION=1")',
            b"Subject: x\r\n\r\n",
        ),
    )
    measured("replace", lambda: client.ask("REPLACE 2 Drafts {}", stored))
    client.compress()
    assert measured("compressed", lambda: client.ask("FETCH 2 BODY.PEEK[]")) == [stored]
    client.ask("SELECT Archive")
    (copied,) = client.ask("FETCH 1 BODY.PEEK[TEXT]")
    assert copied == stored.partition(b"\r\n\r\n")[2]
    client.close()
    print("growth in MB:", growth)
    # The full-text index fills beside all this, and takes up to 18 MB once.
    assert all(megabytes < 22 for megabytes in growth.values()), growth
