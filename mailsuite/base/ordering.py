"""Sorting many things by columns of theirs, in steps that let other threads run.

A sort in C holds the interpreter as long as it takes. Large ones are cut by value into pieces that
are sorted one after the other; and places lie in arrays, since a list of half a million numbers
takes long to be freed, too. Stable: what is equal stays in the order given.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import compress
from typing import Any

AT_ONCE = 4000
SAMPLE = 4096


def ordered(places: Sequence[int], columns: Sequence[tuple[Sequence[Any], bool]]) -> Sequence[int]:
    """`places` sorted by the first column, then the next, …; (column, in descending order?)."""
    for column, descending in reversed(columns):
        places = _by(places, column, descending)
    return places


def picked(order: Sequence[int], inside: bytes) -> array[int]:
    """Those of `order` that are in the set: `inside` is 1 where a place is, else 0."""
    found = array("I")
    for start in range(0, len(order), AT_ONCE):
        some = order[start : start + AT_ONCE]
        found.extend(compress(some, map(inside.__getitem__, some)))
    return found


def _by(places: Sequence[int], column: Sequence[Any], descending: bool) -> array[int]:
    found = array("I")
    pieces = [(places, False)] if len(places) <= AT_ONCE else _cut(places, column)
    for piece, same in reversed(pieces) if descending else pieces:
        found.extend(piece if same else sorted(piece, key=column.__getitem__, reverse=descending))
    return found


def _cut(places: Sequence[int], column: Sequence[Any]) -> list[tuple[Sequence[int], bool]]:
    """Pieces in ascending order, each in the order given; (places, all of one value?)."""
    sample = places[:: max(len(places) // SAMPLE, 1)]
    values = sorted({column[place] for place in sample})
    cuts = values[:: max(len(values) * AT_ONCE // (2 * len(places)), 1)]
    between = [array("I") for _ in range(len(cuts) + 1)]
    on = [array("I") for _ in range(len(cuts) + 1)]
    cuts.append(None)
    for place in places:
        value = column[place]
        number = bisect_left(cuts, value, 0, len(cuts) - 1)
        (on if cuts[number] == value else between)[number].append(place)
    pieces: list[tuple[Sequence[int], bool]] = []
    for number in range(len(cuts)):
        pieces += [(between[number], False), (on[number], True)]
    return pieces
