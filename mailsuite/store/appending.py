"""How messages come into an account: first their files, then their UIDs and names.

Promises: an append runs to its end whether its caller waits or not; what was written aside and is
not wanted is removed.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from mailsuite.base.tasks import Threads, committed, outlasted
from mailsuite.store.files import AccountFiles
from mailsuite.store.prepared import Prepared, Request, clean_up, prepare, settle, to_link
from mailsuite.store.temp import TempMessage
from mailsuite.store.values import Appended, NewMessage
from mailsuite.store.writer import Writer, refused

AT_ONCE = 32
SMALL = 1 << 16


class Appending:
    """Of one account.

    active  appends under way
    """

    def __init__(self, files: AccountFiles, threads: Threads, writer: Writer) -> None:
        self._files = files
        self._threads = threads
        self._writer = writer
        self.active = 0

    async def append(self, name: str, messages: Sequence[NewMessage]) -> Appended:
        """As `AccountStore.append`; the name is canonical."""
        request = Request(name, [])
        ready = self._left_to_writer(request, messages)
        if ready and not any(_leaves_over(message) for message in messages):
            return await self._submit_alone(request)
        work = self._submit(request, messages, self._writer.append, ready=ready)
        return await committed(work)

    async def submit(
        self,
        name: str,
        messages: Sequence[NewMessage],
        submit: Callable[[Request], Awaitable[Appended]],
    ) -> Appended:
        """Make the files, and hand them in by `submit`. Raises as `AccountStore.append`."""
        request = Request(name, [])
        return await committed(self._submit(request, messages, submit, ready=False))

    def _left_to_writer(self, request: Request, messages: Sequence[NewMessage]) -> bool:
        """Whether its files are there, or soon made."""
        links = [to_link(self._files, message) for message in messages]
        found = [link for link in links if link is not None]
        if len(found) == len(messages):
            request.messages += found
        elif _is_small(messages):
            # One thread's turn, not two one after the other.
            request.begin = partial(self._prepare, messages, request.messages)
        else:
            return False
        return True

    async def _submit_alone(self, request: Request) -> Appended:
        """The usual delivery: where it succeeds, nothing is left over."""
        self.active += 1
        try:
            return await outlasted(self._writer.appending(request))
        except (Exception, asyncio.CancelledError):  # it may have failed after its caller had gone
            await committed(self._threads.run(clean_up, request.messages))
            raise
        finally:
            self.active -= 1

    async def _submit(
        self,
        request: Request,
        messages: Sequence[NewMessage],
        submit: Callable[[Request], Awaitable[Appended]],
        *,
        ready: bool,
    ) -> Appended:
        self.active += 1
        appended = None
        try:
            if not ready:
                await self._prepare_all(messages, request.messages)
            appended = await submit(request)
        except OSError as error:
            raise refused(self._files, error) from error
        finally:
            self.active -= 1
            wanted = appended is not None and not any(message.repeat for message in messages)
            if not wanted and not all(message.link for message in request.messages):
                # What got its name is no longer there; the rest is not wanted.
                await self._threads.run(clean_up, request.messages)
        for message in messages:
            if isinstance(message.source, TempMessage):
                await message.source.discard()
        return appended

    async def _prepare_all(self, messages: Sequence[NewMessage], done: list[Prepared]) -> None:
        """Write the files of many messages in several threads; what is there is in `done`."""
        pieces = [messages[at : at + AT_ONCE] for at in range(0, len(messages), AT_ONCE)]
        made: list[list[Prepared]] = [[] for _ in pieces]
        work = [
            self._threads.run(self._prepare_durably, piece, its)
            for piece, its in zip(pieces, made, strict=True)
        ]
        results = await asyncio.gather(*work, return_exceptions=True)
        for its in made:
            done.extend(its)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _prepare_durably(self, messages: Sequence[NewMessage], done: list[Prepared]) -> None:
        self._prepare(messages, done)
        settle(done)

    def _prepare(self, messages: Sequence[NewMessage], done: list[Prepared]) -> None:
        for message in messages:
            source = message.source
            dated = message
            if isinstance(source, TempMessage):
                source = source.finish(message.internal_date)
                if isinstance(source, Path) and not message.prefix:
                    # The file has its date already, and can be linked.
                    dated = dataclasses.replace(message, internal_date=None)
            done.append(prepare(self._files, dated, source))


def _leaves_over(message: NewMessage) -> bool:
    """There is something to remove also when it has been appended."""
    return message.repeat or isinstance(message.source, TempMessage)


def _is_small(messages: Sequence[NewMessage]) -> bool:
    """It is a message, and one that is soon written."""
    if len(messages) != 1:
        return False
    source = messages[0].source
    if isinstance(source, TempMessage):
        return source.size <= SMALL
    return isinstance(source, bytes) and len(source) <= SMALL
