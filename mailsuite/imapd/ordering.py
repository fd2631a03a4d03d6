"""Pure. Sorting many messages by several columns, in steps that let other threads run.

A sort in C holds the interpreter as long as it takes. Large ones are cut by value into pieces that
are sorted one after the other. Stable: what is equal stays in the order given.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import compress
from typing import Any

AT_ONCE = 20_000


def ordered(places: Iterable[int], columns: Sequence[tuple[Sequence[Any], bool]]) -> Sequence[int]:
    """`places` sorted by the first column, then the next, …; (column, in descending order?)."""
    found: Sequence[int] = places if isinstance(places, Sequence) else list(places)
    for column, descending in reversed(columns):
        found = _by(found, column, descending)
    return found


def picked(order: Sequence[int], inside: bytes) -> list[int]:
    """Those of `order` that are in the set (`mailsuite.imapd.positions`)."""
    found: list[int] = []
    for start in range(0, len(order), AT_ONCE):
        some = order[start : start + AT_ONCE]
        found += compress(some, map(inside.__getitem__, some))
    return found


def _by(places: Sequence[int], column: Sequence[Any], descending: bool) -> Sequence[int]:
    if len(places) <= AT_ONCE:
        return sorted(places, key=column.__getitem__, reverse=descending)
    found: list[int] = []
    pieces = _cut(places, column)
    for piece, same in reversed(pieces) if descending else pieces:
        found += piece if same else sorted(piece, key=column.__getitem__, reverse=descending)
    return found


def _cut(places: Sequence[int], column: Sequence[Any]) -> list[tuple[list[int], bool]]:
    """Pieces in ascending order, each in the order given; (places, all of one value?)."""
    sample = places[:: max(len(places) // 4096, 1)]
    values = sorted({column[place] for place in sample})
    cuts = values[:: max(len(values) * AT_ONCE // (2 * len(places)), 1)]
    between: list[list[int]] = [[] for _ in range(len(cuts) + 1)]
    on: list[list[int]] = [[] for _ in range(len(cuts) + 1)]
    cuts.append(None)
    for place in places:
        value = column[place]
        number = bisect_left(cuts, value, 0, len(cuts) - 1)
        (on if cuts[number] == value else between)[number].append(place)
    pieces = []
    for number in range(len(cuts)):
        pieces += [(between[number], False), (on[number], True)]
    return pieces
