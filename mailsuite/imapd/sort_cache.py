"""What SORT and THREAD know of the mailboxes in use: columns of keys in memory, and orders made.

A mailbox's columns are shared by all sessions on it, filled at the first question and extended by
what arrives. They go with the mailbox's view when nobody uses that any more, and the longest unused
ones go when all together would take more than `MAX_OCTETS`. Sorting is done in threads.
"""

from __future__ import annotations

import asyncio
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from mailsuite.base.ordering import ordered, picked
from mailsuite.base.tasks import Threads
from mailsuite.imapd import positions, thread_tree
from mailsuite.imapd.progress import Report
from mailsuite.imapd.syntax.model import SortCriterion
from mailsuite.imapd.thread_tree import Shape
from mailsuite.imapd.view import View
from mailsuite.store import Mailbox, Row

MAX_OCTETS = 128 << 20
ROWS_BATCH = 2000
MAX_ORDERS = 8
MAX_SHAPES = 4
Criteria: TypeAlias = tuple[SortCriterion, ...]
Own: TypeAlias = Mapping[str, Sequence[int]]
"""Columns that belong to one question only."""
_NO_OWN: Own = {}
_BY_DATE: Criteria = (SortCriterion("DATE"),)
_COLUMNS = {
    "ARRIVAL": ("internal_date",),
    "DATE": ("sort_date", "internal_date"),
    "SIZE": ("size",),
    "IDS": ("thread_ids",),
}
"""What of the index a column is made of; of the others `sort_…`."""


def _made(name: str, rows: Sequence[Row]) -> Sequence[Any]:
    """A piece of a column."""
    match name:
        case "ARRIVAL":
            return array("q", [int(row[1] // 1) for row in rows])
        case "SIZE":
            return array("q", [row[1] for row in rows])
        case "DATE":
            # RFC 5256 §2.2: without a date of its own, the internal date.
            return array(
                "q",
                [
                    int.from_bytes(row[1], "little", signed=True) if row[1] else int(row[2] // 1)
                    for row in rows
                ],
            )
        case _:
            return [row[1] for row in rows]


def _empty(name: str) -> Any:
    return array("q") if name in ("ARRIVAL", "SIZE", "DATE") else []


class Table:
    """Columns of one mailbox's messages; those that a session knows, when it was asked for.

    Never changed but by what is added: columns, orders, shapes.
    """

    __slots__ = ("columns", "orders", "shapes", "uids", "used")

    def __init__(self, uids: array[int]) -> None:
        self.uids = uids
        self.used = 0
        self.columns: dict[str, Any] = {}
        self.orders: OrderedDict[Criteria, Sequence[int]] = OrderedDict()
        self.shapes: OrderedDict[tuple[str, bytes], Shape] = OrderedDict()

    def sorted(
        self, criteria: Criteria, inside: bytes, every: bool, own: Own = _NO_OWN
    ) -> Sequence[int]:
        """The places in a set (`mailsuite.imapd.positions`; `every`: it has all), in order."""
        order = self.orders.get(criteria)
        if order is None:
            columns = {**self.columns, **own}
            keys = [(columns[one.key], one.reverse) for one in criteria]
            if own or (not every and inside.count(1) * 8 < len(inside)):
                return ordered(positions.listed(inside), keys)
            order = ordered(range(len(self.uids)), keys)
            _keep(self.orders, criteria, order, MAX_ORDERS)
        return order if every else picked(order, inside)

    def threaded(self, algorithm: str, inside: bytes, every: bool) -> Shape:
        """The same for THREAD."""
        shape = self.shapes.get((algorithm, inside))
        if shape is None:
            places = range(len(inside)) if every else positions.listed(inside)
            by_date = self.sorted(_BY_DATE, inside, every)
            messages = thread_tree.Messages(
                places, by_date, self.columns["SUBJECT"], self.columns["IDS"]
            )
            shape = thread_tree.ALGORITHMS[algorithm](messages)
            _keep(self.shapes, (algorithm, inside), shape, MAX_SHAPES)
        return shape

    @property
    def octets(self) -> int:
        """About what it takes."""
        total = 4 * len(self.uids) * (1 + len(self.orders) + 3 * len(self.shapes))
        for column in self.columns.values():
            total += 8 * len(column)
            if isinstance(column, list):
                # The objects: most texts stand there several times, so a few tell enough.
                some = column[:: max(len(column) // 200, 1)]
                total += sum(33 + len(each) for each in some) * len(column) // max(len(some), 1)
        return total


def _keep(kept: OrderedDict[Any, Any], key: Any, value: Any, limit: int) -> None:
    kept[key] = value
    if len(kept) > limit:
        kept.popitem(last=False)


class SortCache:
    """One for all sessions of a door."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._tables: WeakKeyDictionary[Mailbox, Table] = WeakKeyDictionary()
        self._locks: WeakKeyDictionary[Mailbox, asyncio.Lock] = WeakKeyDictionary()
        self._uses = 0

    async def sorted(
        self, view: View, criteria: Criteria, inside: bytes, report: Report, own: Own = _NO_OWN
    ) -> Sequence[int]:
        """The positions in a set, sorted (RFC 5256 §3)."""
        names = {one.key for one in criteria}.difference(own)
        table = await self._table(view, names, len(inside), report)
        every = inside.find(0) < 0
        return await self._threads.compute(table.sorted, criteria, inside, every, own)

    async def threaded(self, view: View, algorithm: str, inside: bytes, report: Report) -> Shape:
        """The shape of the answer to THREAD, for the positions in a set."""
        table = await self._table(view, {"DATE", "SUBJECT", "IDS"}, len(inside), report)
        every = inside.find(0) < 0
        return await self._threads.compute(table.threaded, algorithm, inside, every)

    # -- filling -----------------------------------------------------------------------------------

    async def _table(self, view: View, names: Iterable[str], count: int, report: Report) -> Table:
        """A table of exactly the first `count` messages of the view, with these columns."""
        mailbox = view.mailbox
        uids = view.uids[:count]
        lock = self._locks.setdefault(mailbox, asyncio.Lock())
        async with lock:
            known = self._tables.get(mailbox)
            table = known if known is not None and known.uids == uids else Table(uids)
            for name in names:
                if name not in table.columns:
                    await _fill(table, name, known, mailbox, report)
            self._tables[mailbox] = table
        self._uses += 1
        table.used = self._uses
        self._make_room()
        return table

    def _make_room(self) -> None:
        """Forget the longest unused tables; also the newest, if it alone is too large."""
        tables = sorted(self._tables.items(), key=lambda item: item[1].used)
        total = sum(table.octets for _, table in tables)
        for mailbox, table in tables:
            if total <= MAX_OCTETS:
                break
            total -= table.octets
            del self._tables[mailbox]


async def _fill(
    table: Table, name: str, known: Table | None, mailbox: Mailbox, report: Report
) -> None:
    """Make a column: from an older table's where that has the messages, else from the index."""
    sources = _COLUMNS.get(name, (f"sort_{name.lower()}",))
    uids = table.uids
    old = known.columns.get(name) if known is not None else None
    before = known.uids if known is not None and old is not None else array("I")
    column = _empty(name)
    if old is not None and uids[: len(before)] == before:
        column = old[:]
    nothing = 0 if isinstance(column, array) else b"\0" * 16 if name == "IDS" else b""
    for start in range(len(column), len(uids), ROWS_BATCH):
        some = uids[start : start + ROWS_BATCH]
        first, stop = bisect_left(before, some[0]), bisect_right(before, some[-1])
        values = dict(zip(before[first:stop], old[first:stop] if old else (), strict=True))
        wanted = [uid for uid in some if uid not in values]
        if wanted:
            rows = await mailbox.rows(wanted, columns=sources)
            values.update(zip((row[0] for row in rows), _made(name, rows), strict=True))
            report(start, len(uids))
        # A message that has just gone is not in the index any more.
        column.extend([values.get(uid, nothing) for uid in some])
        await asyncio.sleep(0)
    table.columns[name] = column
