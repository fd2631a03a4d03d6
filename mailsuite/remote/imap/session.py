"""A session with an IMAP server: commands out, responses in, large messages to where they go.

Promises: memory is bounded whatever the server sends; every wait ends; a session that has raised is
not used again. Several commands may be on their way at once; a server may then work on them at the
same time (RFC 9051 §5.5), so data of one may come while another is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from mailsuite.remote.endpoint import Endpoint
from mailsuite.remote.errors import Nonsense, Refused, RemoteError, Unreachable
from mailsuite.remote.imap import dialogue
from mailsuite.remote.imap.command import string
from mailsuite.remote.imap.receiver import Begins, Event, Octets, Receiver, Whole
from mailsuite.remote.imap.response import Continuation, Data, Response, Status, parse
from mailsuite.remote.link import ANSWER_WAIT, Link, open_link

MAX_COLLECTED = 100_000
MAX_DATA = 20_000_000
"""Responses to one command: two for each message of a mailbox larger than any."""


class Sink(Protocol):
    """Takes the octets of one large message."""

    async def write(self, data: bytes) -> None: ...
    async def discard(self) -> None: ...


class ImapSession:
    """Made by `open_imap`.

    capabilities  in capitals
    large         a large literal of the response that `until` gave last: where its octets went;
                  whoever takes it sets it to None
    """

    def __init__(self, link: Link, name: str) -> None:
        self.capabilities: frozenset[str] = frozenset()
        self.large: Sink | None = None
        self._link = link
        self._name = name
        self._receiver = Receiver()
        self._events: deque[Event] = deque()
        self._tags = 0
        self._under_way: set[str] = set()
        self._ended: dict[str, Status] = {}  # before anybody has waited for them

    # -- beginning and end -------------------------------------------------------------------------

    async def begin(self, endpoint: Endpoint) -> None:
        """Greet and sign in. Raises RemoteError."""
        beginning = dialogue.Beginning(
            self._name,
            endpoint.login,
            starttls=endpoint.tls == "starttls",
            secure=self._link.is_secure,
            bindings=self._link.bindings,
            next_tag=self._next_tag,
        )
        self.capabilities = await self._link.carry_out(
            beginning.run(), self._response, self._forget
        )

    def _forget(self) -> None:
        """What has come before TLS."""
        self._receiver = Receiver()
        self._events.clear()

    async def logout(self) -> None:
        """Take leave."""
        try:
            async with asyncio.timeout(5):
                await self.call(b"LOGOUT")
        except (RemoteError, TimeoutError):
            self._link.abort()
        except BaseException:
            self._link.abort()
            raise
        self._link.close()

    def abort(self) -> None:
        """Hang up at once."""
        self._link.abort()

    # -- commands ----------------------------------------------------------------------------------

    async def give(self, *parts: bytes) -> bytes:
        """Send a command of these words, without waiting for its end; its tag."""
        tag = self._next_tag()
        self._under_way.add(tag.decode())
        await self._link.write(tag + b" " + b" ".join(parts) + b"\r\n")
        return tag

    async def until(
        self,
        tag: bytes,
        sink: Callable[[], Awaitable[Sink]] | None = None,
        *,
        wait: float = ANSWER_WAIT,
    ) -> AsyncIterator[Data]:
        """The data that comes until the end of that command.

        `sink` makes the places for large literals (see `large`); without one they are Nonsense.
        Raises Refused when the answer is no, RemoteError.
        """
        name, count = tag.decode(), 0
        while name not in self._ended:
            try:
                response = await self._response(sink, wait=wait)
            except BaseException:
                await asyncio.shield(self._drop_large())
                raise
            if isinstance(response, Data):
                yield response
                await self._drop_large()
                count += 1
                if count > MAX_DATA:
                    raise Nonsense(f"{self._name} does not end its answer")
            elif isinstance(response, Continuation):
                raise Nonsense(f"{self._name} waits for what was not announced")
            elif response.tag:
                if response.tag not in self._under_way:
                    raise Nonsense(f"{self._name} answers a command that was not given")
                self._under_way.discard(response.tag)
                self._ended[response.tag] = response
            elif response.kind == "BYE":
                raise Unreachable(f"{self._name} ends the session: {response}")
            elif response.code:
                yield _told(response)
        end = self._ended.pop(name)
        if end.kind != "OK":
            raise Refused(f"{self._name}: {end}", end.code)
        yield _told(end)

    async def call(self, *parts: bytes) -> list[Data]:
        """A command and all its data. OK responses with a code are Data of the name "OK"."""
        found: list[Data] = []
        tag = await self.give(*parts)
        async for data in self.until(tag):
            found.append(data)
            if len(found) > MAX_COLLECTED:
                raise Nonsense(f"{self._name} sends too many responses to {parts[0].decode()}")
        return found

    async def call_with_mailbox(self, command: bytes, name: bytes, *parts: bytes) -> list[Data]:
        """The same of a command whose first argument is a mailbox's name."""
        quoted = string(name)
        if quoted is not None:
            return await self.call(command, quoted, *parts)
        return await self._call_with_literal(command, name, *parts)

    async def _call_with_literal(self, command: bytes, name: bytes, *parts: bytes) -> list[Data]:
        tag = await self.give(command, b"{%d}" % len(name))
        while not isinstance(response := await self._response(), Continuation):
            self._goes_on(response)
        await self._link.write(b" ".join([name, *parts]) + b"\r\n")
        return [data async for data in self.until(tag)]

    def _goes_on(self, response: Response) -> None:
        """Raises Refused where it ends the command, Unreachable where it ends the session."""
        if isinstance(response, Status) and response.kind == "BYE":
            raise Unreachable(f"{self._name} ends the session: {response}")
        if isinstance(response, Status) and response.tag:
            raise Refused(f"{self._name}: {response}", response.code)

    # -- IDLE --------------------------------------------------------------------------------------

    async def idle(self, wait: float) -> bool:
        """Wait (RFC 2177) for news of the selected mailbox, `wait` seconds at most; was there any?

        Raises RemoteError.
        """
        tag = await self.give(b"IDLE")
        while not isinstance(response := await self._response(), Continuation):
            self._goes_on(response)
        news = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while not news:
                    response = await self._response(wait=wait + 60)
                    self._goes_on(response)
                    news = isinstance(response, Data) and response.name in ("EXISTS", "RECENT")
        await self._link.write(b"DONE\r\n")
        async for data in self.until(tag):
            news = news or data.name == "EXISTS"
        return news

    # -- receiving ---------------------------------------------------------------------------------

    def _next_tag(self) -> bytes:
        self._tags += 1
        return b"A%d" % self._tags

    async def _response(
        self,
        sink: Callable[[], Awaitable[Sink]] | None = None,
        *,
        wait: float = ANSWER_WAIT,
    ) -> Response:
        while True:
            while not self._events:
                self._events.extend(self._receiver.feed(await self._link.read(wait)))
            event = self._events.popleft()
            if isinstance(event, Whole):
                return parse(event.pieces)
            if isinstance(event, Begins):
                if sink is None or self.large is not None:
                    raise Nonsense(f"{self._name} sends {event.size} octets that nobody asked for")
                self.large = await sink()
            elif isinstance(event, Octets) and self.large is not None:
                await self.large.write(event.octets)

    async def _drop_large(self) -> None:
        """What nobody has taken."""
        large, self.large = self.large, None
        if large is not None:
            await large.discard()


def _told(status: Status) -> Data:
    return Data("OK", None, [status.code.encode(), status.arguments.encode()])


async def open_imap(endpoint: Endpoint) -> ImapSession:
    """Connect and sign in. Raises RemoteError."""
    link = await open_link(endpoint)
    session = ImapSession(link, endpoint.host)
    try:
        await session.begin(endpoint)
    except BaseException:
        link.abort()
        raise
    return session
