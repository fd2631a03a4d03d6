"""One row of the command table, and what a handler may ask of the session it runs in."""

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from mailsuite.pop3d.maildrop import Maildrop
from mailsuite.pop3d.replies import Reply
from mailsuite.pop3d.settings import Settings
from mailsuite.sasl import Credentials
from mailsuite.signin import Exchange, Outcome


class State(enum.Enum):
    """RFC 1939 §3. UPDATE is no state for commands: QUIT runs through it."""

    AUTHORIZATION = "AUTHORIZATION"
    TRANSACTION = "TRANSACTION"


ANY_STATE = frozenset(State)
RAW = (-1, -1)  # one argument, all of the rest of the line, spaces included


class Context(Protocol):
    """The session, as a command handler sees it."""

    settings: Settings
    user: str | None  # the name that USER gave
    timestamp: str | None  # of the banner, for APOP (RFC 1939 §7)
    utf8: bool  # the client has said UTF8 (RFC 6856 §2.1)

    @property
    def state(self) -> State: ...

    @property
    def secure(self) -> bool:
        """The connection is under TLS."""
        ...

    @property
    def account(self) -> str | None:
        """Whose maildrop is open."""
        ...

    @property
    def maildrop(self) -> Maildrop:
        """The open maildrop; only in TRANSACTION."""
        ...

    async def exchange(self, challenge: bytes) -> bytes:
        """Send a base64 challenge of AUTH and give the client's line (RFC 5034 §4)."""
        ...

    def mechanisms(self) -> list[str]:
        """SASL mechanisms that may be used now."""
        ...

    def start(self, mechanism: str) -> Exchange | None:
        """An exchange by one of them."""
        ...

    def needs_tls(self, mechanism: str) -> bool:
        """Whether it could be used under TLS."""
        ...

    async def update(self) -> int:
        """The UPDATE state; how many messages were removed."""
        ...

    async def sign_in(self, given: Credentials) -> Reply:
        """Check a password, and `admit`."""
        ...

    async def sign_in_by_digest(self, name: str, fits: Callable[[str], bool]) -> Reply:
        """Have `fits` look at the account's secret, and `admit`."""
        ...

    async def admit(self, outcome: Outcome) -> Reply:
        """Lock and open the maildrop, go over to TRANSACTION; or tell the refusal."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """`arguments` is the least and the greatest count of words, or RAW."""

    keyword: str
    states: frozenset[State]
    arguments: tuple[int, int]
    handler: Callable[[Context, list[bytes]], Awaitable[Reply]]
