"""One destination: its sessions, how many at once, and when it is to be left alone.

A destination is a domain (by MX) or a smarthost; mail whose sender has wishes about TLS has its
own. Promises: never more sessions at once than the settings say; an unused session is closed soon;
one that nobody could be reached at is not tried again at once by every message.
"""

import asyncio
from dataclasses import dataclass

from mailsuite.base.clock import Clock
from mailsuite.base.tasks import Tasks
from mailsuite.mail import Deferred, Outcome
from mailsuite.relay.session import Session
from mailsuite.relay.settings import Rule, Settings
from mailsuite.relay.verdicts import SessionFailed


@dataclass(frozen=True, slots=True)
class Key:
    """`domain` is in lower case; "" for a smarthost, which serves all domains of its rule.

    require_tls, tls_optional  what the sender wants (RFC 8689)
    """

    domain: str
    rule: Rule
    require_tls: bool = False
    tls_optional: bool = False


@dataclass(frozen=True, slots=True)
class DestinationState:
    """What the operator is shown.

    name         the domain, or the smarthost
    attempts     under way or waiting for a connection
    idle         unused connections
    left_alone   seconds until it is tried again; 0: it may be tried
    why          the last failure, where none of its hosts could be reached
    """

    name: str
    attempts: int
    idle: int
    left_alone: float
    why: str


class Destination:
    """See the module."""

    def __init__(self, key: Key, settings: Settings, clock: Clock, tasks: Tasks) -> None:
        self.key = key
        self.gate = asyncio.Semaphore(settings.per_destination)
        self.waiting = 0
        self._settings = settings
        self._clock = clock
        self._tasks = tasks
        self._idle: list[tuple[Session, asyncio.TimerHandle]] = []
        self._failures = 0
        self._alone_until = 0.0
        self._last: SessionFailed | None = None

    @property
    def forgettable(self) -> bool:
        """Nothing is lost when it is made anew."""
        quiet = self._alone_until <= self._clock.monotonic()
        return quiet and not self.waiting and not self._idle

    @property
    def state(self) -> DestinationState:
        """For the operator."""
        smarthost = self.key.rule.smarthost
        name = f"{smarthost.host}:{smarthost.port}" if smarthost else self.key.domain
        left = max(0.0, self._alone_until - self._clock.monotonic()) if self._last else 0.0
        why = self._last.text if self._last else ""
        return DestinationState(name, self.waiting, len(self._idle), round(left, 1), why)

    # -- sessions that are kept -----------------------------------------------------------------

    def take(self) -> Session | None:
        """A session that is up and unused."""
        while self._idle:
            session, timer = self._idle.pop()
            timer.cancel()
            if session.usable:
                return session
            session.abort()
        return None

    def give_back(self, session: Session) -> None:
        """Keep the session for the next message, for a short while."""
        if not session.usable:
            self.dismiss(session)
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._settings.idle, self._expire, session)
        self._idle.append((session, timer))

    def _expire(self, session: Session) -> None:
        self._idle = [each for each in self._idle if each[0] is not session]
        self.dismiss(session)

    def dismiss(self, session: Session) -> None:
        """Close the session, with a QUIT (RFC 5321 §4.1.1.10)."""
        self._tasks.start(session.quit(), "quit")

    def close(self) -> None:
        """Close what is unused."""
        while self._idle:
            session, timer = self._idle.pop()
            timer.cancel()
            self.dismiss(session)

    # -- leaving it alone -----------------------------------------------------------------------

    def left_alone(self) -> Outcome | None:
        """The outcome of an attempt that is not made, because nobody was there a moment ago."""
        if self._last is None or self._clock.monotonic() >= self._alone_until:
            return None
        status = "4" + self._last.status[1:]
        words = f"not tried again yet; a moment ago: {self._last.text}"
        return Deferred(status, words, contact=self._last.contact)

    def reached(self) -> None:
        """Somebody was there."""
        self._failures = 0
        self._last = None

    def unreachable(self, failure: SessionFailed) -> None:
        """Nobody was."""
        wait = self._settings.backoff * 2 ** min(self._failures, 20)
        self._failures += 1
        self._alone_until = self._clock.monotonic() + min(wait, self._settings.longest_backoff)
        self._last = failure
