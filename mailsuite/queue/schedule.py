"""Pure. When a deferred recipient is tried again, and when not any more."""

from mailsuite.queue.settings import Settings


def wait(attempts: int, chance: float, settings: Settings) -> float:
    """Seconds to wait after the `attempts`-th attempt (from 1); `chance` is in [0, 1)."""
    waits = settings.waits
    planned = waits[min(max(attempts, 1), len(waits)) - 1]
    return planned * (1 + settings.jitter * (2 * chance - 1))


def next_attempt(
    received_at: float, attempts: int, now: float, chance: float, settings: Settings
) -> float | None:
    """The time of the next attempt after one that ended at `now`, or None to give up.

    The last attempt is made when the message reaches its lifetime, not before and not after.
    """
    end = received_at + settings.lifetime
    if now >= end:
        return None
    return min(now + wait(attempts, chance, settings), end)
