"""Pure. GETMETADATA and SETMETADATA (RFC 5464 §5)."""

from __future__ import annotations

from dataclasses import dataclass

from mailsuite.imapd.syntax.cursor import Cursor
from mailsuite.imapd.syntax.entries import MAX_ENTRIES, entry, key, rest_of_list
from mailsuite.imapd.syntax.model import StoredLiteral
from mailsuite.imapd.syntax.parse_mailbox import mailbox_name

ANY_DEPTH = 1 << 30


@dataclass(frozen=True, slots=True)
class GetMetadata:
    """`mailbox` "" for the server; `maxsize` in octets, or None; `depth` 0, 1 or ANY_DEPTH."""

    mailbox: str
    entries: tuple[str, ...]
    maxsize: int | None = None
    depth: int = 0


def getmetadata(cursor: Cursor) -> tuple[GetMetadata]:
    """(GetMetadata,)

    The options stand before the mailbox in the ABNF, behind it in the examples of §4.2: both are
    taken. So are entries without parentheses (§4.4.1).
    """
    cursor.sp()
    options: dict[str, int] = {}
    if cursor.next_is(b"("):
        _options(cursor, options)
        cursor.sp()
    mailbox = mailbox_name(cursor)
    cursor.sp()
    if cursor.skip(b"("):
        if not options and not cursor.next_is(b'/"') and not cursor.at_literal:
            _options_inside(cursor, options)
            cursor.sp()
            entries = _entries(cursor)
        else:
            entries = rest_of_list(cursor)
    else:
        entries = _entries(cursor)
    return (GetMetadata(mailbox, entries, options.get("MAXSIZE"), options.get("DEPTH", 0)),)


def setmetadata(cursor: Cursor) -> tuple[str, dict[str, bytes | None]]:
    """(mailbox or "", entry as written -> value, None to remove it)"""
    cursor.sp()
    mailbox = mailbox_name(cursor)
    cursor.sp()
    cursor.expect(b"(")
    values: dict[str, bytes | None] = {}
    while True:
        name = entry(cursor)
        parts = key(name).split("/")
        if len(parts) < (5 if parts[2:3] == ["vendor"] else 3):
            raise cursor.problem(f"{name[:80]} is no entry that can be set")
        cursor.sp()
        values[name] = _value(cursor)
        if len(values) > MAX_ENTRIES:
            raise cursor.problem(f"more than {MAX_ENTRIES} entries")
        if cursor.skip(b")"):
            return mailbox, values
        cursor.sp()


def _options(cursor: Cursor, found: dict[str, int]) -> None:
    cursor.expect(b"(")
    _options_inside(cursor, found)


def _options_inside(cursor: Cursor, found: dict[str, int]) -> None:
    while True:
        name = cursor.word("an option")
        cursor.sp()
        match name:
            case "MAXSIZE":
                found[name] = cursor.number("a size")
            case "DEPTH":
                depth = cursor.word("a depth")
                known = {"0": 0, "1": 1, "INFINITY": ANY_DEPTH}
                if depth not in known:
                    raise cursor.problem("DEPTH is 0, 1 or infinity")
                found[name] = known[depth]
            case _:
                raise cursor.problem(f"unknown option '{name[:40]}'")
        if cursor.skip(b")"):
            return
        cursor.sp()


def _entries(cursor: Cursor) -> tuple[str, ...]:
    if cursor.skip(b"("):
        return rest_of_list(cursor)
    found = [entry(cursor)]
    while cursor.skip(b" "):
        found.append(entry(cursor))
    return tuple(dict.fromkeys(found))


def _value(cursor: Cursor) -> bytes | None:
    if not cursor.at_literal:
        return cursor.nstring()
    value = cursor.literal()
    if isinstance(value, StoredLiteral):
        raise cursor.problem("literal too long")
    return value.data
