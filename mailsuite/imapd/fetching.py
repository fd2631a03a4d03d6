"""What a FETCH needs of each message and how its answer is put together (RFC 3501 §6.4.5, §7.4.2).

Items are sorted once a command: those that the view or the index answers become columns of values,
put together for many messages in one step, the others byte ranges of the message. `Plan.heads` is
what a message's answer begins with; the ranges follow. Never reads a message itself.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from mailsuite.imapd import object_id, preview, save_date
from mailsuite.imapd.binary import binary
from mailsuite.imapd.octets import Item, Octets, cut, shown
from mailsuite.imapd.reply import Bad
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.model import FetchItem, Section
from mailsuite.imapd.view import View
from mailsuite.store import SYSTEM_COLUMNS, Column, Row

STRUCTURE = "bodystructure"
Render = Callable[[View, Row], bytes]
"""(view, row of the index) -> item name, space, value"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some messages of one FETCH: what the index says of them, column by column.

    numbers  sequence numbers, ascending
    columns  the UIDs, then `Plan.columns`, then what was made of them (`Plan.structures`)
    """

    view: View
    numbers: Sequence[int]
    columns: Sequence[Sequence[Any]]

    @property
    def uids(self) -> Sequence[int]:
        return self.columns[0]


@dataclass(frozen=True, slots=True)
class Items:
    """An item of many messages at once.

    form    name and value of one, with `%d` and `%b` where the values go
    values  the values, a sequence for each
    """

    form: bytes
    values: Callable[[Batch], Sequence[Iterable[Any]]]


def each(render: Render) -> Items:
    """An item that is rendered row by row."""
    return Items(
        b"%b",
        lambda batch: [[render(batch.view, row) for row in zip(*batch.columns, strict=True)]],
    )


_OLD_NAMES = {
    "RFC822": Section(),
    "RFC822.HEADER": Section((), "HEADER"),
    "RFC822.TEXT": Section((), "TEXT"),
}


class Plan:
    """The items of one FETCH, sorted.

    columns     of the index that are needed, after the UID
    structures  columns to be made of the body structures: True for BODY, False for BODYSTRUCTURE
    octets      items that need octets of the message
    marks_seen  the command sets \\Seen
    computes    columns that the index does not have yet are worth waiting for
    """

    def __init__(self, items: Iterable[FetchItem], *, uid: bool, modseq: bool = False) -> None:
        """`uid`, `modseq`: tell it whether it was asked for or not (RFC 7162 §3.1.4.1)."""
        self.columns: list[Column] = []
        self.structures: list[bool] = []
        self.octets: list[Item] = []
        self.marks_seen = False
        self.computes = False
        self._items: list[Items] = []
        unique = dict.fromkeys(items)
        if uid:
            unique = dict.fromkeys((FetchItem("UID"), *unique))
        if modseq:
            unique[FetchItem("MODSEQ")] = None
        self.names = frozenset(item.name for item in unique)
        for item in unique:
            self._add(item)
        self.parts = 0
        if any(octets.needs_parts for octets in self.octets):
            self.parts = self.column("parts")

    @property
    def has_flags(self) -> bool:
        """FLAGS was asked for."""
        return "FLAGS" in self.names

    def answers(self, batch: Batch) -> bytes:
        """The whole answers, where rows have all that was asked for."""
        items = b" ".join([items.form for items in self._items])
        form = b"* %%d %b (%b)\r\n" % (batch.view.word, items)
        values = self._values(batch)
        return form * len(batch.numbers) % tuple(chain.from_iterable(values))

    def heads(self, batch: Batch, seen: Container[int]) -> list[bytes]:
        """What each answer begins with, as far as the rows have it: `octets` may follow directly.

        `seen`: the command has just set \\Seen for these UIDs, which is told as a change by others
        would be.
        """
        items = b"".join([items.form + b" " for items in self._items])
        form = b"* %%d %b (%b" % (batch.view.word, items)
        heads = [form % values for values in self._values(batch)]
        if seen:
            more = [item for name, item in _changed(batch.view) if name not in self.names]
            for place, row in enumerate(zip(*batch.columns, strict=True)):
                if row[0] in seen:
                    heads[place] += b"".join([item(batch.view, row) + b" " for item in more])
        return heads if self.octets else [head.removesuffix(b" ") for head in heads]

    def _values(self, batch: Batch) -> Iterator[tuple[Any, ...]]:
        columns = [column for items in self._items for column in items.values(batch)]
        numbers = batch.uids if batch.view.enabled.uid_only else batch.numbers
        return zip(numbers, *columns, strict=True)

    def column(self, name: Column, *, lazy: bool = False) -> int:
        """Ask for a column of the index; its place among the columns, whose first is the UID.

        `lazy`: None will do where it is not there yet.
        """
        self.computes |= not lazy and name not in _ALWAYS_THERE
        if name not in self.columns:
            self.columns.append(name)
        return self.columns.index(name) + 1

    def _add(self, item: FetchItem) -> None:
        if item.name == "BODY[":
            self._add_section(item)
        elif item.name in ("BINARY[", "BINARY.SIZE["):
            self.marks_seen |= item.name == "BINARY[" and not item.peek
            self.octets.append(binary(item))
        elif (section := _OLD_NAMES.get(item.name)) is not None:
            peek = item.name == "RFC822.HEADER"
            self._add_section(replace(item, section=section, peek=peek))
        elif (make := ITEMS.get(item.name)) is not None:
            made = make(self)
            self._items.append(made if isinstance(made, Items) else each(made))
        else:
            raise Bad(f"{item.name} is not available")

    def _add_section(self, item: FetchItem) -> None:
        section = item.section or Section()
        name = item.name.encode() if item.name != "BODY[" else response.item_name(item)
        octets = Octets(name, section, item.partial)
        self.marks_seen |= not item.peek
        if not section.part and section.text.startswith("HEADER"):
            self._items.append(_header(octets, self))
        else:
            self.octets.append(octets)


# -- items that a row answers --------------------------------------------------------------------


def _flags(view: View, row: Row) -> bytes:
    return b"FLAGS " + view.flags(row[0])


def _uid(view: View, row: Row) -> bytes:
    return b"UID %d" % row[0]


def _modseq(view: View, row: Row) -> bytes:
    return b"MODSEQ (%d)" % view.modseq(row[0])


def _changed(view: View) -> Iterator[tuple[str, Render]]:
    """What is told of a message whose flags have changed."""
    yield "FLAGS", _flags
    if view.enabled.condstore:
        if not view.enabled.uid_only:
            yield "UID", _uid
        yield "MODSEQ", _modseq


def _all_flags(batch: Batch) -> Sequence[Iterable[bytes]]:
    return [batch.view.flags_at([number - 1 for number in batch.numbers])]


def _column(name: str, form: bytes) -> Callable[[Plan], Items]:
    """An item that is a column as it stands."""

    def make(plan: Plan) -> Items:
        place = plan.column(name)
        return Items(form, lambda batch: [batch.columns[place]])

    return make


def _internal_date(plan: Plan) -> Items:
    """In the zone in which the client had told it; RFC 3501 §6.4.4 searches in that too."""
    date, zone = plan.column("internal_date"), plan.column("zone")

    def values(batch: Batch) -> Sequence[Iterable[bytes]]:
        return [map(response.internal_date, batch.columns[date], batch.columns[zone])]

    return Items(b"INTERNALDATE %b", values)


def _structure(form: bytes, *, plain: bool) -> Callable[[Plan], Items]:
    """BODYSTRUCTURE, or BODY (`plain`)."""

    def make(plan: Plan) -> Items:
        plan.column(STRUCTURE)
        place = len(plan.structures)
        plan.structures.append(plain)
        return Items(form, lambda batch: [batch.columns[1 + len(plan.columns) + place]])

    return make


_ALWAYS_THERE = frozenset(SYSTEM_COLUMNS) - {"header"}
ITEMS: dict[str, Callable[[Plan], Items | Render]] = {
    "FLAGS": lambda plan: Items(b"FLAGS %b", _all_flags),
    "UID": lambda plan: Items(b"UID %d", lambda batch: [batch.uids]),
    "MODSEQ": lambda plan: _modseq,
    "RFC822.SIZE": _column("size", b"RFC822.SIZE %d"),
    "INTERNALDATE": _internal_date,
    "ENVELOPE": _column("envelope", b"ENVELOPE %b"),
    "BODYSTRUCTURE": _structure(b"BODYSTRUCTURE %b", plain=False),
    "BODY": _structure(b"BODY %b", plain=True),
    "PREVIEW": preview.preview,
    "PREVIEW LAZY": preview.lazy_preview,
    "SAVEDATE": save_date.save_date,
    "EMAILID": object_id.email_id_item,
    "THREADID": object_id.thread_id_item,
}
"""Items that a row answers. Open: an extension adds its own."""


def _header(octets: Octets, plan: Plan) -> Items:
    """Of the message's own header, which the index keeps, and what was taken from it before."""
    place = plan.column(octets.derived if octets.selects else "header")

    def values(batch: Batch) -> Sequence[Iterable[Any]]:
        found = batch.columns[place]
        if not octets.selects:
            found = list(map(shown, found))
        if octets.partial is not None:
            partial = octets.partial
            found = [value[slice(*cut(0, len(value), partial))] for value in found]
        return [map(len, found), found]

    return Items(octets.name.replace(b"%", b"%%") + b" {%d}\r\n%b", values)
