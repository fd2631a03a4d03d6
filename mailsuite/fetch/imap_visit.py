"""One visit to a remote IMAP folder: what is new comes into the queue, what is due goes.

Promises: a message is in the queue for good before it is noted as fetched, and noted before it is
deleted at the source; only messages that were fetched are ever deleted there.
"""

from __future__ import annotations

from array import array
from functools import partial

from mailsuite.base.tasks import committed
from mailsuite.fetch.handing import Handing
from mailsuite.fetch.model import KEEP, Remote
from mailsuite.fetch.visit import NOT_GIVEN, TOO_LARGE, Needs, Told, due_before
from mailsuite.message import mutf7
from mailsuite.remote import Nonsense
from mailsuite.remote.imap import Data, ImapSession, fetched, sets

AT_ONCE = 20
DELETE_AT_ONCE = 500
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
        self._over = 0  # of those asked for now, larger than the server had told

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
            await self._bring(await self._new(high))
        await committed(threads.run(database.begun, number))
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
                if data.values[0] == b"UIDVALIDITY" and value.isdigit():
                    self._uidvalidity = int(value[:10])
                elif data.values[0] == b"UIDNEXT" and value.isdigit():
                    uidnext = int(value[:10])
        if not self._uidvalidity:
            raise Nonsense(f"{self._remote.host} tells no UIDVALIDITY of {self._remote.folder}")
        return messages, uidnext

    async def _new(self, high: int) -> array[int]:
        """UIDs above `high`, ascending, without those that are too large."""
        found = array("I")
        tag = await self._session.give(b"UID FETCH %d:*" % (high + 1), b"(UID RFC822.SIZE)")
        async for data in self._session.until(tag):
            one = fetched(data) if data.name == "FETCH" else None
            # "5:*" also names the last message where that is below 5 (RFC 9051 §9: seq-range).
            if one is None or one.uid is None or one.size is None or one.uid <= high:
                continue
            if one.size > self._needs.max_size():
                self._told.troubles[TOO_LARGE] += 1
            else:
                found.append(one.uid)
        return array("I", sorted(set(found)))

    async def _bring(self, uids: array[int]) -> None:
        for group, text in sets(uids, AT_ONCE):
            wanted = set(group)
            self._over = 0
            tag = await self._session.give(b"UID FETCH", text, b"(UID BODY.PEEK[])")
            async for data in self._session.until(tag, self._large):
                await self._take(data, wanted)
            if missing := len(wanted) - self._over:
                self._told.troubles[NOT_GIVEN] += missing
            taken = [self._key(uid) for uid in group if uid not in wanted]
            await self._note(taken, group[-1])
            self._told.fetched += len(taken)

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
                self._told.troubles[TOO_LARGE] += 1
                self._over += 1
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
