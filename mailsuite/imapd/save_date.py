"""SAVEDATE in FETCH and SEARCH: since when a message is in its mailbox (RFC 8514).

The file's name tells it (`store.filename`), so it is there for all messages and outlives the index.
Days are those of UTC, as with the internal date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.model import SearchSaved

if TYPE_CHECKING:
    from mailsuite.imapd.fetching import Plan, Render
    from mailsuite.imapd.view import View
    from mailsuite.store import Row

_EPOCH = 719_163
"""1-Jan-1970 as `date.toordinal` counts."""


def save_date(plan: Plan) -> Render:
    column = plan.column("saved")

    def render(view: View, row: Row) -> bytes:
        seconds = row[column]
        return b"SAVEDATE " + (b"NIL" if seconds is None else response.internal_date(seconds))

    return render


def matches(key: SearchSaved, row: Row) -> bool:
    """Does (uid, seconds) match?"""
    if row[1] is None:
        return False
    value, wanted = row[1] // 86400 + _EPOCH, key.day.toordinal()
    if key.relation == "before":
        return bool(value < wanted)
    return bool(value == wanted if key.relation == "on" else value >= wanted)
