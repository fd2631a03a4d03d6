"""The queue's settings; seconds and octets unless said otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# Growing by about 1.6 from five minutes to four hours.
WAITS = tuple(MINUTE * minutes for minutes in (5, 8, 13, 20, 33, 52, 84, 134, 215, 240))


@dataclass(frozen=True, slots=True)
class Settings:
    """How often and how long the queue tries, and how much it does at once.

    waits           seconds from one deferred attempt to the next: after the first, after the
                    second, … and the last one from there on
    jitter          each wait is made shorter or longer by up to this part of it
    lifetime        a message deferred at this age is bounced (RFC 5321 §4.5.4.1: 4-5 days)
    delay_notice    a sender is told of a delay when a message is deferred at this age; None: never
    restart_spread  retries that fell due while the server was off are spread over this time
    concurrency     attempts at once by courier name; `default_concurrency` for the others
    per_domain      of these, attempts at once for one domain, by courier name; others: no bound
    parked          couriers whose recipients wait until somebody asks for them (`Queue.hand_over`)
    ready           jobs a courier may have waiting in memory; more stay in the database
    page            recipients loaded from the database at a time
    memory          octets of an arriving message held in memory before it goes to the disk
    keep            a message up to this size is handed to its courier in memory too
    commit_retry    wait before an outcome that could not be recorded is recorded again
    """

    waits: tuple[float, ...] = WAITS
    jitter: float = 0.1
    lifetime: float = 5 * DAY
    delay_notice: float | None = 4 * HOUR
    restart_spread: float = MINUTE
    concurrency: Mapping[str, int] = field(default_factory=dict)
    default_concurrency: int = 32
    per_domain: Mapping[str, int] = field(default_factory=dict)
    parked: frozenset[str] = frozenset()
    ready: int = 1000
    page: int = 500
    memory: int = 1 << 18
    keep: int = 1 << 14
    commit_retry: float = 5.0
