"""Pure. Search keys that columns of the index decide, row by row (RFC 3501 §6.4.4).

`ROW_KEYS` is open: an extension adds its key.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from mailsuite.imapd import object_id, save_date, search_text
from mailsuite.imapd.syntax.model import (
    SearchDate,
    SearchHeader,
    SearchObjectId,
    SearchSaved,
    SearchSize,
    SearchWithin,
)
from mailsuite.message import fold
from mailsuite.store import Row

_EPOCH = date(1970, 1, 1).toordinal()
_DAY = 86400
_BETWEEN = re.compile(r"[^\w!#$%&'*+/=?^{|}~-]+")


@dataclass(frozen=True, slots=True)
class ByRow:
    """A key that columns of the index decide: `matches` is asked with (uid, value, …).

    text  where that holds, this (folded) is in the message's header; "" says nothing
    """

    columns: tuple[str, ...]
    matches: Callable[[Row], bool]
    text: str = ""


def _size(key: SearchSize) -> ByRow:
    if key.relation == "larger":
        return ByRow(("size",), lambda row: bool(row[1] > key.octets))
    return ByRow(("size",), lambda row: bool(row[1] < key.octets))


def _date(key: SearchDate) -> ByRow:
    """The day as it was told: times and zones are disregarded (RFC 3501 §6.4.4).

    That is the internal date's in the zone given to APPEND, the Date field's in its writer's.
    """
    wanted = key.day.toordinal()

    def matches(row: Row) -> bool:
        if key.sent:
            value = search_text.sent_day(row[1])
        else:
            value = int((row[1] + 60 * row[2]) // _DAY) + _EPOCH
        if value is None:
            return False
        if key.relation == "before":
            return value < wanted
        return value == wanted if key.relation == "on" else value >= wanted

    return ByRow(("header",) if key.sent else ("internal_date", "zone"), matches)


def _within(key: SearchWithin) -> ByRow:
    moment = key.now - key.seconds
    if key.older:
        return ByRow(("internal_date",), lambda row: bool(row[1] <= moment))
    return ByRow(("internal_date",), lambda row: bool(row[1] >= moment))


def _header(key: SearchHeader) -> ByRow:
    """FROM and its like look at the addresses of the ENVELOPE too (RFC 3501 §6.4.4)."""
    needle = fold(key.value)
    text = needle or fold(f"{key.name}:")
    if not key.addresses:
        matches = search_text.field_contains
    else:
        matches = search_text.addresses_contain
        text = max(_BETWEEN.split(text), key=len)  # white space and comments may stand around it
    return ByRow(("header",), lambda row: matches(row[1], key.name, needle), text)


def _saved(key: SearchSaved) -> ByRow:
    return ByRow(("saved",), lambda row: save_date.matches(key, row))


def _object_id(key: SearchObjectId) -> ByRow:
    wanted = key.value.encode()
    if key.name == "THREADID":
        return ByRow(("thread",), lambda row: bool(row[1] == wanted))
    return ByRow(("identity",), lambda row: object_id.email_id(row[1]) == wanted)


ROW_KEYS: dict[type, Callable[[Any], ByRow]] = {
    SearchSize: _size,
    SearchDate: _date,
    SearchHeader: _header,
    SearchSaved: _saved,
    SearchObjectId: _object_id,
    SearchWithin: _within,
}
