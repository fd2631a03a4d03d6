"""Queue ids: 13 letters and digits that sort by time of arrival and never come twice."""

import random
from collections.abc import Callable

# Crockford's base 32: no letter that looks like a digit, sorts in ASCII order, one case only.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 13
_RANDOM_BITS = 23


class Ids:
    """Gives out ids: 42 bits of milliseconds, 23 random bits that keep processes apart."""

    __slots__ = ("_last", "_now")

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._last = 0

    def next(self) -> str:
        """An id greater than all that this object gave before, even when the clock goes back."""
        milliseconds = int(self._now() * 1000) & ((1 << 42) - 1)
        fresh = milliseconds << _RANDOM_BITS | random.getrandbits(_RANDOM_BITS)
        self._last = value = max(fresh, self._last + 1)
        letters = [""] * LENGTH
        for place in range(LENGTH - 1, -1, -1):
            letters[place] = ALPHABET[value & 31]
            value >>= 5
        return "".join(letters)


def is_id(text: str) -> bool:
    """Whether `text` has the form of a queue id."""
    return len(text) == LENGTH and all(letter in ALPHABET for letter in text)
