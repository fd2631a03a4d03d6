"""One message: RETR, TOP, DELE (RFC 1939 §5, §7)."""

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

from mailsuite.message.surrogate import Edit, Edited, is_fit, surrogate
from mailsuite.pop3d.commands.row import Context
from mailsuite.pop3d.maildrop import Message, NotThere
from mailsuite.pop3d.octets import Stuffer, Top, stuffed
from mailsuite.pop3d.replies import Err, Octets, Ok, Reply, Whole
from mailsuite.pop3d.syntax import number
from mailsuite.store import MessageFile

SLICE = 1 << 17  # octets read and sent at once
TOP_FOLLOWS = "top of message follows"
Edits: TypeAlias = tuple[Edit, ...] | None


async def retr(session: Context, arguments: list[bytes]) -> Reply:
    """Streams the message; it does not become \\Seen by that."""
    try:
        message = session.maildrop.find(arguments[0])
        reply = await _send(session, message, None)
    except NotThere as error:
        return Err(str(error))
    if not isinstance(reply, Err):
        session.maildrop.retrieved(message)
    return reply


async def top(session: Context, arguments: list[bytes]) -> Reply:
    """Of a small message's header alone, not even its file is opened."""
    lines = number(arguments[1])
    if lines is None:
        return Err("the count of lines must be a number", fault=True)
    try:
        message = session.maildrop.find(arguments[0])
        if not lines and (header := await session.maildrop.header(message)) is not None:
            edits = await _edits(session, header)
            return _refusal(session, edits) or _whole(header, edits, TOP_FOLLOWS)
        return await _send(session, message, Top(lines))
    except NotThere as error:
        return Err(str(error))


def at_once(session: Context, line: bytes) -> bytes | None:
    """The answer to RETR, or TOP of the header alone, of a message that is in memory.

    None: the command must go the long way, to the same answer.
    """
    keyword, _, argument = line.partition(b" ")
    if keyword.upper() == b"TOP" and argument.endswith(b" 0"):
        header, argument = True, argument[:-2]
    elif keyword.upper() == b"RETR":
        header = False
    else:
        return None
    maildrop = session.maildrop
    place = maildrop.place(argument)
    octets = maildrop.at_hand(place, header=header) if place >= 0 else None
    if octets is None or not (session.utf8 or octets.isascii() or is_fit(octets)):
        return None
    maildrop.gave(place, header=header)
    size = len(octets) if octets.endswith(b"\r\n") or not octets else len(octets) + 2
    text = TOP_FOLLOWS if header else f"{size} octets"
    return stuffed(f"+OK {text}\r\n".encode(), octets)


async def _edits(session: Context, octets: bytes) -> Edits:
    """What is to be changed for this client in a message that is in memory."""
    if session.utf8 or is_fit(octets):
        return ()
    return await asyncio.to_thread(surrogate, octets)


async def _send(session: Context, message: Message, top: Top | None) -> Reply:
    maildrop = session.maildrop
    octets = await maildrop.whole(message)
    edits: Edits = ()
    if octets is None and not session.utf8:
        edits = await maildrop.surrogate(message)
    elif octets is not None:
        edits = await _edits(session, octets)
    if (refusal := _refusal(session, edits)) is not None:
        return refusal
    assert edits is not None
    size = message.size + sum(edit.growth for edit in edits)
    text = f"{size} octets" if top is None else TOP_FOLLOWS
    if octets is not None:
        return _whole(octets, edits, text, top)
    return Octets(text, await Outgoing.open(await maildrop.read(message), edits, top))


def _refusal(session: Context, edits: Edits) -> Err | None:
    """RFC 6856 §5: the client may come again and say UTF8 before it signs in."""
    if edits is None or (edits and session.settings.refuse_utf8):
        return Err("the message has UTF-8 in its header", code="UTF8")
    return None


def _whole(octets: bytes, edits: Edits, text: str, top: Top | None = None) -> Whole:
    if edits:
        octets = Edited(edits).feed(octets)
    stuffer = Stuffer()
    return Whole(text, stuffer.feed(octets if top is None else top.feed(octets)) + stuffer.finish())


async def dele(session: Context, arguments: list[bytes]) -> Reply:
    """Only marks: nothing is deleted before QUIT."""
    try:
        message = session.maildrop.find(arguments[0])
    except NotThere as error:
        return Err(str(error))
    session.maildrop.mark(message)
    return Ok(f"message {message.number} marked as deleted")


class Outgoing:
    """A message, or its top, as it goes over the wire, slice by slice, to the final dot."""

    __slots__ = ("_edited", "_ended", "_file", "_position", "_read", "_stuffer", "_top")

    def __init__(self, file: MessageFile, edits: Sequence[Edit], top: Top | None) -> None:
        self._file = file
        self._edited = Edited(edits)
        self._top = top
        self._stuffer = Stuffer()
        self._position = 0
        self._read: bytes | None = None
        self._ended = False

    @classmethod
    async def open(cls, file: MessageFile, edits: Sequence[Edit], top: Top | None) -> "Outgoing":
        """Reads the first slice: what can't be read must fail before `+OK` has been said."""
        source = cls(file, edits, top)
        try:
            source._read = await file.read(0, SLICE)
        except BaseException:
            file.close()
            raise
        return source

    async def next(self) -> bytes:
        """The next slice; b"" after the last. Raises StoreError or OSError."""
        if self._ended:
            return b""
        octets, self._read = self._read, None
        if octets is None:
            octets = await self._file.read(self._position, SLICE)
        self._position += len(octets)
        top = self._top
        edited = self._edited.feed(octets)
        stuffed = self._stuffer.feed(edited if top is None else top.feed(edited))
        if not octets or self._position >= self._file.size or (top is not None and top.done):
            self._ended = True
            stuffed += self._stuffer.finish()
        return stuffed

    def close(self) -> None:
        self._file.close()
