"""Pure. The receiver: octets from the client, cut anywhere, become events.

Promises: an event, or more data wanted, never anything else; memory stays within `Limits` (plus
what was fed and not yet taken); the events are the same however the octets were cut. Literals are
announced before they are read, so that the session can check first and stream large ones.
Never writes: what goes to the client is the session's affair.

A session's loop:

    while True:
        event = receiver.next_event()
        if event is None:
            data = await connection.read()
            receiver.feed(data)                       # b"" from a closed connection: stop instead
        elif isinstance(event, LiteralAnnounced):
            ... receiver.accept() | receiver.stream(sink) | receiver.refuse("NO", "[TRYCREATE] ...")
            if granted and event.synchronizing: write(b"+ OK\\r\\n")
        elif isinstance(event, LiteralData):
            await event.sink.write(event.data)        # the sink is the session's object
        elif isinstance(event, Line):
            ... grammar.command_head(event.chunks) ...
        elif isinstance(event, Refused):
            write(f"{tag or '*'} {event.condition} {event.text}")
        elif isinstance(event, Hangup):
            write(b"* BYE ..."); close
"""

from __future__ import annotations

import re
from enum import Enum, auto

from mailsuite.imapd.syntax.events import (
    Chunk,
    Event,
    Hangup,
    Limits,
    Line,
    Literal,
    LiteralAnnounced,
    LiteralData,
    RawLine,
    Refused,
)
from mailsuite.imapd.syntax.model import StoredLiteral

__all__ = [
    "Chunk",
    "Event",
    "Hangup",
    "Limits",
    "Line",
    "Literal",
    "LiteralAnnounced",
    "LiteralData",
    "RawLine",
    "Receiver",
    "Refused",
    "tag_in",
]


_MAX_TAG = 1024
_TAG = re.compile(rb"([!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]{1,%d})(?: |\Z)" % _MAX_TAG)


def tag_in(text: bytes) -> str | None:
    """The tag that begins a command, or None if there is no well-formed one (RFC 9051 `tag`)."""
    found = _TAG.match(text)
    return found[1].decode("ascii") if found else None


class _State(Enum):
    TEXT = auto()  # a line of a command, or a raw line
    DECIDE = auto()  # a literal is announced
    MEMORY = auto()
    STREAM = auto()
    SWALLOW = auto()  # a literal that nobody wants
    OVER = auto()  # after Hangup


# CHAR8 has no NUL (RFC 9051 §9); a client that means it sends literal8.
_NUL_IN_LITERAL = "NUL octet in a literal that is no literal8"
_TAIL = 64
_LITERAL = re.compile(rb"(~?)\{([0-9]{1,40})(\+?)\}\Z")
_ABSURD = re.compile(rb"[0-9]{41}\+?\}\Z")
# Text with no quoted string left open. Possessive, so that no input makes it backtrack.
_QUOTES_CLOSED = re.compile(rb'(?:[^"]++|"(?:[^"\\]|\\.)*+")*+\Z', re.DOTALL)


class Receiver:
    """One connection's incoming octets."""

    __slots__ = (
        "_announced",
        "_binary",
        "_buffer",
        "_chunks",
        "_left",
        "_limits",
        "_memory",
        "_queued",
        "_raw",
        "_refusal",
        "_scanned",
        "_sinks",
        "_state",
        "_swallowed",
        "_tag",
        "_tail",
        "_text",
    )

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._buffer = bytearray()
        self._scanned = 0  # octets of the buffer known to hold no line end
        self._state = _State.TEXT
        self._raw = False
        self._announced: LiteralAnnounced | None = None
        self._queued: Event | None = None
        self._binary = False
        self._left = 0  # octets of the current literal still to come
        self._begin()

    def _begin(self) -> None:
        """Be ready for a new command."""
        self._chunks: list[Chunk] = []
        self._sinks: list[object] = []
        self._text = 0
        self._memory = 0
        self._tag: str | None = None
        self._refusal: tuple[str, str] | None = None  # set: the command is being thrown away
        self._swallowed = 0
        self._tail = b""

    # -- what the session calls ---------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Add octets from the client. Take all events before feeding again."""
        if self._state is not _State.OVER:
            self._buffer += data

    def next_event(self) -> Event | None:
        """The next event, or None: more data wanted (or an announced literal not decided)."""
        if self._queued is not None:
            event, self._queued = self._queued, None
            return event
        while True:
            buffered = len(self._buffer)
            state = self._state
            if (step := self._step()) is not None:
                return step
            if len(self._buffer) == buffered and self._state is state:
                return None

    def accept(self) -> bool:
        """Take the announced literal into memory.

        False when it does not fit the limits: it has then been refused, a `Refused` follows.
        """
        announced = self._decide()
        size = announced.size
        if self._memory + size > self._limits.memory:
            self.refuse("BAD", f"literals of more than {self._limits.memory} octets")
            return False
        self._binary = announced.binary
        self._announced = None
        self._memory += size
        self._left = size
        self._state = _State.MEMORY
        return True

    def stream(self, sink: object) -> bool:
        """Take the announced literal as `LiteralData`, then as `StoredLiteral(sink, size)`.

        False when it is over `Limits.literal`: refused, as with `accept`. `sink` then stays the
        caller's to throw away; once granted, it comes back in Line, Refused or Hangup.
        """
        announced = self._decide()
        if announced.size > self._limits.literal:
            self.refuse("NO", f"[TOOBIG] more than {self._limits.literal} octets")
            return False
        self._binary = announced.binary
        self._announced = None
        self._sinks.append(sink)
        self._chunks.append(StoredLiteral(sink, announced.size, announced.binary))
        self._left = announced.size
        self._state = _State.STREAM
        return True

    def refuse(self, condition: str, text: str) -> None:
        """Don't take the announced literal; the rest of the command is read and thrown away.

        `Refused(tag, condition, text)` follows once the command has ended.
        """
        announced = self._decide()
        self._announced = None
        self._discard(condition, text)
        self._queued = self._skip_literal(announced.size, announced.synchronizing)

    def expect_line(self) -> None:
        """The next line is no command: it comes as `RawLine` (or `Refused`, when too long)."""
        self._raw = True

    def expect_command(self) -> None:
        """No line is waited for any more that is no command."""
        self._raw = False

    def unread(self, line: bytes) -> None:
        """Put a line taken as `RawLine` back: it was a command after all (sent during IDLE)."""
        self._buffer[:0] = line + b"\r\n"
        self._scanned = 0

    @property
    def sinks(self) -> tuple[object, ...]:
        """Sinks of the command that is being received: throw them away when the client is gone."""
        return tuple(self._sinks)

    @property
    def pending(self) -> bool:
        """Octets are here that no event has been made of (the client pipelines)."""
        return bool(self._buffer)

    def take_pending(self) -> bytes:
        """Give back octets that no event has been made of: they are compressed (RFC 4978)."""
        data = bytes(self._buffer)
        self._buffer.clear()
        self._scanned = 0
        return data

    @property
    def between_commands(self) -> bool:
        """No octet is here that has not been made an event of, and no command is half received."""
        idle = self._state is _State.TEXT and not self._buffer and self._queued is None
        return idle and not self._chunks and self._refusal is None

    def reset(self) -> None:
        """Forget everything received (after STARTTLS: RFC 9051 §6.2.1)."""
        self._buffer.clear()
        self._scanned = 0
        self._raw = False
        self._announced = None
        self._queued = None
        self._state = _State.TEXT
        self._begin()

    def _decide(self) -> LiteralAnnounced:
        if self._announced is None:
            raise RuntimeError("no literal has been announced")
        return self._announced

    # -- one step -----------------------------------------------------------------------------

    def _step(self) -> Event | None:
        """Go on as far as one event, or one change of state; None: look again, or no progress."""
        match self._state:
            case _State.TEXT if self._refusal is not None:
                return self._discard_line()
            case _State.TEXT:
                return self._take_line()
            case _State.MEMORY:
                return self._take_memory()
            case _State.STREAM:
                return self._take_stream()
            case _State.SWALLOW:
                self._take_unwanted()
        return None

    def _take_line(self) -> Event | None:
        buffer, limit = self._buffer, self._limits.line
        end = buffer.find(b"\n", self._scanned)
        if end < 0:
            # One octet more than the limit may be the CR of the line end.
            if self._text + len(buffer) > limit + 1:
                return self._line_too_long()
            self._scanned = len(buffer)
            return None
        # A bare LF ends a line as CRLF does: people type at IMAP ports with plain tools, other
        # servers allow it, and no octet of a command is relayed to a peer that might differ.
        stop = end - 1 if end > 0 and buffer[end - 1] == 0x0D else end
        if self._text + stop > limit:
            return self._line_too_long()
        text = bytes(memoryview(buffer)[:stop])
        del buffer[: end + 1]
        self._scanned = 0
        if self._raw:
            self._raw = False
            return RawLine(text)
        self._text += len(text)
        return self._end_of_text(text)

    def _line_too_long(self) -> Event | None:
        if not self._chunks and not self._raw:
            # Of these octets so many are here for certain, wherever the line was cut.
            begin = bytes(self._buffer[: min(_MAX_TAG, self._limits.line) + 1])
            self._tag = tag_in(begin) if b" " in begin else None
        self._scanned = 0
        self._discard("BAD", f"line of more than {self._limits.line} octets")
        return self._discard_line()

    def _end_of_text(self, text: bytes) -> Event | None:
        """A line of a command is here: is the command whole, or does a literal follow?"""
        tail = text[-_TAIL:]
        announced = None
        if text.endswith(b"}") and _QUOTES_CLOSED.match(text):
            announced = _LITERAL.search(tail)
            if announced is not None:
                text = text[: len(text) - len(announced[0])]
        self._chunks.append(text)
        if 0 in text:
            return self._discard("BAD", "NUL octet", tail)
        if announced is None:
            if _ABSURD.search(tail):
                return self._hang_up()
            event = Line(tuple(self._chunks))
            self._begin()
            return event
        if len(self._chunks) // 2 >= self._limits.literals:
            return self._discard("BAD", f"more than {self._limits.literals} literals", tail)
        self._announced = LiteralAnnounced(
            tuple(self._chunks), int(announced[2]), bool(announced[1]), not announced[3]
        )
        self._state = _State.DECIDE
        return self._announced

    def _take_memory(self) -> Event | None:
        if len(self._buffer) < self._left:
            return None
        data = bytes(memoryview(self._buffer)[: self._left])
        del self._buffer[: self._left]
        self._state = _State.TEXT
        self._chunks.append(Literal(data, self._binary))
        if not self._binary and 0 in data:
            self._discard("BAD", _NUL_IN_LITERAL)
        return None

    def _take_stream(self) -> Event | None:
        taken = min(self._left, len(self._buffer))
        data = bytes(memoryview(self._buffer)[:taken])
        del self._buffer[:taken]
        self._left -= taken
        if not self._left:
            self._state = _State.TEXT
        nul = -1 if self._binary else data.find(0)
        if nul >= 0:
            self._discard("BAD", _NUL_IN_LITERAL)
            self._state = _State.SWALLOW if self._left else _State.TEXT
            data = data[:nul]
        return LiteralData(self._sinks[-1], data) if data else None

    def _take_unwanted(self) -> None:
        taken = min(self._left, len(self._buffer))
        del self._buffer[:taken]
        self._left -= taken
        if not self._left:
            self._state = _State.TEXT

    # -- throwing a command away --------------------------------------------------------------

    def _discard(self, condition: str, text: str, tail: bytes | None = None) -> Event | None:
        """From now on the command is only read to its end. `tail`: the end of a line just read."""
        if self._chunks and isinstance(first := self._chunks[0], bytes):
            self._tag = tag_in(first)
        self._refusal = (condition, text)
        self._chunks.clear()
        return None if tail is None else self._end_of_discarded(tail)

    def _discard_line(self) -> Event | None:
        end = self._buffer.find(b"\n")
        stop = end if end >= 0 else len(self._buffer)
        self._tail = (self._tail + self._buffer[:stop])[-_TAIL:]
        del self._buffer[: stop + 1]
        self._swallowed += stop
        if self._swallowed > self._limits.swallow:
            return self._hang_up()
        if end < 0:
            return None
        tail, self._tail = self._tail.removesuffix(b"\r"), b""
        return self._end_of_discarded(tail)

    def _end_of_discarded(self, tail: bytes) -> Event | None:
        """A line of an unwanted command has ended: so has the command, unless a literal follows."""
        announced = None if self._raw else _LITERAL.search(tail)
        if announced is not None:
            return self._skip_literal(int(announced[2]), not announced[3])
        if not self._raw and _ABSURD.search(tail):
            return self._hang_up()
        return self._refused()

    def _skip_literal(self, size: int, synchronizing: bool) -> Event | None:
        if synchronizing:
            # Without its `+` the client sends neither the literal nor the rest (RFC 9051 §4.3).
            return self._refused()
        self._swallowed += size
        if self._swallowed > self._limits.swallow:
            return self._hang_up()
        self._left = size
        self._state = _State.SWALLOW
        return None

    def _refused(self) -> Refused:
        assert self._refusal is not None
        event = Refused(self._tag, *self._refusal, tuple(self._sinks))
        self._raw = False
        self._state = _State.TEXT
        self._begin()
        return event

    def _hang_up(self) -> Hangup:
        event = Hangup("too much data", tuple(self._sinks))
        self.reset()
        self._state = _State.OVER
        return event
