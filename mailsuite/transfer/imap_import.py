"""`mailsuite import ADDR imap://user@host`: a whole account of another server.

Several connections at once, a folder each. May be stopped and run again: what has come over is
known by UIDVALIDITY and UID, flags changed since are brought up to date. The other server is only
read (EXAMINE, BODY.PEEK). Memory is the same for any number of messages, but for four octets each.
"""

from __future__ import annotations

import asyncio
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from mailsuite.remote import Nonsense, Refused, SignInRefused, Unreachable
from mailsuite.remote.access import Access
from mailsuite.remote.imap import Data, Fetched, ImapSession, fetched, number, sets
from mailsuite.store import TempMessage
from mailsuite.transfer.choice import Choice
from mailsuite.transfer.filling import Filling
from mailsuite.transfer.imap_source import ImapFolder, folders, is_dovecot
from mailsuite.transfer.names import assign
from mailsuite.transfer.state import Key, Known
from mailsuite.transfer.target import Arrival, Target, TargetFolder, clean
from mailsuite.transfer.uidlist import POP3_FORM

FLAGS_AT_ONCE = 1000
BODIES_AT_ONCE = 100
USUAL_FLAGS = 20  # of a message; sets of more are not kept
COMMANDS = 2
"""So many FETCHes are on their way at once, so that the line is never idle."""
WHAT = b"(UID FLAGS INTERNALDATE BODY.PEEK[])"
TRIES = 5
PAUSE = 2.0  # seconds before another connection, growing


class _NoMore(Unreachable):
    """No connection, though there may be others."""


@dataclass(slots=True)
class _Selected:
    """What EXAMINE tells."""

    messages: int = 0
    uidvalidity: int = 0
    uidnext: int = 0


@dataclass(slots=True)
class _Comparison:
    """What of a folder has not come over yet, and what is there at all (UIDs, ascending).

    known, done  what has been told to the progress, to be taken back when the folder begins anew
    """

    known: int = 0
    done: int = 0
    listed: int = 0
    fresh: array[int] = field(default_factory=lambda: array("I"))
    there: array[int] = field(default_factory=lambda: array("I"))

    def has(self, key: Key) -> bool:
        """This UID is there."""
        uid = cast(int, key)
        place = bisect_left(self.there, uid)
        return place < len(self.there) and self.there[place] == uid


class ImapImport:
    """See the module."""

    def __init__(self, access: Access, target: Target, choice: Choice, *, connections: int) -> None:
        self._access = access
        self._target = target
        self._choice = choice
        self._connections = connections
        self._progress = target.progress
        self._usual_form = ""
        self._working = 0
        self._flags: dict[tuple[str, ...], frozenset[str]] = {}

    async def run(self) -> None:
        """Bring everything over. Raises UserError, StoreError."""
        self._progress.doing = f"asking {self._access.endpoint.host} for folders"
        session = await self._access.imap()
        try:
            if await is_dovecot(session):
                self._usual_form = POP3_FORM
            found = await folders(session, self._choice)
        except BaseException:
            session.abort()
            raise
        self._progress.total = sum(folder.messages for folder in found)
        locals_ = assign([folder.named for folder in found], await self._target.special_uses())
        waiting = deque((folder, locals_[folder.named.name]) for folder in found)
        workers = min(self._connections, len(found))
        sessions: list[ImapSession | None] = [session, *[None] * (workers - 1)]
        try:
            async with asyncio.TaskGroup() as group:
                for one in sessions[:workers]:
                    group.create_task(self._work(waiting, one))
        except BaseExceptionGroup as group_error:
            raise _first(group_error) from group_error
        if not workers:
            await session.logout()

    async def _work(
        self, waiting: deque[tuple[ImapFolder, str]], session: ImapSession | None
    ) -> None:
        """One connection: a folder after the other; anew when it is lost."""
        tries = 0
        self._working += 1
        try:
            while waiting:
                folder, local = waiting.popleft()
                before = self._progress.new
                compared = _Comparison()
                try:
                    if session is None:
                        session = await self._connected()
                    await self._folder(session, folder, self._choice.placed(local), compared)
                except Unreachable as error:
                    if session is not None:
                        session.abort()
                        session = None
                    self._progress.known -= compared.known
                    self._progress.done -= compared.done
                    waiting.appendleft((folder, local))
                    if isinstance(error, _NoMore) and self._working > 1:
                        self._progress.note(f"fewer connections at once: {error}")
                        return
                    tries = 1 if self._progress.new > before else tries + 1
                    if tries > TRIES:
                        raise
                    self._progress.note(f"{folder.named.name}: {error}; connected again")
                    await asyncio.sleep(PAUSE * tries)
                except Refused as error:
                    self._progress.note(f"{folder.named.name}: not brought over: {error}")
                    self._progress.left += 1
                else:
                    self._progress.folders += 1
            if session is not None:
                await session.logout()
                session = None
        finally:
            self._working -= 1
            if session is not None:
                session.abort()

    async def _connected(self) -> ImapSession:
        """Raises _NoMore: one connection more is not to be had, for servers bound their number."""
        try:
            return await self._access.imap()
        except SignInRefused as error:
            if self._working > 1:  # some refuse the password where there are too many
                raise _NoMore(str(error)) from error
            raise
        except (Refused, Unreachable) as error:
            raise _NoMore(str(error)) from error

    # -- one folder --------------------------------------------------------------------------------

    async def _folder(
        self, session: ImapSession, folder: ImapFolder, local: str, compared: _Comparison
    ) -> None:
        selected = await _examine(session, folder)
        self._progress.doing = local
        target = await self._target.folder(
            folder.named.name,
            local,
            uidvalidity=selected.uidvalidity,
            uidnext=selected.uidnext,
            keep_uids=self._choice.keep_uids,
            unique_ids=self._choice.unique_ids or self._usual_form,
            subscribed=folder.subscribed,
        )
        if selected.messages:
            await self._compare(session, target, compared)
        all_listed = compared.listed >= selected.messages
        if not all_listed:
            left = f"{compared.listed} of {selected.messages} messages"
            self._progress.note(f"{target.local}: the server lists {left}")
        await self._bring(session, target, compared)
        # What is not listed, of those that it says are there, has not vanished.
        if self._choice.remove_vanished and all_listed:
            await target.remove_all_but(compared.has)
        await target.finish(selected.uidvalidity, selected.uidnext)

    async def _compare(
        self, session: ImapSession, target: TargetFolder, compared: _Comparison
    ) -> None:
        """Ask for all flags; those of what has come over are brought up to date."""
        seen: list[tuple[Key, frozenset[str] | None]] = []
        tag = await session.give(b"UID FETCH 1:*", b"(UID FLAGS)")
        async for data in session.until(tag):
            one = _fetched(data)
            if one is None or one.uid is None:
                continue
            seen.append((one.uid, None if one.flags is None else self._clean(one.flags)))
            compared.listed += 1
            if len(seen) >= FLAGS_AT_ONCE:
                await self._sort(target, seen, compared)
                seen = []
        await self._sort(target, seen, compared)
        for uids in (compared.fresh, compared.there):
            ordered = await asyncio.to_thread(sorted, set(uids))
            uids[:] = array("I", ordered)

    async def _sort(
        self,
        target: TargetFolder,
        seen: list[tuple[Key, frozenset[str] | None]],
        compared: _Comparison,
    ) -> None:
        known = await target.known([uid for uid, _ in seen])
        changed: list[tuple[Key, Known, frozenset[str]]] = []
        for uid, flags in seen:
            before = known.get(uid)
            if before is None:
                compared.fresh.append(cast(int, uid))
            elif flags is not None and before.flags != flags:
                changed.append((uid, before, flags))
            if self._choice.remove_vanished:
                compared.there.append(cast(int, uid))
        await target.reflag(changed)
        compared.known += len(known)
        self._progress.known += len(known)
        self._done(compared, len(known))

    def _done(self, compared: _Comparison, count: int) -> None:
        compared.done += count
        self._progress.done += count

    def _clean(self, flags: tuple[str, ...]) -> frozenset[str]:
        found = self._flags.get(flags)
        if found is None:
            found = clean(flags)
            if len(flags) <= USUAL_FLAGS:
                if len(self._flags) > 10_000:
                    self._flags.clear()
                self._flags[flags] = found
        return found

    async def _bring(
        self, session: ImapSession, target: TargetFolder, compared: _Comparison
    ) -> None:
        groups: Iterator[tuple[list[int], bytes]] = sets(compared.fresh, BODIES_AT_ONCE)
        given: deque[tuple[list[int], bytes]] = deque()
        wanted: set[int] = set()  # by all commands: a server may answer them in any order

        async def give() -> None:
            for group, text in groups:
                wanted.update(group)
                given.append((group, await session.give(b"UID FETCH", text, WHAT)))
                return

        async def take(tag: bytes) -> None:
            async for data in session.until(tag, self._target.account.new_temp):
                arrival = self._arrival(session, _fetched(data), wanted)
                if arrival is not None:
                    self._done(compared, 1)
                    await filling.add(arrival)

        async with Filling(target) as filling:
            for _ in range(COMMANDS):
                await give()
            while given:
                group, tag = given.popleft()
                why = ""
                try:
                    await take(tag)
                except Refused:  # one that can't be read must not keep the others from coming
                    for uid in sorted(wanted.intersection(group)):
                        try:
                            await take(await session.give(b"UID FETCH", b"%d" % uid, WHAT))
                        except Refused as error:
                            why = f": {error}"
                # Expunged over there meanwhile, most likely; else the next run asks again.
                missing = wanted.intersection(group)
                wanted -= missing
                self._done(compared, len(missing))
                if why:
                    self._progress.left += len(missing)
                if missing:
                    self._progress.note(
                        f"{target.local}: {len(missing)} messages were not given{why}"
                    )
                await give()

    def _arrival(
        self, session: ImapSession, one: Fetched | None, wanted: set[int]
    ) -> Arrival | None:
        """The message in a response, if it is one that was asked for."""
        if one is None or one.uid not in wanted or one.body is None:
            return None
        source: bytes | TempMessage
        if isinstance(one.body, bytes):
            source, size = one.body, len(one.body)
        else:
            large, session.large = session.large, None
            assert isinstance(large, TempMessage)
            source, size = large, one.body.size
        wanted.discard(one.uid)
        flags = self._clean(one.flags or ())
        return Arrival(one.uid, source, size, flags, one.date, one.uid, one.zone)


async def _examine(session: ImapSession, folder: ImapFolder) -> _Selected:
    """Raises RemoteError."""
    found = _Selected()
    for data in await session.call_with_mailbox(b"EXAMINE", folder.raw):
        if data.name == "EXISTS":
            found.messages = data.number or 0
        elif data.name == "OK" and isinstance(argument := data.values[1], bytes):
            if data.values[0] == b"UIDVALIDITY":
                found.uidvalidity = number(argument)
            elif data.values[0] == b"UIDNEXT":
                found.uidnext = number(argument)
    if not found.uidvalidity:
        raise Nonsense(f"{folder.named.name}: the server tells no UIDVALIDITY")
    return found


def _fetched(data: Data) -> Fetched | None:
    return fetched(data) if data.name == "FETCH" else None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to tell, of several connections'."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
