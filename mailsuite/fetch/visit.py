"""What IMAP and POP3 visits have in common: what they need, and what they tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from mailsuite.base.tasks import Threads
from mailsuite.fetch.database import FetchDatabase
from mailsuite.fetch.handing import Into
from mailsuite.fetch.model import KEEP, Remote

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Needs:
    """What a visit needs.

    threads   one, for the database
    max_size  octets of the largest message that is taken, now
    """

    database: FetchDatabase
    threads: Threads
    into: Into
    max_size: Callable[[], int]


@dataclass(slots=True)
class Told:
    """What has come of a visit.

    fetched   messages
    troubles  what was left at the source, by reason
    """

    fetched: int = 0
    troubles: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return "; ".join(f"{count} {why}" for why, count in sorted(self.troubles.items()))


TOO_LARGE = "larger than limits.max_message_size, left there"
NOT_GIVEN = "not given by the server"


def due_before(remote: Remote, now: float) -> float | None:
    """What was fetched before that time goes from the source now; None: nothing ever does."""
    return None if remote.leave == KEEP else now - remote.leave * DAY
