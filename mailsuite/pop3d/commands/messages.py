"""One message: RETR, TOP, DELE (RFC 1939 §5, §7)."""

from mailsuite.pop3d.commands.row import Context
from mailsuite.pop3d.maildrop import Message, NotThere
from mailsuite.pop3d.octets import Stuffer, Top
from mailsuite.pop3d.replies import Err, Octets, Ok, Reply, Whole
from mailsuite.pop3d.syntax import number
from mailsuite.store import MessageFile

SLICE = 1 << 17  # octets read and sent at once


async def retr(session: Context, arguments: list[bytes]) -> Reply:
    """Streams the message; it does not become \\Seen by that."""
    try:
        message = session.maildrop.find(arguments[0])
        return await _send(session, message, f"{message.size} octets", None)
    except NotThere as error:
        return Err(str(error))


async def top(session: Context, arguments: list[bytes]) -> Reply:
    """Of a small message's header alone, not even its file is opened."""
    lines = number(arguments[1])
    if lines is None:
        return Err("the count of lines must be a number", fault=True)
    try:
        message = session.maildrop.find(arguments[0])
        text = "top of message follows"
        if not lines and (header := await session.maildrop.header(message)) is not None:
            return Whole(text, _ended(header))
        return await _send(session, message, text, Top(lines))
    except NotThere as error:
        return Err(str(error))


async def _send(session: Context, message: Message, text: str, top: Top | None) -> Reply:
    octets = await session.maildrop.whole(message)
    if octets is None:
        return Octets(text, await Outgoing.open(await session.maildrop.read(message), top))
    return Whole(text, _ended(octets if top is None else top.feed(octets)))


def _ended(octets: bytes) -> bytes:
    stuffer = Stuffer()
    return stuffer.feed(octets) + stuffer.finish()


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

    __slots__ = ("_ended", "_file", "_position", "_read", "_stuffer", "_top")

    def __init__(self, file: MessageFile, top: Top | None) -> None:
        self._file = file
        self._top = top
        self._stuffer = Stuffer()
        self._position = 0
        self._read: bytes | None = None
        self._ended = False

    @classmethod
    async def open(cls, file: MessageFile, top: Top | None = None) -> "Outgoing":
        """Reads the first slice: what can't be read must fail before `+OK` has been said."""
        source = cls(file, top)
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
        stuffed = self._stuffer.feed(octets if top is None else top.feed(octets))
        if not octets or self._position >= self._file.size or (top is not None and top.done):
            self._ended = True
            stuffed += self._stuffer.finish()
        return stuffed

    def close(self) -> None:
        self._file.close()
