"""Pure. Octets of an IMAP server -> responses, however they are cut (RFC 9051 §7, §9).

A response is its pieces: texts, and between them literals. Small literals are in the pieces; a
large one is given out as it comes, so that a message is never held in memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from mailsuite.remote.errors import Nonsense

MAX_TEXT = 1 << 20
"""Octets of one response without large literals."""
INLINE = 1 << 17
"""A longer literal is streamed."""
MAX_LITERAL = 1 << 32
_LITERAL = re.compile(rb"~?\{(\d{1,19})\+?\}\Z")


@dataclass(frozen=True, slots=True)
class Literal:
    """The octets of a literal, as a piece."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Large:
    """The place of a literal whose octets have been given out."""

    size: int


Piece: TypeAlias = bytes | Literal | Large


@dataclass(frozen=True, slots=True)
class Whole:
    """A response is complete."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Begins:
    """A large literal begins; `Octets` of that size in all follow, then the response goes on."""

    size: int


@dataclass(frozen=True, slots=True)
class Octets:
    """Octets of a large literal."""

    octets: bytes


Event: TypeAlias = Whole | Begins | Octets


class Receiver:
    """See the module. Holds at most `MAX_TEXT` octets, and what `feed` was given last."""

    __slots__ = ("_buffer", "_left", "_pieces", "_size", "_streaming")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._pieces: list[Piece] = []
        self._size = 0
        self._left = -1  # octets of the literal still to come; -1: none
        self._streaming = False

    def feed(self, data: bytes) -> list[Event]:
        """Take octets; gives what they complete. Raises Nonsense at a bound."""
        events: list[Event] = []
        self._buffer += data
        at = 0
        while True:
            if self._left >= 0:
                step = self._literal(at, events)
            else:
                step = self._text(at, events)
            if not step:
                break
            at += step
        del self._buffer[:at]
        if self._left < 0 and len(self._buffer) + self._size > MAX_TEXT:
            raise Nonsense("the server's response is too long")
        return events

    def _text(self, at: int, events: list[Event]) -> int:
        """Up to a line's end, if it is there; how many octets that took."""
        end = self._buffer.find(b"\n", at)
        if end < 0:
            return 0
        line = bytes(self._buffer[at:end]).removesuffix(b"\r")
        match = _LITERAL.search(line) if line.endswith(b"}") else None
        self._size += len(line)
        if self._size > MAX_TEXT:
            raise Nonsense("the server's response is too long")
        if match is None:
            self._pieces.append(line)
            events.append(Whole(tuple(self._pieces)))
            self._pieces.clear()
            self._size = 0
            return end + 1 - at
        self._pieces.append(line[: match.start()])
        size = int(match[1])
        if size > MAX_LITERAL:
            raise Nonsense(f"the server sends a literal of {size} octets")
        self._left, self._streaming = size, size > INLINE
        if self._streaming:
            self._pieces.append(Large(size))
            events.append(Begins(size))
        else:
            self._size += size
        return end + 1 - at

    def _literal(self, at: int, events: list[Event]) -> int:
        there = len(self._buffer) - at
        if self._streaming:
            count = min(self._left, there)
            if count:
                events.append(Octets(bytes(self._buffer[at : at + count])))
                self._left -= count
            if not self._left:
                self._left = -1
            return count
        if there < self._left:
            return 0
        count = self._left
        self._pieces.append(Literal(bytes(self._buffer[at : at + count])))
        self._left = -1
        # An empty literal takes no octets, and is a step all the same.
        return count or self._text(at, events)
