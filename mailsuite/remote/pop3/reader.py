"""Pure. Octets of a POP3 server -> reply lines, and the lines of multi-line replies (RFC 1939 §3).

Promises: a multi-line reply comes in pieces without its dots, however the octets are cut; nothing
is held but a line's end.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailsuite.remote.errors import Nonsense

MAX_LINE = 8192
"""Octets of a reply line; RFC 2449 §4 allows 512."""
PIECE = 1 << 16
TOLD = 500  # characters of what a server says that are handed on to people; RFC 1939 allows 512


@dataclass(frozen=True, slots=True)
class Reply:
    """The first line of a reply. `code`: RFC 2449 §8, in capitals, such as "IN-USE", or ""."""

    ok: bool
    text: str
    code: str = ""

    @property
    def passes(self) -> bool:
        """A refusal that says nothing of the password, and may pass (RFC 2449, RFC 3206)."""
        return self.code in ("IN-USE", "LOGIN-DELAY", "SYS/TEMP")


class Reader:
    """See the module. `feed` octets, then take a `line`, or `body` until `ended`."""

    __slots__ = ("_at_start", "_buffer", "ended")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at_start = True
        self.ended = True

    def feed(self, data: bytes) -> None:
        """Take octets."""
        self._buffer += data

    def line(self) -> bytes | None:
        """The next line without its end; None: it is not there yet. Raises Nonsense."""
        end = self._buffer.find(b"\n")
        if end < 0 or end > MAX_LINE:
            if len(self._buffer) > MAX_LINE:
                raise Nonsense("the server's reply is too long")
            return None
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        return line

    def begin_body(self) -> None:
        """A multi-line reply has begun."""
        self.ended = False
        self._at_start = True

    def body(self) -> bytes:
        """What there is of it now, without dots; b"" when more is needed, or it has ended."""
        if self.ended:
            return b""
        if self._at_start and self._buffer.startswith(b".\r\n"):
            return self._end(0)
        # The octets before the end belong to the line before it.
        end = self._buffer.find(b"\r\n.\r\n")
        if end >= 0:
            return self._end(end + 2)
        # A line's end is kept: what comes may show that it was the last.
        cut = self._buffer.rfind(b"\r\n")
        if cut < 0 or len(self._buffer) - cut > PIECE:
            cut = len(self._buffer) - 4 if len(self._buffer) > PIECE else 0
        return self._take(cut) if cut > 0 else b""

    def _end(self, at: int) -> bytes:
        piece = self._take(at)
        del self._buffer[:3]
        self.ended = True
        return piece

    def _take(self, count: int) -> bytes:
        piece = bytes(self._buffer[:count])
        del self._buffer[:count]
        if not piece:
            return b""
        # RFC 1939 §3: a dot at the start of a line is taken away.
        plain = piece.replace(b"\r\n.", b"\r\n")
        if self._at_start and plain.startswith(b"."):
            plain = plain[1:]
        self._at_start = piece.endswith(b"\r\n")
        return plain


def reply(line: bytes) -> Reply:
    """A reply's first line. Raises Nonsense."""
    word, _, rest = line.partition(b" ")
    text = rest.decode("utf-8", "replace").strip()[:TOLD]
    if word.upper() not in (b"+OK", b"-ERR"):
        raise Nonsense(f"no POP3 reply: {line[:60]!r}")
    code = ""
    if text.startswith("[") and "]" in text:
        code = text[1 : text.index("]")].upper()
    return Reply(word.upper() == b"+OK", text, code)
