"""What all sessions of one listener share, made once, so that a session itself is cheap.

Says also what the door asks of the rooms below it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import TYPE_CHECKING, Protocol

from mailsuite.base.clock import Clock
from mailsuite.base.tasks import Tasks
from mailsuite.mail import Courier, Envelope, Route
from mailsuite.net import Connection, ConnectionLimits
from mailsuite.queue import Convert, Watch
from mailsuite.relay import TurnedCourier
from mailsuite.signin import Client, Exchange
from mailsuite.smtpd.counters import Counters
from mailsuite.smtpd.model import Command, Extension, Parameter
from mailsuite.smtpd.reply import Reply, reply
from mailsuite.smtpd.settings import Settings

if TYPE_CHECKING:
    from mailsuite.smtpd.session import SmtpSession


class Routes(Protocol):
    """`routing.Router`."""

    def route(self, address: str) -> Route: ...
    def accept(self, address: str) -> Route: ...
    def may_send_as(self, account: str, sender: str) -> bool: ...
    def origin(self, hostname: str) -> str: ...


class SignIn(Protocol):
    """`signin.SignIn`."""

    def mechanisms(self, client: Client) -> list[str]: ...
    def start(self, name: str, client: Client) -> Exchange | None: ...
    def needs_tls(self, name: str, client: Client) -> bool: ...


class Incoming(Protocol):
    """`queue.Incoming`: a message on its way into the queue."""

    @property
    def id(self) -> str: ...
    @property
    def size(self) -> int: ...
    async def write(self, data: bytes) -> None: ...
    async def rewrite(self, convert: Convert) -> None: ...
    async def commit(self, envelope: Envelope) -> None: ...
    async def discard(self) -> None: ...


class Receiver(Protocol):
    """`queue.Queue`."""

    def receive(self, envelope: Envelope) -> Incoming: ...
    def watch(self, id: str, recipients: int) -> AbstractContextManager[Watch]: ...
    async def held(self, account: str) -> int: ...
    def holding(self, account: str) -> AbstractAsyncContextManager[int]: ...
    async def retry_domain(self, domain: str, *, below: bool) -> int: ...
    def hand_over(self, domains: Collection[str]) -> "Mail": ...


class Mail(Protocol):
    """`queue.HandOver`: what waits for some domains."""

    @property
    def busy(self) -> bool: ...
    async def claim(self) -> bool: ...
    async def attempt(self, courier: Courier) -> bool: ...
    async def close(self) -> None: ...


class Turner(Protocol):
    """`relay.RelayCourier.turned`: a courier for the host at the other end of a connection."""

    async def __call__(
        self, connection: Connection, *, name: str, why: str, account: str
    ) -> TurnedCourier: ...


Room = Callable[[str, int], Awaitable[bool]]
"""May this account keep a message of so many octets (0: nobody knows) more?"""


async def unlimited(account: str, octets: int) -> bool:
    """The `Room` of a house without quota."""
    return True


Reach = Callable[[Collection[str]], None]
"""Have hosts of these domains tried again that nobody could be reached at a moment ago."""


def reach_nobody(domains: Collection[str]) -> None:
    """The `Reach` of a house without relay."""


@dataclass(slots=True)
class Context:
    """One listener: its settings, the rooms below, and its sessions.

    New settings make a new context for new sessions, which shares all the rest with the old one.


    starttls  the TLS context to offer STARTTLS with, or None
    stopping  set at the stop: a session ends after the command that is at work
    empty     set when the last session has gone
    turner    makes couriers for connections on which the roles have turned; None: none turns
    turned    these connections
    """

    settings: Settings
    router: Routes
    sign_in: SignIn
    queue: Receiver
    limits: ConnectionLimits
    clock: Clock
    starttls: SSLContext | None
    commands: Mapping[bytes, Command]
    extensions: tuple[Extension, ...]
    mail_parameters: Mapping[str, Parameter]
    rcpt_parameters: Mapping[str, Parameter]
    room: Room = unlimited
    reach: Reach = reach_nobody
    turner: Turner | None = None
    counters: Counters = field(default_factory=Counters)
    tasks: Tasks = field(default_factory=lambda: Tasks("smtpd"))
    turned: Tasks = field(default_factory=lambda: Tasks("smtpd"))
    sessions: "set[SmtpSession]" = field(default_factory=set)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    empty: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def greeting(self) -> Reply:
        """What a client hears first."""
        protocol = "LMTP" if self.settings.lmtp else "ESMTP"
        what = " on-demand mail relay" if self.settings.odmr else ""
        return reply(220, "", f"{self.settings.hostname} {protocol} mailsuite{what}")
