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
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, Literal, TypeAlias

from mailsuite.base.tasks import Threads
from mailsuite.imapd import positions, search_text
from mailsuite.imapd.positions import Positions
from mailsuite.imapd.syntax.model import (
    SearchAll,
    SearchAnd,
    SearchDate,
    SearchFlag,
    SearchHeader,
    SearchKey,
    SearchNot,
    SearchOr,
    SearchSequence,
    SearchSize,
    SearchText,
    SearchUid,
)
from mailsuite.imapd.view import View
from mailsuite.message import fold
from mailsuite.store import Candidates, Row

ROWS_BATCH = 1000
READ_BATCH = 500
READ_AHEAD = 1 << 20
"""Octets of messages that are read and compared in one go."""
_EPOCH = date(1970, 1, 1).toordinal()
_DAY = 86400
_LOW = 0 if sys.byteorder == "little" else -1
Where: TypeAlias = Literal["header", "body", "any"]


@dataclass(frozen=True, slots=True)
class ByRow:
    """A key that one column of the index decides: `matches` is asked with (uid, value).

    text  where that holds, this (folded) is in the message's header; "" says nothing
    """

    column: str
    matches: Callable[[Row], bool]
    text: str = ""


class Search:
    """One search."""

    def __init__(self, view: View, threads: Threads) -> None:
        self._view = view
        self._threads = threads
        self._count = view.exists
        self._told: dict[tuple[str, Where], tuple[Positions, Positions] | None] = {}

    async def run(self, key: SearchKey) -> list[int]:
        """The matching positions, ascending."""
        return positions.listed(await self._narrow(key, positions.every(self._count)))

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
            case SearchText(value, body_only):
                return await self._text(fold(value), "body" if body_only else "any", among)
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
        told = await self._ask(text, where) if text else None
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
        """What a column of the index decides."""
        view = self._view
        if by_row.text and (told := await self._ask(by_row.text, "header")) is not None:
            among = positions.both(positions.either(*told), among)
        found: list[int] = []
        left = positions.listed(among)
        for start in range(0, len(left), ROWS_BATCH):
            by_uid = {view.uids[place]: place for place in left[start : start + ROWS_BATCH]}
            rows = await view.mailbox.rows(list(by_uid), columns=(by_row.column,))
            found += await self._threads.run(_matching, rows, by_row.matches, by_uid)
        return positions.of(found, self._count)

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
        view = self._view
        found: list[int] = []
        left = positions.listed(among)
        while left:
            by_uid = {view.uids[place]: place for place in left[:READ_BATCH]}
            seen = await view.mailbox.examine(list(by_uid), look, max_octets=READ_AHEAD)
            found += [by_uid[uid] for uid, contains in seen if contains]
            del left[: len(seen)]
        return positions.of(found, self._count)


def _matching(rows: list[Row], matches: Callable[[Row], bool], by_uid: dict[int, int]) -> list[int]:
    return [by_uid[row[0]] for row in rows if matches(row)]


def _cost(key: SearchKey) -> int:
    """0: memory, 1: the index, 2: headers parsed, 3: messages read."""
    match key:
        case SearchText():
            return 3
        case SearchNot(inner):
            return _cost(inner)
        case SearchOr(left, right):
            return max(_cost(left), _cost(right))
        case SearchAnd(keys):
            return max(map(_cost, keys), default=0)
        case _:
            make = ROW_KEYS.get(type(key))
            if make is None:
                return 0
            return 2 if make(key).column == "header" else 1


def _text_of(key: SearchKey) -> tuple[str, Where]:
    """A text that every matching message contains, and where; "" when nothing can be said."""
    if isinstance(key, SearchText):
        return fold(key.value), "body" if key.body_only else "any"
    make = ROW_KEYS.get(type(key))
    return (make(key).text if make is not None else ""), "header"


# -- keys that a row (uid, value) decides --------------------------------------------------------


def _size(key: SearchSize) -> ByRow:
    if key.relation == "larger":
        return ByRow("size", lambda row: bool(row[1] > key.octets))
    return ByRow("size", lambda row: bool(row[1] < key.octets))


def _date(key: SearchDate) -> ByRow:
    """The internal date counts in its own zone, which is UTC; the Date field in its writer's."""
    wanted = key.day.toordinal()

    def matches(row: Row) -> bool:
        value = search_text.sent_day(row[1]) if key.sent else int(row[1] // _DAY) + _EPOCH
        if value is None:
            return False
        if key.relation == "before":
            return value < wanted
        return value == wanted if key.relation == "on" else value >= wanted

    return ByRow("header" if key.sent else "internal_date", matches)


def _header(key: SearchHeader) -> ByRow:
    needle = fold(key.value)
    text = needle or fold(f"{key.name}:")
    return ByRow("header", lambda row: search_text.field_contains(row[1], key.name, needle), text)


ROW_KEYS: dict[type, Callable[[Any], ByRow]] = {
    SearchSize: _size,
    SearchDate: _date,
    SearchHeader: _header,
}
"""Open: an extension adds its key."""
