"""Pure. Sets of whole numbers as ranges: ascending, none empty, none overlapping or touching."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence


def merged(pieces: Iterable[range]) -> list[range]:
    """The set that these ranges, in any order, cover together."""
    found: list[range] = []
    for piece in sorted((piece for piece in pieces if piece), key=lambda piece: piece.start):
        if found and piece.start <= found[-1].stop:
            found[-1] = range(found[-1].start, max(found[-1].stop, piece.stop))
        else:
            found.append(piece)
    return found


def runs(numbers: Sequence[int], start: int = 0, stop: int | None = None) -> Iterator[range]:
    """The set of `numbers[start:stop]`, which ascend, none twice.

    Runs are found by leaps, so that long ones cost next to nothing.
    """
    total = len(numbers) if stop is None else stop
    while start < total:
        first = numbers[start]
        end = start + 1  # invariant: numbers[start:end] is a run
        leap = 1
        while end + leap <= total and numbers[end + leap - 1] - first == end + leap - 1 - start:
            end += leap
            leap *= 2
        while leap := leap // 2:
            if end + leap <= total and numbers[end + leap - 1] - first == end + leap - 1 - start:
                end += leap
        yield range(first, first + end - start)
        start = end


def both(one: Sequence[range], other: Sequence[range]) -> list[range]:
    """What is in both sets."""
    found = []
    i = j = 0
    while i < len(one) and j < len(other):
        start = max(one[i].start, other[j].start)
        stop = min(one[i].stop, other[j].stop)
        if start < stop:
            found.append(range(start, stop))
        if one[i].stop < other[j].stop:
            i += 1
        else:
            j += 1
    return found


def without(these: Iterable[range], numbers: Sequence[int], count: int) -> list[range]:
    """What is in the set and not among the first `count` numbers, which ascend."""
    found = []
    for piece in these:
        start = piece.start
        low = bisect_left(numbers, piece.start, 0, count)
        high = bisect_left(numbers, piece.stop, low, count)
        for run in runs(numbers, low, high):
            if start < run.start:
                found.append(range(start, run.start))
            start = run.stop
        if start < piece.stop:
            found.append(range(start, piece.stop))
    return found
