"""A lane: one courier, the jobs in line for it, and how many it may attempt at once."""

from collections import deque

from mailsuite.mail import Courier, Job


class Flight:
    """One job in memory: in line, then under way."""

    __slots__ = ("dropped", "job", "lane", "started", "withdrawn")

    def __init__(self, lane: "Lane", job: Job) -> None:
        self.lane = lane
        self.job = job
        self.started = False
        self.withdrawn = False  # the lane passes over it
        self.dropped = False  # its message is no longer in the database


class Lane:
    """Places are reserved before a commit, so that what is leased also finds room in memory."""

    __slots__ = ("capacity", "courier", "limit", "name", "ready", "reserved", "workers")

    def __init__(self, name: str, courier: Courier, limit: int, capacity: int) -> None:
        self.name = name
        self.courier = courier
        self.limit = max(1, limit)
        self.capacity = max(1, capacity)
        self.ready: deque[Flight] = deque()
        self.reserved = 0
        self.workers = 0

    @property
    def room(self) -> int:
        """Jobs that may still get in line."""
        return self.capacity - len(self.ready) - self.reserved

    def next(self) -> Flight | None:
        """The next job to attempt, if any."""
        while self.ready:
            flight = self.ready.popleft()
            if not flight.withdrawn:
                return flight
        return None
