"""Pure. How one attempt to deliver to one recipient ended: sent, deferred or bounced.

Every outcome carries an enhanced status code (RFC 3463) and a line of text, and may carry
follow-up mail: new messages that the attempt gave rise to (a redirect by an alias, say). A courier
never sends such mail itself; the queue takes it in the same commit that records the outcome.
"""

from dataclasses import dataclass
from typing import TypeAlias

from mailsuite.mail.envelope import Envelope


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A new message: its envelope and its octets.

    `body` None stands for the octets of the message that is being delivered, which the queue then
    shares with it; `head` is written before them.
    """

    envelope: Envelope
    head: bytes = b""
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """Done: in a mailbox or taken over by the next MTA."""

    status: str
    text: str
    follow_ups: tuple[FollowUp, ...] = ()


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now; try again later."""

    status: str
    text: str
    follow_ups: tuple[FollowUp, ...] = ()


@dataclass(frozen=True, slots=True)
class Bounced:
    """Never; the sender has to be told."""

    status: str
    text: str
    follow_ups: tuple[FollowUp, ...] = ()


Outcome: TypeAlias = Sent | Deferred | Bounced
