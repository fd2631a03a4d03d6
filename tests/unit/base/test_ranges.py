"""Sets of numbers as ranges, against Python's own sets."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mailsuite.base import ranges

numbers = st.sets(st.integers(0, 40)).map(sorted)


def spread(pieces: list[range]) -> list[int]:
    """The numbers; checks the form."""
    for before, after in pairwise(pieces):
        assert before.stop < after.start
    assert all(pieces)
    return [number for piece in pieces for number in piece]


@given(numbers)
def test_runs(some: list[int]) -> None:
    assert spread(list(ranges.runs(some))) == some
    assert spread(list(ranges.runs(some, 1, len(some) - 1))) == some[1:-1]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40))))
def test_merged(pairs: list[tuple[int, int]]) -> None:
    pieces = [range(low, high) for low, high in pairs]
    assert spread(ranges.merged(pieces)) == sorted({n for piece in pieces for n in piece})


@given(numbers, numbers, st.integers(0, 40))
def test_both_and_without(one: list[int], other: list[int], count: int) -> None:
    first, second = list(ranges.runs(one)), list(ranges.runs(other))
    assert spread(ranges.both(first, second)) == sorted({*one} & {*other})
    count = min(count, len(other))
    assert spread(ranges.without(first, other, count)) == sorted({*one} - {*other[:count]})
