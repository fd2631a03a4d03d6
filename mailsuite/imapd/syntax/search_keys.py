"""Pure. Looking through a search program."""

from __future__ import annotations

from collections.abc import Callable

from mailsuite.imapd.syntax.model import SearchAnd, SearchFuzzy, SearchKey, SearchNot, SearchOr


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
