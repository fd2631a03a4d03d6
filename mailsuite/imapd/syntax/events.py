"""Pure. What the receiver makes of the client's octets, and its limits. These values only hold."""

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
