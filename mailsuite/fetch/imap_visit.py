"""One visit to a remote IMAP folder: what is new comes into the queue, what is due goes.

Promises: a message is in the queue for good before it is noted as fetched, and noted before it is
deleted at the source; only messages that were fetched are ever deleted there.
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import AsyncIterator
from functools import partial

from mailsuite.base.tasks import committed
from mailsuite.fetch.handing import Handing
from mailsuite.fetch.model import KEEP, Remote
from mailsuite.fetch.visit import NOT_GIVEN, TOO_LARGE, Needs, Told, due_before
from mailsuite.message import mutf7
from mailsuite.remote import Nonsense, Refused
from mailsuite.remote.imap import Data, ImapSession, fetched, number, sets

AT_ONCE = 20
DELETE_AT_ONCE = 500
LEFT_AT_ONCE = 500
ONLY_MARKED = "only marked as deleted there, for the server has no UIDPLUS"
CHANGED = "times the server has numbered the folder anew (UIDVALIDITY): all of it was fetched again"


async def visit(needs: Needs, remote: Remote, session: ImapSession) -> Told:
    """Raises RemoteError, QueueUnavailable."""
    return await _Visit(needs, remote, session).run()


class _Visit:
    def __init__(self, needs: Needs, remote: Remote, session: ImapSession) -> None:
        self._needs = needs
        self._remote = remote
        self._session = session
        self._told = Told()
        self._uidvalidity = 0
        self._left: dict[int, int] = {}  # UIDs of what can't be had now: octets, 0: not given

    async def run(self) -> Told:
        database, threads = self._needs.database, self._needs.threads
        number = self._remote.id
        messages, uidnext = await self._select()
        before, high, begun = await threads.run(database.place, number)
        if before != self._uidvalidity:
            if before:
                self._told.troubles[CHANGED] += 1
            high = uidnext - 1 if self._remote.skip and not begun and uidnext else 0
            await committed(threads.run(database.set_place, number, self._uidvalidity, high))
        if messages:
            again = await self._again()
            await self._bring(array("I", [*again, *await self._new(high)]))
        await committed(threads.run(database.begun, number))
        for size in self._left.values():
            self._told.troubles[TOO_LARGE if size else NOT_GIVEN] += 1
        await self._delete()
        return self._told

    async def _select(self) -> tuple[int, int]:
        """(messages, UIDNEXT or 0)"""
        command = b"EXAMINE" if self._remote.leave == KEEP else b"SELECT"
        messages = uidnext = 0
        name = mutf7.encode(self._remote.folder)
        for data in await self._session.call_with_mailbox(command, name):
            if data.name == "EXISTS":
                messages = data.number or 0
            elif data.name == "OK" and isinstance(value := data.values[1], bytes):
                if data.values[0] == b"UIDVALIDITY":
                    self._uidvalidity = number(value)
                elif data.values[0] == b"UIDNEXT":
                    uidnext = number(value)
        if not self._uidvalidity:
            raise Nonsense(f"{self._remote.host} tells no UIDVALIDITY of {self._remote.folder}")
        return messages, uidnext

    async def _again(self) -> list[int]:
        """UIDs of what could not be had at an earlier visit, is there still, and may come now."""
        needs, number = self._needs, self._remote.id
        left = await needs.threads.run(needs.database.left, number)
        known = {int(key.partition(".")[2]): size for key, size in left.items()}
        found: list[int] = []
        there: set[int] = set()
        for group, text in sets(sorted(known), LEFT_AT_ONCE):
            async for uid, told in self._sizes(text):
                if uid in group:
                    there.add(uid)
                    self._sort(uid, max(told or 0, known[uid]), found)
        gone = [self._key(uid) for uid in known if uid not in there]
        await committed(needs.threads.run(needs.database.no_longer_left, number, gone))
        return sorted(set(found))

    async def _new(self, high: int) -> array[int]:
        """UIDs above `high`, ascending, without those that are too large."""
        found, unsized = array("I"), array("I")
        async for uid, size in self._sizes(b"%d:*" % (high + 1)):
            # "5:*" also names the last message where that is below 5 (RFC 9051 §9: seq-range).
            if uid <= high:
                continue
            if size is None:
                unsized.append(uid)
            else:
                self._sort(uid, size, found)
        await self._leave()
        return array("I", sorted({*found, *unsized} - self._left.keys()))

    async def _sizes(self, text: bytes) -> AsyncIterator[tuple[int, int | None]]:
        """UIDs of a set, as far as they are there, and their octets, if the server tells them."""
        tag = await self._session.give(b"UID FETCH", text, b"(UID RFC822.SIZE)")
        async for data in self._session.until(tag):
            one = fetched(data) if data.name == "FETCH" else None
            if one is not None and one.uid is not None:
                yield one.uid, one.size

    def _sort(self, uid: int, size: int, found: list[int] | array[int]) -> None:
        if size > self._needs.max_size():
            self._left[uid] = size
        else:
            found.append(uid)

    async def _leave(self) -> None:
        """What can't be had is noted, before UIDs above it are: it is asked for again one day."""
        sizes = {self._key(uid): size for uid, size in self._left.items()}
        call = self._needs.database.leave
        await committed(self._needs.threads.run(call, self._remote.id, sizes))

    async def _bring(self, uids: array[int]) -> None:
        for group, text in sets(uids, AT_ONCE):
            wanted = set(group)
            before = dict(self._left)
            try:
                await self._ask(text, wanted)
            except Refused:  # one that can't be read must not keep the others from coming
                for uid in sorted(wanted):
                    with contextlib.suppress(Refused):
                        await self._ask(b"%d" % uid, wanted)
            for uid in wanted:
                self._left.setdefault(uid, 0)
            if self._left != before:
                await self._leave()
            taken = [self._key(uid) for uid in group if uid not in wanted]
            await self._note(taken, group[-1])
            self._told.fetched += len(taken)

    async def _ask(self, uids: bytes, wanted: set[int]) -> None:
        """Have these brought; what has come is wanted no longer. Raises Refused."""
        tag = await self._session.give(b"UID FETCH", uids, b"(UID BODY.PEEK[])")
        async for data in self._session.until(tag, self._large):
            await self._take(data, wanted)

    async def _note(self, keys: list[str], high: int) -> None:
        needs, now = self._needs, self._needs.into.clock.now()
        remember = self._remote.leave != KEEP
        call = partial(needs.database.fetched, high=high, remember=remember)
        await committed(needs.threads.run(call, self._remote.id, keys, now))

    async def _large(self) -> Handing:
        return Handing(self._needs.into, self._remote, self._needs.max_size())

    async def _take(self, data: Data, wanted: set[int]) -> None:
        one = fetched(data) if data.name == "FETCH" else None
        if one is None or one.uid not in wanted or one.body is None:
            return
        if isinstance(one.body, bytes):
            handing = Handing(self._needs.into, self._remote, self._needs.max_size())
        else:
            large, self._session.large = self._session.large, None
            assert isinstance(large, Handing)
            handing = large
        try:
            if isinstance(one.body, bytes):
                await handing.write(one.body)
            if handing.too_large:
                self._left[one.uid] = handing.size
                return
            await committed(handing.commit(self._key(one.uid)))
        except BaseException:
            await handing.discard()
            raise
        wanted.discard(one.uid)

    def _key(self, uid: int) -> str:
        return f"{self._uidvalidity}.{uid}"

    # -- what goes ---------------------------------------------------------------------------------

    async def _delete(self) -> None:
        """Delete over there what was fetched long enough ago."""
        needs, number = self._needs, self._remote.id
        before = due_before(self._remote, needs.into.clock.now())
        if before is None:
            return
        keys = await needs.threads.run(needs.database.older, number, before)
        uids = sorted(int(key.partition(".")[2]) for key in keys)
        for group, text in sets(uids, DELETE_AT_ONCE):
            await self._session.call(b"UID STORE", text, b"+FLAGS.SILENT (\\Deleted)")
            if "UIDPLUS" in self._session.capabilities:
                await self._session.call(b"UID EXPUNGE", text)
            else:
                self._told.troubles[ONLY_MARKED] += len(group)
            gone = [self._key(uid) for uid in group]
            await committed(needs.threads.run(needs.database.forget, number, gone))
