"""Sets of positions: as Python's own sets have it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mailsuite.imapd import positions

COUNT = 40
some = st.frozensets(st.integers(0, COUNT - 1))


@given(some, some)
def test_as_sets(one: frozenset[int], other: frozenset[int]) -> None:
    a, b = positions.of(one, COUNT), positions.of(other, COUNT)
    assert positions.listed(a) == sorted(one)
    assert positions.listed(positions.both(a, b)) == sorted(one & other)
    assert positions.listed(positions.either(a, b)) == sorted(one | other)
    assert positions.listed(positions.without(a, b)) == sorted(one - other)
    assert positions.listed(positions.every(COUNT)) == list(range(COUNT))
    runs = positions.runs(a)
    assert positions.of_ranges(runs, COUNT) == a
    assert all(left.stop < right.start for left, right in pairwise(runs))


def test_empty() -> None:
    assert positions.listed(positions.every(0)) == []
    assert positions.both(b"", b"") == b""
    assert positions.runs(b"") == []
