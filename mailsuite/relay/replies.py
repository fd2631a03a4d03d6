"""Pure. Replies of an SMTP server (RFC 5321 §4.2), cut out of whatever octets arrive.

Promises: however the octets are cut, the same replies come out; a reply is bounded in lines and
octets; what is not a reply raises BadReply and nothing is guessed. A bare LF ends a line too, as
some servers send it; a CR alone does not.
"""

import re
from dataclasses import dataclass

MAX_LINE = 4096  # octets; RFC 5321 §4.5.3.1.5 has 512, real servers have explanations
MAX_LINES = 128

_LINE = re.compile(rb"([2-5][0-5][0-9])(?:([ -])(.*))?\Z", re.DOTALL)
# Without leading zeros (RFC 3464 §2.3.4).
_ENHANCED = re.compile(r"([245](?:\.(?:0|[1-9][0-9]{0,2})){2})(?=\s|\Z)")


class BadReply(Exception):
    """The server says what is no reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply; `lines` are without the code, at least one."""

    code: int
    lines: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """2yz, or 3yz: go on."""
        return self.code < 400

    @property
    def done(self) -> bool:
        """2yz."""
        return self.code < 300

    @property
    def intermediate(self) -> bool:
        """3yz: what it was asked for may come."""
        return 300 <= self.code < 400

    @property
    def temporary(self) -> bool:
        """4yz."""
        return 400 <= self.code < 500

    @property
    def status(self) -> str | None:
        """The enhanced status code (RFC 2034), where there is one that fits the reply's code."""
        found = _ENHANCED.match(self.lines[-1]) or _ENHANCED.match(self.lines[0])
        if found is None or found[1][0] != str(self.code)[0]:
            return None
        return found[1]

    @property
    def wire(self) -> str:
        """As it came, lines ended by LF."""
        last = len(self.lines) - 1
        return "\n".join(
            f"{self.code}{' ' if place == last else '-'}{line}"
            for place, line in enumerate(self.lines)
        )

    def __str__(self) -> str:
        """In one line: the code, the enhanced code once, and the words."""
        status = self.status
        words = [line.removeprefix(status).strip() if status else line for line in self.lines]
        return " ".join(part for part in (str(self.code), status, *words) if part)


class ReplyReader:
    """Feed it what arrives; it gives the replies that are complete.

    failure  what came behind the last of them was none, and nothing can be read any more
    """

    __slots__ = ("_buffer", "_code", "_lines", "failure")

    def __init__(self) -> None:
        self._buffer = b""
        self._code = 0
        self._lines: list[str] = []
        self.failure: BadReply | None = None

    @property
    def pending(self) -> bool:
        """A reply has begun and not ended."""
        return bool(self._buffer or self._lines or self.failure)

    def feed(self, octets: bytes) -> list[Reply]:
        """Raises BadReply where no reply came before (`failure`); the reader is then of no use."""
        if self.failure is not None:
            raise self.failure
        *lines, self._buffer = (self._buffer + octets).split(b"\n")
        found: list[Reply] = []
        try:
            for line in lines:
                reply = self._line(line.removesuffix(b"\r"))
                if reply is not None:
                    found.append(reply)
            if len(self._buffer) > MAX_LINE:
                raise BadReply("a line of the reply is too long")
        except BadReply as error:
            self.failure = error
            if not found:
                raise
        return found

    def _line(self, line: bytes) -> Reply | None:
        if len(line) > MAX_LINE:
            raise BadReply("a line of the reply is too long")
        match = _LINE.match(line)
        if match is None:
            raise BadReply(f"not an SMTP reply: {line[:80].decode('utf-8', 'replace')!r}")
        code = int(match[1])
        if self._lines and code != self._code:
            raise BadReply(f"the code changes within a reply, from {self._code} to {code}")
        self._code = code
        self._lines.append((match[3] or b"").decode("utf-8", "replace"))
        if match[2] == b"-":
            if len(self._lines) >= MAX_LINES:
                raise BadReply("the reply has too many lines")
            return None
        reply = Reply(code, tuple(self._lines))
        self._lines.clear()
        return reply
