"""Pure. Names of annotations (RFC 5464 §3.2), also in LIST's RETURN (METADATA …) (RFC 9590 §5).

They are case-insensitive: read as they stand, compared and kept by `key`.
"""

from __future__ import annotations

import re

from mailsuite.imapd.syntax.cursor import Cursor

_ENTRY = re.compile(rb"/(?:private|shared)(?:/[^/*%\x00-\x19\x80-\xff]++)*+\Z", re.IGNORECASE)
MAX_ENTRIES = 1000
MAX_NAME = 1000


def entry_list(cursor: Cursor) -> tuple[str, ...]:
    """Entries in parentheses."""
    cursor.expect(b"(")
    return rest_of_list(cursor)


def entry(cursor: Cursor) -> str:
    """`entry`, as written."""
    octets = cursor.astring("an entry")
    if len(octets) > MAX_NAME or not _ENTRY.match(octets):
        raise cursor.problem("an entry begins with /private or /shared and is a path in ASCII")
    return octets.decode("ascii")


def key(name: str) -> str:
    """What an entry's name is compared and kept by."""
    return name.lower()


def rest_of_list(cursor: Cursor) -> tuple[str, ...]:
    """Entries, and the parenthesis behind them."""
    found = [entry(cursor)]
    while not cursor.skip(b")"):
        cursor.sp()
        found.append(entry(cursor))
        if len(found) > MAX_ENTRIES:
            raise cursor.problem(f"more than {MAX_ENTRIES} entries")
    return tuple(dict.fromkeys(found))
