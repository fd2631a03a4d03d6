"""Which messages of a view match a search program (RFC 3501 §6.4.4, RFC 9051 §6.4.4).

A key narrows a set of positions. Side by side, cheap keys come first, and texts are asked for in
the full-text index, so that messages are read only where nothing else has decided. That happens in
threads, in slices; other sessions have their turn in between. Never changes anything.
"""

from __future__ import annotations

import asyncio
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import partial

from mailsuite.base.tasks import Threads
from mailsuite.imapd import positions, search_text
from mailsuite.imapd.fuzzy import Pattern, pattern
from mailsuite.imapd.positions import Positions
from mailsuite.imapd.progress import Report, no_report
from mailsuite.imapd.search_rows import ROW_KEYS, ByRow
from mailsuite.imapd.syntax.model import (
    SearchAll,
    SearchAnd,
    SearchFlag,
    SearchFuzzy,
    SearchHeader,
    SearchKey,
    SearchModseq,
    SearchNot,
    SearchOr,
    SearchSequence,
    SearchText,
    SearchUid,
)
from mailsuite.imapd.view import View
from mailsuite.message import Octets, fold
from mailsuite.store import Candidates, Row, Where

ROWS_BATCH = 1000
ROWS_OCTETS = 1 << 24
"""Of these, held in memory: a message may be one large header."""
READ_BATCH = 500
READ_AHEAD = 1 << 20
"""Octets of messages that are read and compared in one go."""
_LOW = 0 if sys.byteorder == "little" else -1


class Search:
    """One search."""

    def __init__(self, view: View, threads: Threads, report: Report = no_report) -> None:
        self._view = view
        self._threads = threads
        self._report = report
        self._count = view.exists
        self._told: dict[tuple[str, Where], tuple[Positions, Positions] | None] = {}
        self._fuzzy = False
        self._scores: dict[int, list[int]] = {}

    async def run(self, key: SearchKey, among: Positions | None = None) -> Positions:
        """Which of the view's messages match, or of some of them."""
        every = positions.every(self._count)
        return await self._narrow(key, every if among is None else positions.both(every, among))

    def relevancy(self, position: int) -> int:
        """How well a position that was found matches the FUZZY keys: 1 to 100 (RFC 6203 §4)."""
        scores = self._scores.get(position)
        return sum(scores) // len(scores) if scores else 100

    async def _narrow(self, key: SearchKey, among: Positions) -> Positions:
        """Those of `among` that match."""
        if among.find(1) < 0:
            return among
        await asyncio.sleep(0)
        match key:
            case SearchAll():
                return among
            case SearchFlag(flag, negate):
                return positions.both(self._flag(flag, negate), among)
            case SearchSequence(numbers):
                ranges = self._view.resolve(numbers, by_uid=numbers.saved, strict=False)
                return positions.both(positions.of_ranges(ranges, self._count), among)
            case SearchUid(numbers):
                ranges = self._view.resolve(numbers, by_uid=True)
                return positions.both(positions.of_ranges(ranges, self._count), among)
            case SearchModseq(least):
                since = self._view.changed_since([range(self._count)], least - 1)
                return positions.both(positions.of(since, self._count), among)
            case SearchText(value, body_only):
                where: Where = "body" if body_only else "any"
                if self._fuzzy:
                    return await self._fuzzy_text(pattern(value), where, among)
                return await self._text(fold(value), where, among)
            case SearchHeader(name, value) if self._fuzzy and value:
                return await self._fuzzy_field(pattern(value), name, among)
            case SearchFuzzy(inner):
                before, self._fuzzy = self._fuzzy, True
                try:
                    return await self._narrow(inner, among)
                finally:
                    self._fuzzy = before
            case SearchNot(inner):
                return positions.without(among, await self._narrow(inner, among))
            case SearchOr(left, right):
                found = await self._narrow(left, among)
                rest = positions.without(among, found)
                return positions.either(found, await self._narrow(right, rest))
            case SearchAnd(keys):
                return await self._all(sorted(keys, key=_cost), among)
            case _:
                return await self._rows(ROW_KEYS[type(key)](key), among)

    async def _all(self, keys: list[SearchKey], among: Positions) -> Positions:
        """Before messages are read, all texts are asked for in the index."""
        asked = False
        for key in keys:
            if not asked and _cost(key) > 1:
                asked = True
                for each in keys:
                    among = await self._possible(each, among)
            among = await self._narrow(key, among)
        return among

    async def _possible(self, key: SearchKey, among: Positions) -> Positions:
        """Those of `among` that the full-text index doesn't rule out."""
        text, where = _text_of(key)
        told = await self._ask(text, where) if text and not self._fuzzy else None
        if told is None:
            return among
        return positions.both(positions.either(*told), among)

    def _flag(self, flag: str, negate: bool) -> Positions:
        view, count = self._view, self._count
        wanted = flag.lower()
        if wanted == r"\recent":
            recent = positions.of(self._places(view.attachment.recent), count)
            return recent if not negate else positions.without(positions.every(count), recent)
        table = view.mailbox.flag_table
        matches = bytearray(256)
        for number in range(len(table)):
            has = any(known.lower() == wanted for known in table[number])
            matches[number : number + 1] = b"\1" if has is not negate else b"\0"
        if view.uids is not view.mailbox.uids:
            # Of a message that is gone, with id -1, no flag is looked at: it doesn't match.
            matches.append(0)
            return bytes([matches[number] for number in view.flag_ids(range(count))])
        numbers = view.mailbox.flagsets[:count]
        if len(table) > 256:
            return bytes(map(matches.__getitem__, numbers))
        # The lowest octet of each number is all of it.
        size = numbers.itemsize
        return numbers.tobytes()[_LOW % size :: size].translate(matches)

    def _places(self, uids: Iterable[int]) -> Iterable[int]:
        """The positions of UIDs; those that the view doesn't have are passed over."""
        known, count = self._view.uids, self._count
        for uid in uids:
            place = bisect_left(known, uid, 0, count)
            if place < count and known[place] == uid:
                yield place

    async def _rows(self, by_row: ByRow, among: Positions) -> Positions:
        """What columns of the index decide."""
        if by_row.text and (told := await self._ask(by_row.text, "header")) is not None:
            among = positions.both(positions.either(*told), among)
        found = await self._look_at_rows(by_row.columns, by_row.matches, among)
        return positions.of((place for place, _ in found), self._count)

    async def _look_at_rows(
        self, columns: tuple[str, ...], look: Callable[[Row], int], among: Positions
    ) -> list[tuple[int, int]]:
        """(position, what `look` says), where that is not 0 or False."""
        view = self._view
        found: list[tuple[int, int]] = []
        left = positions.listed(among)
        at = 0
        while at < len(left):
            by_uid = {view.uids[place]: place for place in left[at : at + ROWS_BATCH]}
            count, table = await view.mailbox.front(
                list(by_uid), columns=columns, max_octets=ROWS_OCTETS
            )
            self._report(at, len(left))
            at += count
            rows = list(zip(*table, strict=True))
            found += await self._threads.compute(_said, rows, look, by_uid)
        return found

    # -- texts -------------------------------------------------------------------------------------

    async def _text(self, needle: str, where: Where, among: Positions) -> Positions:
        if not needle:
            return among
        told = await self._ask(needle, where)
        if told is None:
            return await self._read(needle, where, among)
        sure, maybe = (positions.both(these, among) for these in told)
        return positions.either(sure, await self._read(needle, where, maybe))

    async def _ask(self, needle: str, where: Where) -> tuple[Positions, Positions] | None:
        """What the full-text index says: (positions that match for sure, that may match)."""
        asked = (needle, where)
        if asked not in self._told:
            found = await self._view.mailbox.candidates(needle, where)
            self._told[asked] = None if found is None else self._split(found)
        return self._told[asked]

    def _split(self, found: Candidates) -> tuple[Positions, Positions]:
        view, count = self._view, self._count
        uids = view.uids
        if len(found.hits) * 8 > count:
            hits = bytes(map(set(found.hits).__contains__, uids[:count]))
        else:
            hits = positions.of(self._places(found.hits), count)
        maybe = bytearray(positions.of(self._places(found.unsure), count))
        first = 0
        for piece in [*found.covered, range(1 << 32, 1 << 32)]:
            stop = bisect_left(uids, piece.start, first, count)
            maybe[first:stop] = b"\1" * (stop - first)
            first = bisect_left(uids, piece.stop, stop, count)
        for place in self._places(view.attachment.expunged):
            maybe[place] = 1  # the index may have forgotten it
        if found.exact:
            return positions.without(hits, bytes(maybe)), bytes(maybe)
        return bytes(count), positions.either(hits, bytes(maybe))

    async def _read(self, needle: str, where: Where, among: Positions) -> Positions:
        """Look into messages."""
        look = partial(search_text.message_contains, needle=needle, body_only=where == "body")
        found = await self._look_at_messages(look, among)
        return positions.of((place for place, _ in found), self._count)

    async def _look_at_messages(
        self, look: Callable[[Octets], int], among: Positions
    ) -> list[tuple[int, int]]:
        """(position, what `look` says), where that is not 0 or False."""
        view = self._view
        found: list[tuple[int, int]] = []
        left = positions.listed(among)
        goal = len(left)
        while left:
            by_uid = {view.uids[place]: place for place in left[:READ_BATCH]}
            seen = await view.mailbox.examine(list(by_uid), look, max_octets=READ_AHEAD)
            found += [(by_uid[uid], said) for uid, said in seen if said]
            del left[: len(seen)]
            self._report(goal - len(left), goal)
        return found

    # -- inexact texts (RFC 6203) ------------------------------------------------------------------

    async def _fuzzy_text(self, wanted: Pattern, where: Where, among: Positions) -> Positions:
        among = await self._fuzzy_possible(wanted, where, among)
        look = partial(wanted.message_score, body_only=where == "body")
        return self._scored(await self._look_at_messages(look, among))

    async def _fuzzy_field(self, wanted: Pattern, name: str, among: Positions) -> Positions:
        among = await self._fuzzy_possible(wanted, "header", among)

        def look(row: Row) -> int:
            return wanted.field_score(row[1], name)

        return self._scored(await self._look_at_rows(("header",), look, among))

    def _scored(self, found: list[tuple[int, int]]) -> Positions:
        for place, score in found:
            self._scores.setdefault(place, []).append(score)
        return positions.of((place for place, _ in found), self._count)

    async def _fuzzy_possible(self, wanted: Pattern, where: Where, among: Positions) -> Positions:
        """Those of `among` that the full-text index doesn't rule out."""
        told = await self._ask(wanted.exact, where) if wanted.exact else None
        if told is None:
            return among
        exact = positions.either(*told)
        for word in wanted.words:
            some = exact
            for piece in word.pieces:
                told = await self._ask(piece, where)
                some = positions.either(some, positions.either(*told)) if told else among
                if told is None:
                    break
            among = positions.both(among, some)
        return among if wanted.words else positions.both(among, exact)


def _said(
    rows: list[Row], look: Callable[[Row], int], by_uid: dict[int, int]
) -> list[tuple[int, int]]:
    return [(by_uid[row[0]], said) for row in rows if (said := look(row))]


def _cost(key: SearchKey) -> int:
    """0: memory, 1: the index, 2: headers parsed, 3: messages read."""
    match key:
        case SearchText():
            return 3
        case SearchNot(inner) | SearchFuzzy(inner):
            return _cost(inner)
        case SearchOr(left, right):
            return max(_cost(left), _cost(right))
        case SearchAnd(keys):
            return max(map(_cost, keys), default=0)
        case _:
            make = ROW_KEYS.get(type(key))
            if make is None:
                return 0
            return 2 if "header" in make(key).columns else 1


def _text_of(key: SearchKey) -> tuple[str, Where]:
    """A text that every matching message contains, and where; "" when nothing can be said."""
    if isinstance(key, SearchText):
        return fold(key.value), "body" if key.body_only else "any"
    make = ROW_KEYS.get(type(key))
    return (make(key).text if make is not None else ""), "header"
