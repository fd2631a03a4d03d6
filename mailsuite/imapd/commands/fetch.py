"""FETCH and UID FETCH (RFC 3501 §6.4.5, §6.4.8; what has changed since: RFC 7162 §3.1.4, §3.2.6;
some of many: RFC 9394).

Promises: other sessions get their turn between batches; a slow reader holds up only itself, at a
cost bounded by its buffer; a large message streams from the disk, and only the octets asked for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator, Sequence
from contextlib import aclosing
from itertools import chain, islice
from typing import Any

from mailsuite.base import ranges
from mailsuite.imapd import structures
from mailsuite.imapd.fetching import STRUCTURE, Batch, Plan
from mailsuite.imapd.partial import Partial, cut
from mailsuite.imapd.reply import EXPUNGE_ISSUED, OK, UNKNOWN_CTE, Bad, Reply
from mailsuite.imapd.resync import earlier, known
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax.model import FetchArguments, FetchItem
from mailsuite.imapd.view import View, batches
from mailsuite.imapd.waiting import ahead
from mailsuite.store import MessageGone

FLAGS_BATCH = 5000
ROWS_BATCH = 1000
ROWS_OCTETS = 1 << 23
"""What is held at once of these, twice. One message may have a megabyte of addresses or parts."""
STRUCTURES_AT_ONCE = 1 << 16
"""Octets of body structures that are gone through on the loop: about a millisecond."""
READ_AHEAD = 1 << 19
"""Octets of small messages read in one go, twice held in memory; a larger message is streamed."""


async def fetch(session: Session, arguments: FetchArguments) -> Reply:
    return await _fetch(session, arguments, by_uid=False)


async def uid_fetch(session: Session, arguments: FetchArguments) -> Reply:
    return await _fetch(session, arguments, by_uid=True)


async def _fetch(session: Session, arguments: FetchArguments, *, by_uid: bool) -> Reply:
    view = session.selected
    since = arguments.changed_since
    # A UID command's answers always tell the UID (RFC 3501 §6.4.8), if by other means.
    uid = by_uid and not session.enabled.uid_only
    plan = Plan(arguments.items, uid=uid, modseq=since is not None)
    if arguments.vanished and not (by_uid and since is not None and session.enabled.qresync):
        raise Bad("VANISHED needs UID FETCH, CHANGEDSINCE and ENABLE QRESYNC")
    found = view.resolve(arguments.numbers, by_uid=by_uid)
    if "MODSEQ" in plan.names:
        session.enable_condstore()
    if arguments.partial is not None:  # before CHANGEDSINCE (RFC 9394 §3.4)
        found = _part(found, arguments.partial)
    wanted: Iterable[int] = chain.from_iterable(found)
    if since is not None:
        if since <= view.mailbox.highestmodseq:
            if arguments.vanished:
                uids = known(view, arguments.numbers)
                session.write_all(await earlier(view, since, uids))
            since = view.mailbox.known_since(since)
        wanted = view.changed_since(found, since)
    if plan.names <= {"FLAGS", "UID", "MODSEQ"}:
        for positions in batches(wanted, FLAGS_BATCH):
            _write_flags(session, plan, positions)
            await session.breathe()
        return OK
    complete = decoded = True
    async with aclosing(ahead(_loads(session, plan, wanted))) as loaded:
        async for asked, batch in loaded:
            answers = _Answers(session, view, plan)
            complete &= await answers.run(asked, batch)
            decoded &= answers.decoded
    if not decoded:
        return UNKNOWN_CTE
    return OK if complete or by_uid else EXPUNGE_ISSUED


def _part(found: Sequence[range], partial: Partial) -> list[range]:
    """Some of these positions (RFC 9394 §3.3)."""
    return list(ranges.runs(cut(list(chain.from_iterable(found)), partial)))


def _write_flags(session: Session, plan: Plan, positions: Sequence[int]) -> None:
    """The most frequent question of all: what it needs is in memory."""
    view = session.selected
    uids = [view.uids[position] for position in positions]
    only = session.enabled.uid_only
    columns: list[Sequence[object]] = [uids if only else [p + 1 for p in positions]]
    items = []
    if "UID" in plan.names:
        items.append(b"UID %d")
        columns.append(uids)
    if plan.has_flags:
        session.write_all(view.new_keywords())
        items.append(b"FLAGS %b")
        columns.append(view.flags_at(positions))
    if "MODSEQ" in plan.names:
        items.append(b"MODSEQ (%d)")
        columns.append([view.modseq(uid) for uid in uids])
    line = b"* %%d %b (%b)\r\n" % (view.word, b" ".join(items))
    session.write(line * len(uids) % tuple(chain.from_iterable(zip(*columns, strict=True))))
    if plan.has_flags:
        view.told_flags(uids)


async def tell_new(
    session: Session, items: tuple[FetchItem, ...], positions: Iterable[int]
) -> None:
    r"""What NOTIFY wants to know of new messages, whose \Seen stays as it is (RFC 5465 §5.2)."""
    view = session.selected
    plan = Plan(items, uid=not session.enabled.uid_only, modseq=session.enabled.condstore)
    plan.marks_seen = False
    if plan.names <= {"FLAGS", "UID", "MODSEQ"}:
        for some in batches(positions, ROWS_BATCH):
            _write_flags(session, plan, some)
        return
    for load in _loads(session, plan, positions):
        asked, batch = await load
        await _Answers(session, view, plan).run(asked, batch)


def _loads(
    session: Session, plan: Plan, positions: Iterable[int]
) -> Iterator[Coroutine[Any, Any, tuple[list[int], Batch]]]:
    """What the index has of all these messages: one piece is to be awaited before the next."""
    rest = iter(positions)
    some: list[int] = []

    async def load() -> tuple[list[int], Batch]:
        nonlocal some
        asked, batch = await _load(session, plan, some)
        some = some[len(asked) :]
        return asked, batch

    while some := some or list(islice(rest, ROWS_BATCH)):
        yield load()


async def _load(session: Session, plan: Plan, positions: Sequence[int]) -> tuple[list[int], Batch]:
    """UIDs asked for, and what the index has of them: of the first that are not too much."""
    view = session.selected
    asked = [view.uids[position] for position in positions]
    numbers = [position + 1 for position in positions]
    if not plan.columns:
        return asked, Batch(view, numbers, [asked])
    count, columns = await view.mailbox.front(
        asked, columns=plan.columns, max_octets=ROWS_OCTETS, compute=plan.computes
    )
    asked, numbers = asked[:count], numbers[:count]
    if len(columns[0]) != len(asked):
        by_uid = dict(zip(asked, numbers, strict=True))
        numbers = [by_uid[uid] for uid in columns[0]]
    every: list[Sequence[Any]] = list(columns)
    for plain in plan.structures:
        every.append(await _structures(session, columns[plan.column(STRUCTURE)], plain))
    return asked, Batch(view, numbers, every)


async def _structures(session: Session, found: Sequence[bytes], plain: bool) -> Sequence[bytes]:
    """As the client is to see them. A message may have thousands of parts, so long work is done
    in a thread."""
    convert = structures.conversion(found, basic=not session.utf8, plain=plain)
    if convert is None:
        return found
    if sum(map(len, found)) <= STRUCTURES_AT_ONCE:
        return convert()
    return await session.door.threads.run(convert)


class _Answers:
    """To some messages of one FETCH."""

    def __init__(self, session: Session, view: View, plan: Plan) -> None:
        self._session = session
        self._view = view
        self._plan = plan
        self.decoded = True
        """No message was left out because nobody knows how to decode it."""

    async def run(self, asked: Sequence[int], batch: Batch) -> bool:
        """Write them; False if some of the messages are gone."""
        view, plan, session = self._view, self._plan, self._session
        seen = await self._mark_seen(asked)
        complete = len(batch.uids) == len(asked)
        if plan.has_flags or seen:
            session.write_all(view.new_keywords())
        if not plan.octets and not seen:
            session.write(plan.answers(batch))
            heads = dict[int, bytes]()
        else:
            heads = dict(zip(batch.uids, plan.heads(batch, seen), strict=True))
            if not plan.octets:
                session.write_all(head + b")\r\n" for head in heads.values())
        tables = self._tables(batch, heads) if plan.octets else {}
        # Now, for they may change again while octets are read and sent.
        told = batch.uids if plan.has_flags else seen
        view.told_flags(heads.keys() & told if plan.octets else told)
        if plan.octets:
            view.tell_again(seen.difference(heads))  # not answered for, and seen all the same
            complete &= await self._add_octets(heads, tables)
        await session.breathe()
        return complete

    def _tables(self, batch: Batch, heads: dict[int, bytes]) -> dict[int, bytes]:
        """Parts tables of the messages; those that can't be answered leave `heads`."""
        plan = self._plan
        if not plan.parts:
            return dict.fromkeys(batch.uids, b"")
        tables = dict(zip(batch.uids, batch.columns[plan.parts], strict=True))
        for uid, table in tables.items():
            if not all(item.possible(table) for item in plan.octets):
                self.decoded = False
                del heads[uid]
        return tables

    async def _mark_seen(self, uids: Iterable[int]) -> set[int]:
        r"""Set \Seen, where the items say so and the mailbox may be changed."""
        view = self._view
        if not self._plan.marks_seen or view.read_only or "s" not in view.rights:
            return set()
        unseen = [uid for uid in uids if r"\Seen" not in view.flags_of(uid)]
        if not unseen:
            return set()
        stored = await view.mailbox.store_flags(unseen, "+", (r"\Seen",), origin=view.attachment)
        return set(stored.changed)

    async def _add_octets(self, heads: dict[int, bytes], parts: dict[int, bytes]) -> bool:
        session = self._session
        complete = True
        async with aclosing(self._messages(list(heads))) as found:
            async for messages in found:
                pieces: list[bytes] = []
                for uid, data in messages:
                    if data is None:
                        session.write_all(pieces)
                        pieces.clear()
                        complete &= await self._stream(uid, heads[uid], parts[uid])
                        continue
                    between = heads[uid]
                    for item in self._plan.octets:
                        pieces.append(between)
                        pieces += item.answer(data, parts[uid])
                        between = b" "
                    pieces.append(b")\r\n")
                session.write_all(pieces)
                await session.breathe()
        return complete

    async def _stream(self, uid: int, head: bytes, parts: bytes) -> bool:
        """A large message; False if it is gone."""
        session = self._session
        try:
            file = await self._view.mailbox.open_message(uid)
        except MessageGone:
            return False
        with file:
            session.unfinished = True
            session.write(head)
            for place, item in enumerate(self._plan.octets):
                if place:
                    session.write(b" ")
                await item.send(session, file, parts)
            session.write(b")\r\n")
            session.unfinished = False
        return True

    def _messages(self, uids: list[int]) -> AsyncGenerator[list[tuple[int, bytes | None]]]:
        """Small messages some at a time; the next are read while these are being sent."""
        mailbox, at = self._view.mailbox, 0

        async def some() -> list[tuple[int, bytes | None]]:
            nonlocal at
            messages = await mailbox.read(uids[at : at + ROWS_BATCH], max_octets=READ_AHEAD)
            at += len(messages)
            return messages

        def rest() -> Iterator[Coroutine[Any, Any, list[tuple[int, bytes | None]]]]:
            while at < len(uids):
                yield some()

        return ahead(rest())
