"""Sorting in pieces gives what sorting at once gives."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.base import ordering

few = st.one_of(st.integers(0, 5), st.integers(0, 1000))
rows = st.lists(st.tuples(few, few, st.binary(max_size=2)), max_size=120)


@pytest.fixture(params=[3, 4_000], autouse=True)
def at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "AT_ONCE", request.param)


@given(rows, st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=3))
def test_like_python(rows: list[tuple[int, int, bytes]], program: list[tuple[int, bool]]) -> None:
    """Each criterion reverses alone, and equals stay in the mailbox's order (RFC 5256 §3)."""
    expected = list(range(len(rows)))
    for number, descending in reversed(program):
        expected.sort(key=lambda place: rows[place][number], reverse=descending)
    columns: list[tuple[Sequence[Any], bool]] = [
        ([row[number] for row in rows], descending) for number, descending in program
    ]
    assert list(ordering.ordered(range(len(rows)), columns)) == expected


@given(st.lists(st.booleans(), max_size=50), st.randoms())
def test_picked(inside: list[bool], random: Any) -> None:
    order = list(range(len(inside)))
    random.shuffle(order)
    assert list(ordering.picked(order, bytes(inside))) == [
        place for place in order if inside[place]
    ]


@given(st.lists(st.just(7), max_size=60))
def test_all_the_same(column: list[int]) -> None:
    assert list(ordering.ordered(range(len(column)), [(column, True)])) == [*range(len(column))]
