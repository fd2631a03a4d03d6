"""A connection that the other host has opened, and on which the roles have turned (RFC 2645 §5.3).

Promises: the same dialogue, conversions and outcomes as over connections of our own; what the
session leaves undecided is deferred, never lost. Mail goes in lines (DATA), because the host is
often a pipe that moves lines from one connection to another, as fetchmail is. TLS is the host's to
begin before the turn.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

from mailsuite.base.clock import Clock
from mailsuite.base.tasks import Threads
from mailsuite.mail import Deferred, Job, Outcome
from mailsuite.net import Connection
from mailsuite.relay import tls
from mailsuite.relay.content import load
from mailsuite.relay.plan import Need, Plan
from mailsuite.relay.session import Endpoint, Session
from mailsuite.relay.settings import Settings
from mailsuite.relay.signing import Signer
from mailsuite.relay.tls import Contexts
from mailsuite.relay.transactions import Transactions
from mailsuite.relay.verdicts import SessionFailed

IN_LINES_ONLY = ("CHUNKING", "BINARYMIME")


class TurnedCourier:
    """Courier for the mail of the host at the other end, while the connection lasts.

    Attempts follow one another; made by `take_over`.
    """

    def __init__(
        self,
        session: Session,
        settings: Settings,
        *,
        clock: Clock,
        threads: Threads,
        signer: Signer | None = None,
    ) -> None:
        self._session = session
        self._settings = settings
        self._clock = clock
        self._threads = threads
        self._signer = signer
        self._ended = False

    @property
    def usable(self) -> bool:
        """Whether the host takes one more message."""
        return not self._ended and self._session.usable

    async def deliver(self, job: Job) -> Sequence[Outcome]:
        """See `mail.Courier`."""
        session = self._session
        if job.envelope.require_tls and job.envelope.sender and not session.secure:
            # RFC 8689 §4.2.1; the host may come with TLS the next time.
            words = "the sender requires TLS, and the host has come without"
            return [Deferred("4.7.30", words, contact=session.contact)] * len(job.recipients)
        places = range(len(job.recipients))
        kept: bool | None = None
        try:
            content = await load(job.message, self._threads)
            message = Transactions(self._settings, self._clock, job, places, content, self._signer)
            kept = await message.over(session)
        finally:
            if kept is None:
                session.abort()
        self._ended = not kept  # QUIT comes after what has been sent is noted
        if message.left:
            if not message.failures:
                words = f"{session.endpoint.name} takes no more in this session"
                message.failures.append(SessionFailed("4.4.5", words, session.contact))
            message.outcomes.update(dict.fromkeys(message.left, message.worst().outcome()))
        return [message.outcomes[place] for place in places]

    async def quit(self) -> None:
        """Take leave, and close."""
        await self._session.quit()


async def take_over(
    connection: Connection,
    *,
    name: str,
    why: str,
    account: str,
    settings: Settings,
    contexts: Contexts,
    clock: Clock,
    threads: Threads,
    signer: Signer | None = None,
) -> TurnedCourier:
    """Wait for the host's greeting, and say hello. Raises SessionFailed.

    name     what the host calls itself
    why      what has turned the roles, for the record of attempts
    account  that has signed in on the connection
    signer   signs what goes out; None: nothing is signed
    """
    endpoint = Endpoint(name, connection.peer, 0, Plan(Need.OFF, why), known=True)
    # As many messages as there are: the host has asked for them.
    session = Session(endpoint, connection, replace(settings, transactions=sys.maxsize), clock)
    if (inner := connection.ssl_object) is not None:
        words = f"{tls.describe(inner)}, signed in as {account}"
        session.contact = replace(session.contact, tls=words)
    await session.begin(contexts)
    session.offers = session.offers.without(*IN_LINES_ONLY)
    return TurnedCourier(session, settings, clock=clock, threads=threads, signer=signer)
