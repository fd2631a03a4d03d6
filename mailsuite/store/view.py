"""The in-memory view of a mailbox: its columns, its listeners, what is held for them.

Loop thread only; no disk, no waiting. 100,000 messages take 1.6 MB.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

from mailsuite.store import flags
from mailsuite.store.acl import Acl
from mailsuite.store.attachment import Attachment
from mailsuite.store.errors import MessageGone
from mailsuite.store.feed import ACTOR
from mailsuite.store.flags import FlagTable
from mailsuite.store.folder import Folder
from mailsuite.store.records import Columns
from mailsuite.store.updates import Update
from mailsuite.store.values import Change, Totals

RUN_WORTH = 16
"""Messages in a run for which it is quicker to copy runs than to look at each message."""


@dataclass(slots=True)
class _Held:
    flagset: int
    modseq: int
    holders: frozenset[Attachment]
    kept: bool


class View:
    """The part of `Mailbox` that is only memory; attributes as described there."""

    def __init__(self, name: str, uidvalidity: int, mailboxid: str) -> None:
        self.name = name
        self.uidvalidity = uidvalidity
        self.mailboxid = mailboxid
        self.uidnext = 1
        self.highestmodseq = 1
        self.first_recent = 1
        self.totals = Totals()
        self.keywords: list[str] = []
        self.uids: array[int] = array("I")
        self.flagsets: array[int] = array("I")
        self.modseqs: array[int] = array("Q")
        self.flag_table = FlagTable()
        self.gone = False
        self.acl = Acl()
        self.in_new: set[int] = set()
        self.snapshot = 0
        """The MODSEQ under which the columns have been kept in the index."""
        self._attachments: list[Attachment] = []
        self._held: dict[int, _Held] = {}
        self._sets_known = 0
        self._keyword_set: set[str] = set()

    # -- reading -----------------------------------------------------------------------------------

    def index(self, uid: int) -> int | None:
        """Position of a UID in the columns (from 0), or None."""
        place = bisect_left(self.uids, uid)
        return place if place < len(self.uids) and self.uids[place] == uid else None

    def flags(self, uid: int) -> frozenset[str]:
        r"""Flags without \Recent; also of an expunged message that some session still holds.

        Raises MessageGone.
        """
        place = self.index(uid)
        number = self._held_one(uid).flagset if place is None else self.flagsets[place]
        return self.flag_table[number]

    def modseq(self, uid: int) -> int:
        """MODSEQ of a message, present or held. Raises MessageGone."""
        place = self.index(uid)
        return self._held_one(uid).modseq if place is None else self.modseqs[place]

    def _held_one(self, uid: int) -> _Held:
        held = self._held.get(uid)
        if held is None:
            raise MessageGone(f"UID {uid}")
        return held

    def first_lacking(self, flag: str) -> int | None:
        """Position of the first message without this flag, or None."""
        table, numbers = self.flag_table, self.flagsets
        lacking = [flag not in table[number] for number in range(len(table))]
        if len(lacking) > 256:
            return next((place for place, number in enumerate(numbers) if lacking[number]), None)
        width = numbers.itemsize
        lowest = 0 if sys.byteorder == "little" else width - 1
        marks = bytes(lacking).ljust(256, b"\0")
        place = numbers.tobytes()[lowest::width].translate(marks).find(1)
        return None if place < 0 else place

    @property
    def attached(self) -> bool:
        """Some session is on this mailbox."""
        return bool(self._attachments)

    @property
    def claims(self) -> bool:
        r"""Some session takes new messages as \Recent."""
        return any(one.claims for one in self._attachments)

    def others_than(self, origin: Attachment | None) -> bool:
        """Some session besides `origin` is on this mailbox."""
        return any(one is not origin for one in self._attachments)

    # -- sessions ----------------------------------------------------------------------------------

    def attach(self, listener: Callable[[Change], None], *, claim_recent: bool) -> Attachment:
        r"""Begin a session on this mailbox.

        `listener` is called on the loop for every change from now on, its own included; it must be
        quick and must not raise. `claim_recent` (SELECT): messages nobody has seen become \Recent
        in this session only; without it (EXAMINE) they show as \Recent but stay unclaimed.
        """
        one = Attachment(self, listener, claims=claim_recent, actor=ACTOR.get())
        one.recent.update(self.uids[bisect_left(self.uids, self.first_recent) :])
        self._attachments.append(one)
        if len(self._attachments) == 1:
            self.attended()
        if claim_recent:
            self._claimed()
        return one

    def detach(self, one: Attachment) -> None:
        """An attachment ends."""
        self._attachments.remove(one)
        self.let_go(one, list(self._held))
        if not self._attachments:
            self.unattended()

    def let_go(self, one: Attachment, uids: Iterable[int]) -> None:
        """An attachment no longer holds these expunged messages."""
        free = []
        for uid in uids:
            held = self._held.get(uid)
            if held is None:
                continue
            held.holders -= {one}
            if not held.holders:
                del self._held[uid]
                if held.kept:
                    free.append(uid)
        if free:
            self.drop_files(free)

    def _claimed(self) -> None:
        if self.first_recent < self.uidnext or self.in_new:
            self.first_recent = self.uidnext
            self.claim()

    def attended(self) -> None:
        """The first session has come; `Mailbox` has its folder watched."""

    def unattended(self) -> None:
        """The last session has gone."""

    def claim(self) -> None:
        r"""All messages so far are \Recent for somebody; `Mailbox` writes that down."""

    def drop_files(self, uids: list[int]) -> None:
        """Nobody holds these expunged messages any more; `Mailbox` removes their files."""

    # -- changes -----------------------------------------------------------------------------------

    def fill(self, columns: Columns) -> None:
        """Put the columns in, at the beginning."""
        self.uids = columns.uids
        self.modseqs = columns.modseqs
        ids = [self.flag_table.of_state(state) for state in columns.states]
        same = ids == list(range(len(ids)))  # no two states stand for the same flags
        self.flagsets = (
            columns.numbers if same else array("I", map(ids.__getitem__, columns.numbers))
        )
        self.in_new = set(columns.new)
        self.snapshot = columns.modseq
        self._learn_keywords()

    def columns(self) -> Columns:
        """A copy of the columns, to be kept as a snapshot."""
        table = self.flag_table
        return Columns(
            uids=self.uids[:],
            numbers=self.flagsets[:],
            states=[flags.of_set(table[number]) for number in range(len(table))],
            modseqs=self.modseqs[:],
            new=sorted(self.in_new),
            modseq=self.highestmodseq + 1,
        )

    def take_in(self, update: Update) -> None:
        """Apply a change and tell the listeners."""
        if update.renamed is not None:
            self.name = update.renamed
        if update.deleted:
            self.gone = True
            self._publish(Change("deleted", [], self.highestmodseq, update.origin, update.actor))
            return
        if update.acl is not None:
            self.acl = update.acl
            self._publish(Change("rights", [], self.highestmodseq, update.origin, update.actor))
        self.uidnext = max(self.uidnext, update.uidnext)
        self.highestmodseq = max(self.highestmodseq, update.highestmodseq)
        self.totals = update.totals
        if update.expunged:
            self._expunge(update)
        if update.flags:
            self._set_flags(update)
        if update.appended:
            self._append(update)

    def _publish(self, change: Change) -> None:
        for one in list(self._attachments):
            one.listener(change)

    def _append(self, update: Update) -> None:
        last = self.uids[-1] if self.uids else 0
        new = [(uid, state) for uid, state in update.appended if uid > last]
        uids = [uid for uid, _ in new]
        self.uids.extend(uids)
        self.flagsets.extend([self.flag_table.of_state(state) for _, state in new])
        self.modseqs.extend([update.modseq] * len(new))
        self.in_new.update(update.in_new)
        self._learn_keywords()
        claimer = self._claimer(update.actor)
        for one in [claimer] if claimer else self._attachments:
            one.recent.update(uids)
        if claimer:
            self._claimed()
        if uids:
            self._publish(Change("appended", uids, update.modseq, update.origin, update.actor))

    def _claimer(self, actor: object | None) -> Attachment | None:
        r"""Whose new messages are \Recent: who put them there is told of them first.

        (RFC 3501 §2.3.2: the first session to have been notified.)
        """
        claiming = [one for one in self._attachments if one.claims]
        its_own = (one for one in claiming if actor is not None and one.actor is actor)
        return next(its_own, claiming[0] if claiming else None)

    def _set_flags(self, update: Update) -> None:
        numbers = {state: 0 for _, state in update.flags}
        for state in numbers:
            numbers[state] = self.flag_table.of_state(state)
        uids = [uid for uid, _ in update.flags]
        places = self._places(uids)
        if isinstance(places, range):
            its = array("I", [numbers[state] for _, state in update.flags])
            self.flagsets[places.start : places.stop] = its
            self.modseqs[places.start : places.stop] = array("Q", [update.modseq]) * len(uids)
        else:
            uids = []
            for (uid, state), place in zip(update.flags, places, strict=True):
                if place is not None:
                    self.flagsets[place] = numbers[state]
                    self.modseqs[place] = update.modseq
                    uids.append(uid)
        self._learn_keywords()
        if uids:
            self._publish(Change("flags", uids, update.modseq, update.origin, update.actor))

    def _expunge(self, update: Update) -> None:
        found = self._places(update.expunged)
        places = [place for place in found if place is not None]
        gone = [uid for uid, place in zip(update.expunged, found, strict=True) if place is not None]
        holders = self._holders(gone)
        for place, uid, its in zip(places, gone, holders, strict=True):
            if its:
                kept = _Held(self.flagsets[place], self.modseqs[place], its, update.kept)
                self._held[uid] = kept
        self._remove(places)
        self.in_new.difference_update(gone)
        for one in self._attachments:
            one.follow()
        unheld = [uid for uid, its in zip(gone, holders, strict=True) if not its]
        if unheld and update.kept:
            self.drop_files(unheld)
        if gone:
            self._publish(Change("expunged", gone, update.modseq, update.origin, update.actor))

    def _places(self, uids: Sequence[int]) -> Sequence[int | None]:
        """Positions of these ascending UIDs."""
        first = self.index(uids[0])
        if first is not None:
            place = range(first, first + len(uids))
            if self.uids[place.start : place.stop].tolist() == uids:
                return place  # they lie side by side: no need to look for each
        return [self.index(uid) for uid in uids]

    def _holders(self, gone: list[int]) -> list[frozenset[Attachment]]:
        """For each of these messages the sessions that still hold it."""
        held = [(one, one.expunge(gone)) for one in self._attachments]
        if all(len(uids) in (0, len(gone)) for _, uids in held):
            return [frozenset(one for one, uids in held if uids)] * len(gone)
        by_uid: dict[int, set[Attachment]] = {uid: set() for uid in gone}
        for one, uids in held:
            for uid in uids:
                by_uid[uid].add(one)
        return list(map(frozenset, by_uid.values()))

    def _remove(self, places: list[int]) -> None:
        """Replace the columns by new ones without these (ascending) positions."""
        if not places:
            return
        runs: list[tuple[int, int]] = []
        start = 0
        for place in places:
            if place > start:
                runs.append((start, place))
                if len(runs) * RUN_WORTH > len(self.uids):
                    break
            start = place + 1
        else:
            runs.append((start, len(self.uids)))
            self.uids, self.flagsets, self.modseqs = (
                _joined(column, runs) for column in (self.uids, self.flagsets, self.modseqs)
            )
            return
        keep = bytearray(b"\1") * len(self.uids)
        for place in places:
            keep[place] = 0
        self.uids = array("I", compress(self.uids, keep))
        self.flagsets = array("I", compress(self.flagsets, keep))
        self.modseqs = array("Q", compress(self.modseqs, keep))

    def _learn_keywords(self) -> None:
        for number in range(self._sets_known, len(self.flag_table)):
            for word in sorted(self.flag_table[number]):
                if not word.startswith("\\") and word not in self._keyword_set:
                    self._keyword_set.add(word)
                    self.keywords.append(word)
        self._sets_known = len(self.flag_table)

    def replace(self, columns: Columns, folder: Folder) -> None:
        """The index was rebuilt: take in whatever is different now."""
        update = Update(folder, folder.highestmodseq)
        its_states = map(columns.states.__getitem__, columns.numbers)
        states = dict(zip(columns.uids, its_states, strict=True))
        mine = dict(zip(self.uids, self.flagsets, strict=True))
        update.expunged = [uid for uid in self.uids if uid not in states]
        last = self.uids[-1] if self.uids else 0
        update.appended = [(uid, state) for uid, state in states.items() if uid > last]
        update.flags = [
            (uid, state)
            for uid, state in states.items()
            if uid in mine and self.flag_table.of_state(state) != mine[uid]
        ]
        update.in_new = columns.new
        self.take_in(update)
        if self.uids == columns.uids:
            self.modseqs = columns.modseqs


def _joined(column: array[int], runs: list[tuple[int, int]]) -> array[int]:
    new = array(column.typecode)
    for start, end in runs:
        new += column[start:end]
    return new
