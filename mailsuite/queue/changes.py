"""Pure. What one commit writes to the queue's database: arrivals, ended attempts, given-up leases.

A recipient is *leased* while the running server has it in memory, in line for an attempt or in
one; leased rows are never loaded again, and after a crash they tell what may have been attempted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mailsuite.mail import Contact, Envelope
from mailsuite.queue import codec


@dataclass(frozen=True, slots=True)
class Arrival:
    """A new message. `row` and `recipients` are JSON, made by `arrival`."""

    id: str
    row: str
    recipients: str


def arrival(
    id: str,
    envelope: Envelope,
    *,
    received_at: float,
    size: int,
    offset: int,
    prefixed: bool,
    couriers: Sequence[str],
    leased: Iterable[str],
    due: Mapping[str, float],
    tried: bool = False,
) -> Arrival:
    """The rows of a message; `couriers` by recipient; those of couriers in `leased` are leased.

    `due`: when the first attempt of each courier falls due; `tried`: one was made before.

    Raises ValueError for an envelope whose text can't be kept.
    """
    text = codec.envelope_text(envelope)
    row = codec.dumps([id, text, received_at, size, offset, int(prefixed)])
    taken = frozenset(leased)
    recipients = codec.dumps(
        [
            [
                id,
                index,
                recipient.address,
                codec.recipient_text(recipient),
                courier,
                int(courier in taken),
                due[courier],
                int(tried),
            ]
            for index, (recipient, courier) in enumerate(
                zip(envelope.recipients, couriers, strict=True)
            )
        ]
    )
    return Arrival(id, row, recipients[1:-1])


@dataclass(frozen=True, slots=True)
class Result:
    """How the attempt for one recipient ended; `next_attempt` only for state "due".

    What is "bounced" stays for the operator; what is "returned" has been told to its sender.
    """

    index: int
    state: str
    status: str
    text: str
    next_attempt: float | None = None
    contact: Contact | None = None


@dataclass(frozen=True, slots=True)
class Attempted:
    """An attempt by `courier` that ended.

    `sole`: the message has one recipient, so that "sent" or "returned" ends it.
    """

    id: str
    courier: str
    at: float
    results: tuple[Result, ...]
    sole: bool


@dataclass(frozen=True, slots=True)
class Unleased:
    """Recipients back from memory, not attempted, or not so that it counts (`tried`).

    `courier`: who serves them from now on; None: who did.
    """

    id: str
    indexes: tuple[int, ...]
    tried: bool
    next_attempt: float
    courier: str | None = None


ENDED = ("sent", "returned")
"""States of recipients that nothing more is to be done for."""

Change: TypeAlias = Arrival | Attempted | Unleased


@dataclass(frozen=True, slots=True)
class Loaded:
    """Recipients of one message that have fallen due, or are asked for, leased now.

    `due`: when each of them is or was to be attempted.
    """

    id: str
    envelope: Envelope
    received_at: float
    size: int
    offset: int
    prefixed: bool
    indexes: tuple[int, ...]
    due: tuple[float, ...]
    attempts: int
    tried: bool
    last_attempt: float | None = None
