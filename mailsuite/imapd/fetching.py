"""What a FETCH needs of each message and how its answer is put together (RFC 3501 §6.4.5, §7.4.2).

Items are sorted once a command: those that the view or a row of the index answers become plain
functions of the row, the others byte ranges of the message. `Plan.lines` is what a message's
answer begins with; the ranges follow. Never reads a message itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from mailsuite.imapd import facets, object_id, preview, save_date
from mailsuite.imapd.binary import binary
from mailsuite.imapd.octets import Item, Octets, cut
from mailsuite.imapd.reply import Bad
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.model import FetchItem, Section
from mailsuite.imapd.view import View
from mailsuite.store import SYSTEM_COLUMNS, Row

Render = Callable[[View, Row], bytes]
"""(view, row of the index) -> item name, space, value"""

_OLD_NAMES = {
    "RFC822": Section(),
    "RFC822.HEADER": Section((), "HEADER"),
    "RFC822.TEXT": Section((), "TEXT"),
}


class Plan:
    """The items of one FETCH, sorted.

    columns     of the index that are needed
    octets      items that need octets of the message
    marks_seen  the command sets \\Seen
    computes    columns that the index does not have yet are worth waiting for
    """

    def __init__(self, items: Iterable[FetchItem], *, by_uid: bool, modseq: bool = False) -> None:
        """`modseq`: tell it whether it was asked for or not (RFC 7162 §3.1.4.1)."""
        self.columns: list[str] = []
        self.octets: list[Item] = []
        self.marks_seen = False
        self.computes = False
        self._renders: list[Render] = []
        unique = dict.fromkeys(items)
        if by_uid:
            # A UID command's answers always tell the UID (RFC 3501 §6.4.8).
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

    def line(self, view: View, number: int, row: Row, *, seen: bool) -> bytes:
        """A message's answer as far as the row has it; `octets` may follow directly.

        `seen`: the command has just set \\Seen, which is told as a change by others would be.
        """
        items = [render(view, row) for render in self._renders]
        if seen:
            names = CHANGED if view.condstore else CHANGED[:1]
            items += [item(view, row) for name, item in names if name not in self.names]
        space = b" " if items and self.octets else b""
        return b"* %d FETCH (%b%b" % (number, b" ".join(items), space)

    def column(self, name: str, *, lazy: bool = False) -> int:
        """Ask for a column of the index; its place in the rows, whose first value is the UID.

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
            self._renders.append(make(self))
        else:
            raise Bad(f"{item.name} is not available")

    def _add_section(self, item: FetchItem) -> None:
        section = item.section or Section()
        name = item.name.encode() if item.name != "BODY[" else response.item_name(item)
        octets = Octets(name, section, item.partial)
        self.marks_seen |= not item.peek
        if not section.part and section.text.startswith("HEADER"):
            self._renders.append(_header(octets, self.column("header")))
        else:
            self.octets.append(octets)


# -- items that a row answers --------------------------------------------------------------------


def _flags(view: View, row: Row) -> bytes:
    return b"FLAGS " + view.flags(row[0])


def _uid(view: View, row: Row) -> bytes:
    return b"UID %d" % row[0]


def _modseq(view: View, row: Row) -> bytes:
    return b"MODSEQ (%d)" % view.modseq(row[0])


CHANGED: tuple[tuple[str, Render], ...] = (("FLAGS", _flags), ("UID", _uid), ("MODSEQ", _modseq))
"""What is told of a message whose flags have changed; FLAGS only without CONDSTORE."""


def _size(plan: Plan) -> Render:
    column = plan.column("size")
    return lambda view, row: b"RFC822.SIZE %d" % row[column]


def _internal_date(plan: Plan) -> Render:
    column = plan.column("internal_date")
    return lambda view, row: b"INTERNALDATE " + response.internal_date(row[column])


def _envelope(plan: Plan) -> Render:
    column = plan.column("envelope")
    return lambda view, row: b"ENVELOPE %b" % row[column]


def _bodystructure(plan: Plan) -> Render:
    column = plan.column("bodystructure")
    return lambda view, row: b"BODYSTRUCTURE %b" % row[column]


def _body(plan: Plan) -> Render:
    column = plan.column("bodystructure")
    return lambda view, row: b"BODY " + facets.body(row[column])


_ALWAYS_THERE = frozenset(SYSTEM_COLUMNS) - {"header"}
ITEMS: dict[str, Callable[[Plan], Render]] = {
    "FLAGS": lambda plan: _flags,
    "UID": lambda plan: _uid,
    "MODSEQ": lambda plan: _modseq,
    "RFC822.SIZE": _size,
    "INTERNALDATE": _internal_date,
    "ENVELOPE": _envelope,
    "BODYSTRUCTURE": _bodystructure,
    "BODY": _body,
    "PREVIEW": preview.preview,
    "PREVIEW LAZY": preview.lazy_preview,
    "SAVEDATE": save_date.save_date,
    "EMAILID": object_id.email_id_item,
    "THREADID": object_id.thread_id_item,
}
"""Items that a row answers. Open: an extension adds its own."""


def _header(octets: Octets, column: int) -> Render:
    """Of the message's own header, which the index keeps."""

    def render(view: View, row: Row) -> bytes:
        header: bytes = row[column]
        if octets.selects:
            header = octets.pick(header)
        elif octets.partial is not None:
            start, end = cut(0, len(header), octets.partial)
            header = header[start:end]
        return octets.name + b" " + response.literal(header)

    return render
