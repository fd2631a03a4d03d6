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

from dataclasses import dataclass
from typing import TypeAlias

from mailsuite.imapd.syntax.model import StoredLiteral


@dataclass(frozen=True, slots=True)
class Limits:
    """Octets and counts per command.

    line            text of one command without its literals; also of one raw line
    memory          all its literals that are kept in memory, together
    literals        how many literals
    literal         one streamed literal
    swallow         a refused non-synchronising literal up to this size is read and thrown away;
                    beyond it the connection ends (RFC 7888 §4)
    """

    line: int = 1 << 16
    memory: int = 1 << 18
    literals: int = 64
    literal: int = 1 << 30
    swallow: int = 1 << 27


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal in memory. `binary` is literal8 (RFC 3516, RFC 9051)."""

    data: bytes
    binary: bool = False


Chunk: TypeAlias = bytes | Literal | StoredLiteral
"""A piece of a command: text without line end and without `{n}`, or a literal."""


@dataclass(frozen=True, slots=True)
class Line:
    """One whole command. `chunks` alternates text, literal, text, ... and begins with text."""

    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class LiteralAnnounced:
    """A literal is about to come; the receiver waits for accept, stream or refuse.

    chunks         the command so far
    size           octets
    binary         literal8
    synchronizing  the client waits for `+ ...`; otherwise its octets are already under way
    """

    chunks: tuple[Chunk, ...]
    size: int
    binary: bool
    synchronizing: bool


@dataclass(frozen=True, slots=True)
class LiteralData:
    """Octets of a streamed literal, in order, to be written to `sink`."""

    sink: object
    data: bytes


@dataclass(frozen=True, slots=True)
class RawLine:
    """A line asked for by `expect_line` (AUTHENTICATE, IDLE), without its line end."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A command, or a raw line, that will not come: answer it.

    tag        None when it could not be told (answer untagged)
    condition  "BAD" or "NO"
    text       with a response code where one fits
    sinks      sinks of this command's streamed literals, to be thrown away
    """

    tag: str | None
    condition: str
    text: str
    sinks: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Hangup:
    """The client is beyond bounds: say BYE with `text` and close. Nothing follows."""

    text: str
    sinks: tuple[object, ...] = ()


Event: TypeAlias = Line | LiteralAnnounced | LiteralData | RawLine | Refused | Hangup


class Receiver:
    """One connection's incoming octets."""

    def __init__(self, limits: Limits | None = None) -> None: ...

    def feed(self, data: bytes) -> None:
        """Add octets from the client. Take all events before feeding again."""

    def next_event(self) -> Event | None:
        """The next event, or None: more data wanted (or an announced literal not decided)."""

    def accept(self) -> bool:
        """Take the announced literal into memory.

        False when it does not fit the limits: it has then been refused, a `Refused` follows.
        """
        return True

    def stream(self, sink: object) -> bool:
        """Take the announced literal as `LiteralData`, then as `StoredLiteral(sink, size)`.

        False when it is over `Limits.literal`: refused, as with `accept`.
        """
        return True

    def refuse(self, condition: str, text: str) -> None:
        """Don't take the announced literal; the rest of the command is read and thrown away.

        `Refused(tag, condition, text)` follows once the command has ended.
        """

    def expect_line(self) -> None:
        """The next line is no command: it comes as `RawLine` (or `Refused`, when too long)."""

    def unread(self, line: bytes) -> None:
        """Put a line taken as `RawLine` back: it was a command after all (sent during IDLE)."""

    @property
    def sinks(self) -> tuple[object, ...]:
        """Sinks of the command that is being received: throw them away when the client is gone."""
        return ()

    @property
    def pending(self) -> bool:
        """Octets are here that no event has been made of (the client pipelines)."""
        return False

    def reset(self) -> None:
        """Forget everything received (after STARTTLS: RFC 9051 §6.2.1)."""
