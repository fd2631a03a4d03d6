"""Sizes and durations: strict in, exact out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.config.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("50 MB", 50_000_000),
        ("50MB", 50_000_000),
        ("1.5 KiB", 1536),
        ("7 B", 7),
        ("2 GiB", 2**31),
        ("20K", 20_000),
    ],
)
def test_sizes(text: str, octets: int) -> None:
    assert parse_size(text) == octets


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5 m", 300), ("4h", 14400), ("5d", 432_000), ("1.5h", 5400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "MB", "-5 MB", "5  MB", "5 mb", "5 MB ", "1e3 MB", "٥ MB", "5m", "0x5 MB"]
)
def test_sizes_are_strict(text: str) -> None:
    with pytest.raises(ValueError, match="unit"):
        parse_size(text)


@pytest.mark.parametrize("text", ["", "5", "s", "-5s", "1h30m", "5 min", "5M", "1:30"])
def test_durations_are_strict(text: str) -> None:
    with pytest.raises(ValueError, match="unit"):
        parse_duration(text)


@given(st.integers(0, 10**14))
def test_sizes_round_trip(octets: int) -> None:
    assert parse_size(format_size(octets)) == octets


@given(st.integers(0, 10**5))
def test_durations_round_trip(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds
