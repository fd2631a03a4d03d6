"""The only source of time, so that schedules can be tested without waiting."""

import time
from typing import Protocol


def zone(epoch: float) -> int:
    """Of this machine at that time, in minutes east of Greenwich."""
    return time.localtime(epoch).tm_gmtoff // 60


class Clock(Protocol):
    """What rooms ask for the time."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
