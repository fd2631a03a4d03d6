"""A session with a POP3 server (RFC 1939): what is there, messages out of it, and away.

Promises: memory is bounded whatever the server sends; every wait ends; what was marked for deletion
is deleted by `quit` alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from mailsuite.remote.endpoint import Endpoint
from mailsuite.remote.errors import Nonsense, Refused
from mailsuite.remote.link import Link, open_link
from mailsuite.remote.pop3.dialogue import Beginning
from mailsuite.remote.pop3.reader import MAX_LINE, Reader, Reply, reply

MAX_MESSAGES = 1_000_000


@dataclass(frozen=True, slots=True)
class Item:
    """A message of the maildrop: its number in this session, its unique id, its octets."""

    number: int
    unique_id: str
    size: int


class Pop3Session:
    """Made by `open_pop3`. `capabilities` in capitals."""

    def __init__(self, link: Link, name: str) -> None:
        self.capabilities: frozenset[str] = frozenset()
        self._link = link
        self._name = name
        self._reader = Reader()

    async def begin(self, endpoint: Endpoint) -> None:
        """Greet and sign in. Raises RemoteError."""
        beginning = Beginning(
            self._name,
            endpoint.login,
            starttls=endpoint.tls == "starttls",
            secure=self._link.is_secure,
            bindings=self._link.bindings,
        )
        self.capabilities = await self._link.carry_out(beginning.run(), self._line, self._forget)

    def _forget(self) -> None:
        """What has come before TLS."""
        self._reader = Reader()

    async def items(self) -> list[Item]:
        """All messages, by number. Raises RemoteError, also when the server has no unique ids."""
        unique_ids = await self._table(b"UIDL")
        sizes = await self._table(b"LIST")
        return [
            Item(number, unique_id, _octets(sizes.get(number, "")))
            for number, unique_id in sorted(unique_ids.items())
        ]

    async def _table(self, command: bytes) -> dict[int, str]:
        """A reply of lines "number text"."""
        await self._ask(command)
        found: dict[int, str] = {}
        held = b""
        async for piece in self._body():
            *lines, held = (held + piece).split(b"\n")
            for line in lines:
                word, _, text = line.strip().partition(b" ")
                if not word.isdigit() or not text or len(word) > 10:
                    raise Nonsense(f"{self._name}: no line of {command.decode()}: {line[:60]!r}")
                found[int(word)] = text.split(b" ")[0].decode("ascii", "replace")
            if len(held) > MAX_LINE:
                raise Nonsense(f"{self._name}: a line of {command.decode()} is too long")
            if len(found) > MAX_MESSAGES:
                raise Nonsense(f"{self._name}: more than {MAX_MESSAGES} messages")
        return found

    async def retrieve(self, number: int) -> AsyncIterator[bytes]:
        """A message's octets. To be read to the end. Raises RemoteError."""
        await self._ask(b"RETR %d" % number)
        async for piece in self._body():
            yield piece

    async def delete(self, number: int) -> None:
        """Mark a message; it goes at `quit`. Raises RemoteError."""
        await self._ask(b"DELE %d" % number)

    async def quit(self) -> None:
        """Take leave; what was marked is deleted. Raises RemoteError when that is not certain."""
        try:
            await self._ask(b"QUIT")
        except BaseException:
            self._link.abort()
            raise
        self._link.close()

    def abort(self) -> None:
        """Hang up at once: nothing is deleted."""
        self._link.abort()

    async def _ask(self, command: bytes) -> Reply:
        await self._link.write(command + b"\r\n")
        answer = reply(await self._line())
        if not answer.ok:
            verb = command.split(b" ")[0].decode()
            raise Refused(f"{self._name}: {verb}: {answer.text}", answer.code)
        return answer

    async def _line(self) -> bytes:
        while (line := self._reader.line()) is None:
            self._reader.feed(await self._link.read())
        return line

    async def _body(self) -> AsyncIterator[bytes]:
        self._reader.begin_body()
        while True:
            piece = self._reader.body()
            if piece:
                yield piece
            elif self._reader.ended:
                return
            else:
                self._reader.feed(await self._link.read())


def _octets(told: str) -> int:
    """0: it does not say."""
    return int(told) if told.isdigit() and len(told) <= 18 else 0


async def open_pop3(endpoint: Endpoint) -> Pop3Session:
    """Connect and sign in. Raises RemoteError."""
    link = await open_link(endpoint)
    session = Pop3Session(link, endpoint.host)
    try:
        await session.begin(endpoint)
    except BaseException:
        link.abort()
        raise
    return session
