"""Pure. PARTIAL: some of many results, counted from the first, or (-) from the last (RFC 9394)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

T = TypeVar("T")
Partial: TypeAlias = tuple[int, int]
"""Both positive or both negative; 5:1 is the same as 1:5."""


def cut(whole: Sequence[T], partial: Partial) -> Sequence[T]:
    """Those in the range, in their order; what the range names beyond the ends is not there."""
    start, stop = _bounds(len(whole), partial)
    return whole[start:stop]


def _bounds(count: int, partial: Partial) -> tuple[int, int]:
    low, high = sorted(map(abs, partial))
    if partial[0] > 0:
        return low - 1, high
    return max(count - high, 0), max(count - low + 1, 0)
