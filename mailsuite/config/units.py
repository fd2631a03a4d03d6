"""Pure. Sizes and durations as people write them: "50 MB", "4h".

Strict: one number, one unit, nothing guessed. kB (or k), MB, GB count in thousands, KiB, MiB, GiB
in 1024.
"""

import re

SIZES = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
    "k": 1000,
    "K": 1000,
    "M": 1000**2,
    "G": 1000**3,
    "T": 1000**4,
}
DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_QUANTITY = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?([A-Za-z]{1,3})\Z", re.ASCII)


def parse_size(text: str) -> int:
    """Octets from "50 MB", "1.5 GiB". Raises ValueError with the reason."""
    amount, factor = _quantity(text, SIZES)
    return round(amount * factor)


def parse_duration(text: str) -> float:
    """Seconds from "30s", "15 m", "4h", "5d". Raises ValueError with the reason."""
    amount, factor = _quantity(text, DURATIONS)
    return amount * factor


def _quantity(text: str, units: dict[str, int]) -> tuple[float, int]:
    found = _QUANTITY.match(text)
    if found is None:
        raise ValueError("is not a number with a unit")
    number, unit = found.groups()
    if unit not in units:
        raise ValueError(f'has the unknown unit "{unit}" (known: {", ".join(units)})')
    return float(number), units[unit]


def format_size(octets: int) -> str:
    """The shortest exact text that `parse_size` reads back: 50000000 is "50 MB"."""
    for unit in ("TB", "GB", "MB", "kB", "GiB", "MiB", "KiB"):
        if octets and octets % SIZES[unit] == 0:
            return f"{octets // SIZES[unit]} {unit}"
    return f"{octets} B"


def format_duration(seconds: float) -> str:
    """The shortest exact text that `parse_duration` reads back: 14400 is "4h"."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % DURATIONS[unit] == 0:
            return f"{int(seconds // DURATIONS[unit])}{unit}"
    return f"{seconds:g}s"
