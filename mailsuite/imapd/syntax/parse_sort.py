"""Pure. SORT and THREAD (RFC 5256 §5), the extended SORT (RFC 5267 §5).

`SORT_KEYS` and `ALGORITHMS` are open: an extension adds its own.
"""

from __future__ import annotations

from mailsuite.imapd.syntax.cursor import Cursor
from mailsuite.imapd.syntax.model import SearchArguments, SortCriterion
from mailsuite.imapd.syntax.parse_search import charset_, program, return_options

SORT_KEYS = {"ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO"}
SORT_KEYS |= {"DISPLAYFROM", "DISPLAYTO"}  # RFC 5957
SORT_KEYS |= {"RELEVANCY"}  # RFC 6203 §5
ALGORITHMS = {"ORDEREDSUBJECT", "REFERENCES"}
MAX_CRITERIA = 20


def sort(cursor: Cursor) -> tuple[SearchArguments]:
    """SORT, UID SORT: (SearchArguments,)"""
    cursor.sp()
    returns, partial, fetch = return_options(cursor)
    cursor.expect(b"(")
    criteria = [_criterion(cursor)]
    while not cursor.skip(b")"):
        cursor.sp()
        criteria.append(_criterion(cursor))
        if len(criteria) > MAX_CRITERIA:
            raise cursor.problem(f"more than {MAX_CRITERIA} criteria")
    relevancy = "RELEVANCY" in (returns or ()) or any(one.key == "RELEVANCY" for one in criteria)
    found = _search_criteria(cursor, returns, relevancy=relevancy)
    return (SearchArguments(found.key, returns, found.charset, partial, tuple(criteria), fetch),)


def _criterion(cursor: Cursor) -> SortCriterion:
    """`sort-criterion`"""
    key = cursor.word("a sort criterion")
    reverse = key == "REVERSE"
    if reverse:
        cursor.sp()
        key = cursor.word("a sort criterion")
    if key not in SORT_KEYS:
        raise cursor.problem(f"unknown sort criterion '{key[:40]}'")
    return SortCriterion(key, reverse)


def thread(cursor: Cursor) -> tuple[str, SearchArguments]:
    """THREAD, UID THREAD: (algorithm, SearchArguments)"""
    cursor.sp()
    algorithm = cursor.word("a threading algorithm")
    if algorithm not in ALGORITHMS:
        raise cursor.problem(f"unknown threading algorithm '{algorithm[:40]}'")
    return algorithm, _search_criteria(cursor, None, relevancy=False)


def _search_criteria(
    cursor: Cursor, returns: frozenset[str] | None, *, relevancy: bool
) -> SearchArguments:
    """SP and `search-criteria`: here the charset must be told, and has no word before it."""
    cursor.sp()
    charset, codec = charset_(cursor, returns)
    cursor.sp()
    return SearchArguments(program(cursor, codec, relevancy=relevancy), None, charset)
