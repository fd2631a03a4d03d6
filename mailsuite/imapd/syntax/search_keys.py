"""Pure. Looking through a search program, and putting other keys into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mailsuite.imapd.syntax.model import (
    SearchAnd,
    SearchFuzzy,
    SearchKey,
    SearchNot,
    SearchOr,
    SearchSequence,
    SearchWithin,
)


def contains(key: SearchKey, wanted: Callable[[SearchKey], bool]) -> bool:
    """Is one of the program's keys such a one?"""
    match key:
        case SearchNot(inner) | SearchFuzzy(inner):
            return contains(inner, wanted)
        case SearchOr(left, right):
            return contains(left, wanted) or contains(right, wanted)
        case SearchAnd(keys):
            return any(contains(each, wanted) for each in keys)
    return wanted(key)


def has_numbers(key: SearchKey) -> bool:
    """It names messages by their sequence numbers."""
    return contains(key, lambda each: isinstance(each, SearchSequence) and not each.numbers.saved)


def rewritten(key: SearchKey, change: Callable[[SearchKey], SearchKey]) -> SearchKey:
    """The same program; each key that has no others in it is what `change` makes of it."""
    match key:
        case SearchNot(inner):
            return SearchNot(rewritten(inner, change))
        case SearchFuzzy(inner):
            return SearchFuzzy(rewritten(inner, change))
        case SearchOr(left, right):
            return SearchOr(rewritten(left, change), rewritten(right, change))
        case SearchAnd(keys):
            return SearchAnd(tuple(rewritten(each, change) for each in keys))
    return change(key)


def dated(key: SearchKey, now: float) -> SearchKey:
    """With `now` (seconds since the epoch) in the keys that count from it (RFC 5032)."""

    def put_in(leaf: SearchKey) -> SearchKey:
        return replace(leaf, now=now) if isinstance(leaf, SearchWithin) else leaf

    return rewritten(key, put_in)
