"""Pure. When a deferred recipient is tried again, and when not any more."""

from mailsuite.mail import Envelope
from mailsuite.queue.settings import Settings


def wait(attempts: int, chance: float, settings: Settings) -> float:
    """Seconds to wait after the `attempts`-th attempt (from 1); `chance` is in [0, 1)."""
    waits = settings.waits
    planned = waits[min(max(attempts, 1), len(waits)) - 1]
    return planned * (1 + settings.jitter * (2 * chance - 1))


def begin(received_at: float, envelope: Envelope) -> float:
    """When a message's life begins: what was held back has it all before it when it is let go."""
    return max(received_at, envelope.hold_until or 0.0)


def end(received_at: float, envelope: Envelope, settings: Settings) -> float:
    """When a message is given up: at its lifetime, or when its sender said (RFC 2852, mode R)."""
    last = begin(received_at, envelope) + settings.lifetime
    by = envelope.deliver_by
    return min(last, by.by) if by is not None and by.mode == "R" else last


def is_returned(envelope: Envelope) -> bool:
    """Whether it goes back once its time is over (RFC 2852, mode R)."""
    return envelope.deliver_by is not None and envelope.deliver_by.mode == "R"


def notice_times(received_at: float, envelope: Envelope, settings: Settings) -> list[float]:
    """When a sender is to be told that a message has not arrived yet; ascending.

    At the age that the settings name, and when a BY in mode N is over (RFC 2852 §4.1.4).
    """
    times = []
    if settings.delay_notice is not None:
        times.append(begin(received_at, envelope) + settings.delay_notice)
    by = envelope.deliver_by
    if by is not None and by.mode == "N":
        times.append(by.by)
    return sorted(times)


def parked_until(
    received_at: float, envelope: Envelope, last_attempt: float | None, settings: Settings
) -> float:
    """When a recipient that waits to be asked for is attempted by itself: to give it up, no more.

    Its sender is told of the wait only who asked for that by a time (RFC 2852, mode N).
    """
    last = end(received_at, envelope, settings)
    by = envelope.deliver_by
    before = last_attempt if last_attempt is not None else received_at
    if by is not None and by.mode == "N" and by.by > before:
        return min(by.by, last)
    return last


def next_attempt(
    received_at: float,
    envelope: Envelope,
    attempts: int,
    now: float,
    chance: float,
    settings: Settings,
) -> float | None:
    """The time of the next attempt after one that ended at `now`, or None to give up.

    An attempt is made when a notice falls due, so that none is sent for mail that could arrive,
    and the last one when the message is given up, not before and not after.
    """
    last = end(received_at, envelope, settings)
    if now >= last:
        return None
    marks = [at for at in notice_times(received_at, envelope, settings) if at > now]
    return min(now + wait(attempts, chance, settings), last, *marks)


def delay_is_news(
    received_at: float,
    envelope: Envelope,
    last_attempt: float | None,
    now: float,
    settings: Settings,
) -> bool:
    """Whether a deferral at `now` is the first one after a time at which the sender is told."""
    before = last_attempt if last_attempt is not None else received_at
    times = notice_times(received_at, envelope, settings)
    return any(before < at <= now for at in times) or by_is_over(envelope, last_attempt, now)


def by_is_over(envelope: Envelope, last_attempt: float | None, now: float) -> bool:
    """Whether a deferral at `now` is the first one after a BY in mode N was over.

    It may have been before the message came: by-time may be zero or negative (RFC 2852 §4).
    """
    by = envelope.deliver_by
    if by is None or by.mode != "N" or by.by > now:
        return False
    return last_attempt is None or last_attempt < by.by
