"""Failed sign-ins of late, by whom: in memory, bounded.

The same wrong password for the same name counts once, however often a forgotten device repeats it:
who guesses must try different ones.
"""

from collections import OrderedDict
from dataclasses import dataclass

MAX_KEYS = 50_000


@dataclass(frozen=True, slots=True)
class _Failure:
    last: float
    about: str
    times: int


class Ledger:
    """Counts by key (a network, or an account)."""

    def __init__(self, keys: int = MAX_KEYS) -> None:
        self._keys = keys
        self._failures: OrderedDict[str, OrderedDict[bytes, _Failure]] = OrderedDict()

    def add(self, key: str, about: str, guess: bytes, now: float, window: float) -> tuple[int, int]:
        """Note a failure; gives how many different ones and how many in all there were of late.

        Of late is within `window` seconds.

        about  whom it concerns, for `forgive`
        guess  equal for equal guesses
        """
        found = self._failures.setdefault(key, OrderedDict())
        self._failures.move_to_end(key)
        before = found.get(guess)
        found[guess] = _Failure(now, about, 1 if before is None else before.times + 1)
        found.move_to_end(guess)
        while next(iter(found.values())).last <= now - window:
            found.popitem(last=False)
        while len(self._failures) > self._keys:
            self._failures.popitem(last=False)
        return len(found), sum(failure.times for failure in found.values())

    def forgive(self, key: str, about: str) -> None:
        """Forget the failures of `key` that concern `about`."""
        found = self._failures.get(key)
        if found is None:
            return
        for guess in [guess for guess, each in found.items() if each.about == about]:
            del found[guess]
        if not found:
            del self._failures[key]

    def clear(self, key: str) -> None:
        """Forget all failures of `key`."""
        self._failures.pop(key, None)
