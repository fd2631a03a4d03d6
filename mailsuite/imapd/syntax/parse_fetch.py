"""Pure. FETCH: macros, items, sections and partials (RFC 3501 §6.4.5, RFC 9051 §6.4.5, §9).

`ITEMS` and `MODIFIERS` are open: an extension adds its word with the parser of what follows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from mailsuite.imapd.syntax.cursor import MAX_NUMBER64, Cursor
from mailsuite.imapd.syntax.model import FetchArguments, FetchItem, Section
from mailsuite.imapd.syntax.parse_values import mod_sequence, partial_range, sequence_set

ItemParser: TypeAlias = Callable[[Cursor, str], FetchItem]

MAX_ITEMS = 1000
MAX_HEADER_NAMES = 1000
MAX_PART_DEPTH = 100

_ITEM = re.compile(rb"[A-Za-z0-9.\-]++")

_LAZY = re.compile(rb" \(LAZY(?: LAZY)*+\)", re.IGNORECASE)
_DOT = re.compile(rb"\.(?=[0-9])")

_FAST = ("FLAGS", "INTERNALDATE", "RFC822.SIZE")
_MACROS = {
    "FAST": _FAST,
    "ALL": (*_FAST, "ENVELOPE"),
    "FULL": (*_FAST, "ENVELOPE", "BODY"),
}


def fetch(cursor: Cursor) -> tuple[FetchArguments]:
    """FETCH, UID FETCH: (FetchArguments,)"""
    cursor.sp()
    numbers = sequence_set(cursor)
    cursor.sp()
    items = _items(cursor)
    modifiers = _modifiers(cursor) if cursor.skip(b" ") else {}
    return (
        FetchArguments(
            numbers,
            items,
            modifiers.get("CHANGEDSINCE"),
            modifiers.get("VANISHED", False),
            modifiers.get("PARTIAL"),
        ),
    )


def _items(cursor: Cursor) -> tuple[FetchItem, ...]:
    """A macro, one item, or several in parentheses."""
    if cursor.skip(b"("):
        return item_list(cursor)
    for macro, names in _MACROS.items():
        if cursor.skip_word(macro.encode("ascii")):
            return tuple(FetchItem(name) for name in names)
    return (_item(cursor),)


def item_list(cursor: Cursor) -> tuple[FetchItem, ...]:
    """The items after "(", and the ")"."""
    items = [_item(cursor)]
    while not cursor.skip(b")"):
        cursor.sp()
        items.append(_item(cursor))
        if len(items) > MAX_ITEMS:
            raise cursor.problem(f"more than {MAX_ITEMS} items")
    return tuple(items)


def _modifiers(cursor: Cursor) -> dict[str, Any]:
    """`fetch-modifiers` (RFC 4466 §2.3), each once."""
    cursor.expect(b"(")
    found: dict[str, Any] = {}
    while True:
        name = cursor.word("a modifier")
        parser = MODIFIERS.get(name)
        if parser is None or name in found:
            raise cursor.problem(f"unknown modifier, or twice: '{name[:40]}'")
        found[name] = parser(cursor)
        if cursor.skip(b")"):
            return found
        cursor.sp()


def _changed_since(cursor: Cursor) -> int:
    cursor.sp()
    return mod_sequence(cursor)


MODIFIERS: dict[str, Callable[[Cursor], object]] = {
    "CHANGEDSINCE": _changed_since,  # RFC 7162 §3.1.4.1
    "VANISHED": lambda cursor: True,  # RFC 7162 §3.2.6
    "PARTIAL": partial_range,  # RFC 9394
}


def _item(cursor: Cursor) -> FetchItem:
    """`fetch-att`"""
    found = cursor.match(_ITEM)
    if found is None:
        raise cursor.unexpected("an item")
    name = found[0].upper().decode("ascii")
    parser = ITEMS.get(name)
    if parser is None:
        hint = " (a macro stands alone)" if name in _MACROS else ""
        raise cursor.problem(f"unknown item '{name[:40]}'{hint}")
    return parser(cursor, name)


def plain(cursor: Cursor, name: str) -> FetchItem:
    """An item that is only a name."""
    return FetchItem(name)


def _body(cursor: Cursor, name: str) -> FetchItem:
    """`BODY`, `BODY section [partial]`, `BODY.PEEK section [partial]`"""
    peek = name == "BODY.PEEK"
    if not peek and not cursor.next_is(b"["):
        return FetchItem("BODY")
    return FetchItem("BODY[", peek, section(cursor), _partial(cursor))


def _binary(cursor: Cursor, name: str) -> FetchItem:
    """`BINARY[.PEEK] section-binary [partial]`, `BINARY.SIZE section-binary` (RFC 3516)

    The whole of `section` is understood, and a partial without a count: other servers do that, and
    clients have come to rely on it.
    """
    found = section(cursor)
    if name == "BINARY.SIZE":
        return FetchItem("BINARY.SIZE[", False, found)
    return FetchItem("BINARY[", name == "BINARY.PEEK", found, _partial(cursor, open_end=True))


def _preview(cursor: Cursor, name: str) -> FetchItem:
    """`PREVIEW [SP "(" preview-mod ... ")"]` (RFC 8970 §6); another list is not ours."""
    return FetchItem("PREVIEW LAZY" if cursor.match(_LAZY) else name)


ITEMS: dict[str, ItemParser] = {
    "MODSEQ": plain,  # RFC 7162 §3.1.4.2
    **dict.fromkeys(("FLAGS", "UID", "ENVELOPE", "INTERNALDATE", "BODYSTRUCTURE"), plain),
    **dict.fromkeys(("RFC822", "RFC822.HEADER", "RFC822.TEXT", "RFC822.SIZE"), plain),
    **dict.fromkeys(("SAVEDATE", "EMAILID", "THREADID"), plain),  # RFC 8514, RFC 8474
    "PREVIEW": _preview,
    **dict.fromkeys(("BODY", "BODY.PEEK"), _body),
    **dict.fromkeys(("BINARY", "BINARY.PEEK", "BINARY.SIZE"), _binary),
}


def section(cursor: Cursor) -> Section:
    """`section`"""
    cursor.expect(b"[")
    if cursor.skip(b"]"):
        return Section()
    part: tuple[int, ...] = ()
    if cursor.next_is(b"0123456789"):
        part = _section_part(cursor)
        if cursor.skip(b"]"):
            return Section(part)
        cursor.expect(b".")
    found = cursor.match(_ITEM)
    text = found[0].upper().decode("ascii") if found is not None else ""
    if text == "MIME" and not part:
        raise cursor.problem("MIME needs a part number before it")
    if text in ("HEADER", "TEXT", "MIME"):
        cursor.expect(b"]")
        return Section(part, text)
    if text in ("HEADER.FIELDS", "HEADER.FIELDS.NOT"):
        cursor.sp()
        fields = _header_list(cursor)
        cursor.expect(b"]")
        return Section(part, text, fields)
    raise cursor.problem(f"unknown section '{text[:40]}'")


def _section_part(cursor: Cursor) -> tuple[int, ...]:
    """`section-part`; the dot before a section-text is left alone."""
    numbers = [cursor.number("a part number", low=1)]
    while cursor.match(_DOT):
        numbers.append(cursor.number("a part number", low=1))
        if len(numbers) > MAX_PART_DEPTH:
            raise cursor.problem(f"more than {MAX_PART_DEPTH} part numbers")
    return tuple(numbers)


def _header_list(cursor: Cursor) -> tuple[str, ...]:
    """`header-list`"""
    cursor.expect(b"(")
    names: list[str] = []
    while True:
        # Field names are ASCII; Latin-1 keeps any octet as it is, for the answer to repeat.
        names.append(cursor.astring("a header name").decode("latin-1"))
        if len(names) > MAX_HEADER_NAMES:
            raise cursor.problem(f"more than {MAX_HEADER_NAMES} header names")
        if cursor.skip(b")"):
            return tuple(names)
        cursor.sp()


def _partial(cursor: Cursor, *, open_end: bool = False) -> tuple[int, int] | None:
    """`partial`: <first octet.count>; with `open_end` the count may be missing."""
    if not cursor.skip(b"<"):
        return None
    first = cursor.number("an offset", high=MAX_NUMBER64)
    if open_end and cursor.skip(b">"):
        return first, MAX_NUMBER64
    cursor.expect(b".")
    count = cursor.number("a count", low=1, high=MAX_NUMBER64)
    cursor.expect(b">")
    return first, count
