"""FETCH and UID FETCH (RFC 3501 §6.4.5, §6.4.8).

Promises: other sessions get their turn between batches; a slow reader holds up only itself, at a
cost bounded by its buffer; a large message streams from the disk, and only the octets asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mailsuite.imapd.fetching import Plan
from mailsuite.imapd.reply import EXPUNGE_ISSUED, OK, UNKNOWN_CTE, Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax.model import FetchArguments
from mailsuite.imapd.view import View, batches
from mailsuite.store import MessageGone, Row

FLAGS_BATCH = 5000
ROWS_BATCH = 1000
READ_AHEAD = 1 << 18
"""Octets of small messages read in one go; a larger message is streamed."""


async def fetch(session: Session, arguments: FetchArguments) -> Reply:
    return await _fetch(session, arguments, by_uid=False)


async def uid_fetch(session: Session, arguments: FetchArguments) -> Reply:
    return await _fetch(session, arguments, by_uid=True)


async def _fetch(session: Session, arguments: FetchArguments, *, by_uid: bool) -> Reply:
    view = session.selected
    plan = Plan(arguments.items, by_uid=by_uid)
    ranges = view.resolve(arguments.numbers, by_uid=by_uid)
    session.write_all(view.new_keywords())
    if plan.names <= {"FLAGS", "UID"}:
        for positions in batches(ranges, FLAGS_BATCH):
            _write_flags(session, plan, positions)
            await session.breathe()
        return OK
    complete = decoded = True
    for positions in batches(ranges, ROWS_BATCH):
        batch = _Batch(session, view, plan, positions)
        complete &= await batch.run()
        decoded &= batch.decoded
    if not decoded:
        return UNKNOWN_CTE
    return OK if complete or by_uid else EXPUNGE_ISSUED


def _write_flags(session: Session, plan: Plan, positions: Sequence[int]) -> None:
    """The most frequent question of all: what it needs is in memory."""
    view = session.selected
    uids = view.uids
    flags = view.flags_at(positions) if plan.has_flags else [b""] * len(positions)
    if plan.has_flags and "UID" in plan.names:
        answers = [
            b"* %d FETCH (UID %d FLAGS %b)\r\n" % (position + 1, uids[position], octets)
            for position, octets in zip(positions, flags, strict=True)
        ]
    elif plan.has_flags:
        answers = [
            b"* %d FETCH (FLAGS %b)\r\n" % (position + 1, octets)
            for position, octets in zip(positions, flags, strict=True)
        ]
    else:
        answers = [b"* %d FETCH (UID %d)\r\n" % (place + 1, uids[place]) for place in positions]
    session.write(b"".join(answers))
    if plan.has_flags:
        view.told_flags(uids[position] for position in positions)


class _Batch:
    """Some messages of one FETCH."""

    def __init__(self, session: Session, view: View, plan: Plan, positions: Sequence[int]) -> None:
        self._session = session
        self._view = view
        self._plan = plan
        self._numbers = {view.uids[position]: position + 1 for position in positions}
        self.decoded = True
        """No message was left out because nobody knows how to decode it."""

    async def run(self) -> bool:
        """Write the answers; False if some of the messages are gone."""
        view, plan = self._view, self._plan
        uids = list(self._numbers)
        seen = await self._mark_seen(uids)
        rows: list[Row] = [(uid,) for uid in uids]
        if plan.columns:
            rows = await view.mailbox.rows(uids, columns=plan.columns)
        heads: dict[int, bytes] = {}
        parts: dict[int, bytes] = {}
        for row in rows:
            uid = row[0]
            table = row[plan.parts] if plan.parts else b""
            if not all(item.possible(table) for item in plan.octets):
                self.decoded = False
                continue
            unasked = uid in seen and not plan.has_flags
            heads[uid] = plan.line(view, self._numbers[uid], row, flags=unasked)
            parts[uid] = table
        complete = len(rows) == len(uids)
        if plan.octets:
            complete &= await self._add_octets(heads, parts)
        else:
            self._session.write_all(head + b")\r\n" for head in heads.values())
        view.told_flags(heads if plan.has_flags else seen)
        await self._session.breathe()
        return complete

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
        session, mailbox = self._session, self._view.mailbox
        complete = True
        uids = list(heads)
        while uids:
            messages = await mailbox.read(uids, max_octets=READ_AHEAD)
            del uids[: len(messages)]
            for uid, data in messages:
                if data is not None:
                    answers = (item.answer(data, parts[uid]) for item in self._plan.octets)
                    session.write(b"%b%b)\r\n" % (heads[uid], b" ".join(answers)))
                    continue
                try:
                    file = await mailbox.open_message(uid)
                except MessageGone:
                    complete = False
                    continue
                with file:
                    session.unfinished = True
                    session.write(heads[uid])
                    for place, item in enumerate(self._plan.octets):
                        if place:
                            session.write(b" ")
                        await item.send(session, file, parts[uid])
                    session.write(b")\r\n")
                    session.unfinished = False
            await session.breathe()
        return complete
