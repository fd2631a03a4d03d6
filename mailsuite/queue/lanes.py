"""A lane: one courier, the jobs in line for it, and how many it may attempt at once."""

from collections import deque

from mailsuite.mail import Courier, DirectCourier, Job


class Flight:
    """One job in memory: in line, then under way.

    `due`: when each of its recipients was to be attempted, where that is not now.
    """

    __slots__ = ("dropped", "due", "job", "lane", "started", "withdrawn")

    def __init__(self, lane: "Lane", job: Job, due: tuple[float, ...] = ()) -> None:
        self.lane = lane
        self.job = job
        self.due = due
        self.started = False
        self.withdrawn = False  # the lane passes over it
        self.dropped = False  # its message is no longer in the database


class Lane:
    """Places are reserved before a commit, so that what is leased also finds room in memory.

    Where a bound per domain is set, domains take turns, each with so many jobs at once; otherwise
    all jobs stand in one line. A job counts for the domain of its first recipient.

    direct_courier  the courier, where it takes mail that is not in the queue
    direct          such attempts under way, which never stood in line
    """

    __slots__ = (
        "_lines",
        "_per_domain",
        "_running",
        "_turns",
        "capacity",
        "courier",
        "direct",
        "direct_courier",
        "in_line",
        "limit",
        "name",
        "reserved",
        "workers",
    )

    def __init__(
        self, name: str, courier: Courier, limit: int, capacity: int, per_domain: int | None = None
    ) -> None:
        self.name = name
        self.courier = courier
        self.limit = max(1, limit)
        self.capacity = max(1, capacity)
        self.in_line = 0
        self.reserved = 0
        self.workers = 0
        self.direct_courier = courier if isinstance(courier, DirectCourier) else None
        self.direct = 0
        self._per_domain = per_domain
        self._lines: dict[str, deque[Flight]] = {}
        self._running: dict[str, int] = {}
        self._turns: deque[str] = deque()  # domains that have jobs in line and may begin one

    @property
    def room(self) -> int:
        """Jobs that may still get in line."""
        return self.capacity - self.in_line - self.reserved

    def put(self, flight: Flight) -> None:
        """In its line, by priority; at the end of those that have the same."""
        key = self._key(flight.job)
        line = self._lines.setdefault(key, deque())
        # Before those of a lower priority (RFC 6710), behind all others.
        place = len(line)
        while place and line[place - 1].job.envelope.priority < flight.job.envelope.priority:
            place -= 1
        line.insert(place, flight)
        self.in_line += 1
        if len(line) == 1 and self._may_begin(key):
            self._turns.append(key)

    def next(self) -> Flight | None:
        """The next job to attempt, if any may begin; `done` follows."""
        while self._turns:
            key = self._turns.popleft()
            line = self._lines[key]
            flight = line.popleft()
            self.in_line -= 1
            if not flight.withdrawn:
                self._running[key] = self._running.get(key, 0) + 1
            if not line:
                del self._lines[key]
            elif self._may_begin(key):
                self._turns.append(key)
            if not flight.withdrawn:
                return flight
        return None

    def done(self, flight: Flight) -> None:
        """The attempt has ended."""
        key = self._key(flight.job)
        full = not self._may_begin(key)
        self._running[key] -= 1
        if not self._running[key]:
            del self._running[key]
        if full and key in self._lines:
            self._turns.append(key)

    def direct_ended(self, task: object) -> None:
        """A direct attempt has its end."""
        self.direct -= 1

    def _may_begin(self, key: str) -> bool:
        return self._per_domain is None or self._running.get(key, 0) < self._per_domain

    def _key(self, job: Job) -> str:
        if self._per_domain is None:
            return ""
        return job.recipients[0].address.rpartition("@")[2].lower()
