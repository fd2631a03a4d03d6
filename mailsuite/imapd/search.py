"""Which messages of a view match a search program (RFC 3501 §6.4.4, RFC 9051 §6.4.4).

A key narrows a list of positions. Side by side, cheap keys come first, so that messages are read
only where nothing else has ruled them out. Text is compared in threads, in slices; other sessions
have their turn in between. Never changes anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from mailsuite.base.tasks import Threads
from mailsuite.imapd import search_text
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
from mailsuite.store import MessageGone, Row

ROWS_BATCH = 1000
READ_AHEAD = 1 << 20
"""Octets of messages that are read and compared in one go."""
_EPOCH = date(1970, 1, 1).toordinal()
_DAY = 86400


@dataclass(frozen=True, slots=True)
class ByRow:
    """A key that one column of the index decides: `matches` is asked with (uid, value)."""

    column: str
    matches: Callable[[Row], bool]


class Search:
    """One search."""

    def __init__(self, view: View, threads: Threads) -> None:
        self._view = view
        self._threads = threads

    async def run(self, key: SearchKey) -> list[int]:
        """The matching positions, ascending."""
        return await self._narrow(key, range(self._view.exists))

    async def _narrow(self, key: SearchKey, positions: Sequence[int]) -> list[int]:
        """Those of `positions` (ascending) that match."""
        if not positions:
            return []
        await asyncio.sleep(0)
        match key:
            case SearchAll():
                return list(positions)
            case SearchFlag(flag, negate):
                return self._flag(flag, negate, positions)
            case SearchSequence(numbers):
                ranges = self._view.resolve(numbers, by_uid=numbers.saved, strict=False)
                return self._within(ranges, positions)
            case SearchUid(numbers):
                return self._within(self._view.resolve(numbers, by_uid=True), positions)
            case SearchText(value, body_only):
                return await self._text(fold(value), body_only, positions)
            case SearchNot(inner):
                return _without(positions, await self._narrow(inner, positions))
            case SearchOr(left, right):
                found = await self._narrow(left, positions)
                rest = _without(positions, found)
                return sorted(found + await self._narrow(right, rest))
            case SearchAnd(keys):
                for inner in sorted(keys, key=_cost):
                    positions = await self._narrow(inner, positions)
                return list(positions)
            case _:
                return await self._rows(ROW_KEYS[type(key)](key), positions)

    def _flag(self, flag: str, negate: bool, positions: Sequence[int]) -> list[int]:
        view = self._view
        wanted = flag.lower()
        if wanted == r"\recent":
            recent, uids = view.attachment.recent, view.uids
            return [p for p in positions if (uids[p] in recent) is not negate]
        table = view.mailbox.flag_table
        matches = [
            any(known.lower() == wanted for known in table[number]) is not negate
            for number in range(len(table))
        ]
        # Of a message that is gone, with id -1, no flag is looked at: it doesn't match.
        matches.append(False)
        flag_ids = view.flag_ids(positions)
        return [p for p, number in zip(positions, flag_ids, strict=True) if matches[number]]

    def _within(self, ranges: Sequence[range], positions: Sequence[int]) -> list[int]:
        inside = bytearray(self._view.exists)
        for piece in ranges:
            inside[piece.start : piece.stop] = b"\1" * len(piece)
        return [position for position in positions if inside[position]]

    async def _rows(self, by_row: ByRow, positions: Sequence[int]) -> list[int]:
        """What a column of the index decides."""
        view = self._view
        found: list[int] = []
        for start in range(0, len(positions), ROWS_BATCH):
            batch = positions[start : start + ROWS_BATCH]
            by_uid = {view.uids[position]: position for position in batch}
            rows = await view.mailbox.rows(list(by_uid), columns=(by_row.column,))
            found += await self._threads.run(_matching, rows, by_row.matches, by_uid)
        return found

    async def _text(self, needle: str, body_only: bool, positions: Sequence[int]) -> list[int]:
        found: list[int] = []
        async for messages in self._messages(positions):
            found += await self._threads.run(
                search_text.containing, messages, needle, body_only=body_only
            )
        return found

    async def _messages(self, positions: Sequence[int]) -> AsyncIterator[list[tuple[int, bytes]]]:
        """The messages as (position, octets), some at a time; those that are gone are left out."""
        view = self._view
        by_uid = {view.uids[position]: position for position in positions}
        uids = list(by_uid)
        while uids:
            messages = await view.mailbox.read(uids, max_octets=READ_AHEAD)
            del uids[: len(messages)]
            read = []
            for uid, data in messages:
                octets = data if data is not None else await self._large(uid)
                if octets is not None:
                    read.append((by_uid[uid], octets))
            yield read

    async def _large(self, uid: int) -> bytes | None:
        try:
            with await self._view.mailbox.open_message(uid) as file:
                return await file.read()
        except MessageGone:
            return None


def _matching(
    rows: Sequence[Row], matches: Callable[[Row], bool], by_uid: dict[int, int]
) -> list[int]:
    return [by_uid[row[0]] for row in rows if matches(row)]


def _without(positions: Sequence[int], found: Sequence[int]) -> list[int]:
    gone = set(found)
    return [position for position in positions if position not in gone]


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
    return ByRow("header", lambda row: search_text.field_contains(row[1], key.name, needle))


ROW_KEYS: dict[type, Callable[[Any], ByRow]] = {
    SearchSize: _size,
    SearchDate: _date,
    SearchHeader: _header,
}
"""Open: an extension adds its key."""
