"""The doors: every listener with its protocol, over the rooms behind it.

Promises: settings that change while the server runs are in force for sessions that begin then.
Never builds the rooms, and does not know what they do with mail.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from pathlib import Path

from mailsuite import __version__
from mailsuite.accounts.several import Directories
from mailsuite.app.outbound import Outbound
from mailsuite.app.pop3 import pop3_settings
from mailsuite.app.smtp import KINDS, smtp_settings
from mailsuite.app.sockets import Socket
from mailsuite.base.clock import Clock
from mailsuite.base.errors import UserError
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Threads
from mailsuite.config import Config, Endpoint
from mailsuite.imapd import Imapd
from mailsuite.imapd import Settings as ImapSettings
from mailsuite.imapd.door import BUSY as IMAP_BUSY
from mailsuite.imapd.syntax.receiver import Limits as ImapLimits
from mailsuite.net import Connection, ConnectionLimits, Listener, Proxies, bind_unix
from mailsuite.net.unix import remove
from mailsuite.pop3d import Pop3d
from mailsuite.pop3d import Settings as Pop3Settings
from mailsuite.pop3d.door import BUSY as POP3_BUSY
from mailsuite.queue import Queue
from mailsuite.routing import Router
from mailsuite.signin import SignIn
from mailsuite.smtpd import Settings as SmtpSettings
from mailsuite.smtpd import Smtpd
from mailsuite.smtpd.context import Room
from mailsuite.store import Store

log = get_logger("app")
LOCAL_SOCKET = "submit.sock"
GRACE = 1.0  # seconds for clients to hear the goodbye
Session = Callable[[Connection], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the doors open into.

    room       tells full mailboxes
    searchers  threads that search and sort for IMAP
    """

    accounts: Directories
    sign_in: SignIn
    router: Router
    queue: Queue
    store: Store
    outbound: Outbound
    room: Room
    searchers: Threads
    clock: Clock


class Doors:
    """All listeners of a server. They are opened last and closed first."""

    def __init__(
        self,
        config: Config,
        hostname: str,
        rooms: Rooms,
        *,
        tls: ssl.SSLContext,
        client_tls: Mapping[Path, ssl.SSLContext],
        plain_auth: bool,
    ) -> None:
        """`client_tls`: for listeners that ask for client certificates, by their `client_ca`.

        `plain_auth`: passwords may come without TLS (a laptop's loopback, never the world).
        """
        self._config = config
        self._hostname = hostname
        self._rooms = rooms
        self._tls = tls
        self._client_tls = client_tls
        self._plain_auth = plain_auth
        limits = config.limits
        self._limits = ConnectionLimits(limits.connections, limits.connections_per_address)
        self._limits_of: dict[str, ConnectionLimits] = {}
        self._open: dict[str, Smtpd | Listener] = {}
        self._smtpds: list[tuple[Smtpd, Endpoint | None]] = []
        self._imapds: list[Imapd] = []
        self._pop3d = Pop3d(
            self._pop3_settings(), sign_in=rooms.sign_in, store=rooms.store, clock=rooms.clock
        )
        self._proxies: dict[str, Proxies] = {}
        self._undo: list[Callable[[], None]] = []

    async def open(self, bound: Socket) -> None:
        """Accept clients there. Raises UserError when it can't."""
        endpoint = bound.endpoint
        door = self._smtpd(endpoint) if endpoint.protocol in KINDS else self._listener(endpoint)
        await door.start(bound.sock)
        self._open[endpoint.name] = door

    async def open_local_socket(self) -> None:
        """The way for programs of this machine; without it the server serves all the same."""
        named = self._config.local_socket
        path = self._config.data / LOCAL_SOCKET if named is None else named
        try:
            sock, inode = bind_unix(
                path,
                mode=0o600 if named is None else 0o666,
                busy=f"{path}: another server has this socket",
            )
        except UserError as error:
            log.warning("programs of this machine can't hand in mail", why=str(error))
            return
        self._undo.append(partial(remove, path, inode))
        door = self._smtpd(None)
        await door.start(sock)
        self._open["local socket"] = door

    async def stop(self) -> None:
        """Say goodbye to clients and let them finish what was promised. Idempotent."""
        doors, self._open = list(self._open.values()), {}
        await asyncio.gather(*(door.stop(grace=GRACE) for door in doors))
        while self._undo:
            await asyncio.to_thread(self._undo.pop())

    def _smtpd(self, endpoint: Endpoint | None) -> Smtpd:
        """Of a listener; None: of the local socket, which counts apart and starts no queue runs."""
        rooms = self._rooms
        settings = self._smtp_settings(endpoint)
        make = partial(Smtpd, settings, rooms.router, rooms.sign_in, rooms.queue, clock=rooms.clock)
        if endpoint is None:
            door = make(None)
        else:
            door = make(
                self._tls_of(endpoint),
                limits=self._limits_for(endpoint.protocol),
                room=rooms.room,
                reach=rooms.outbound.retry_now,
                proxies=self._proxies_of(endpoint),
                name=endpoint.name,
                turner=rooms.outbound.courier.turned,
            )
        self._smtpds.append((door, endpoint))
        return door

    def _listener(self, endpoint: Endpoint) -> Listener:
        is_imap = endpoint.protocol == "imap"
        return Listener(
            endpoint.name,
            self._imap_session(endpoint) if is_imap else self._pop3_session(endpoint),
            self._limits_for(endpoint.protocol),
            tls=self._tls_of(endpoint) if endpoint.tls == "implicit" else None,
            busy=IMAP_BUSY if is_imap else POP3_BUSY,
            proxies=self._proxies_of(endpoint),
        )

    def _imap_session(self, endpoint: Endpoint) -> Session:
        rooms = self._rooms
        imapd = Imapd(
            self._imap_settings(),
            rooms.sign_in,
            rooms.accounts,
            rooms.store,
            rooms.searchers,
            self._tls_of(endpoint),
            beside=self._imapds[0] if self._imapds else None,
        )
        self._imapds.append(imapd)
        return imapd.session

    def _pop3_session(self, endpoint: Endpoint) -> Session:
        return partial(self._pop3d.session_with, self._tls_of(endpoint))

    def _tls_of(self, endpoint: Endpoint) -> ssl.SSLContext | None:
        """For STARTTLS, or from the first octet."""
        if endpoint.tls == "none":
            return None
        return self._tls if endpoint.client_ca is None else self._client_tls[endpoint.client_ca]

    def _proxies_of(self, endpoint: Endpoint) -> Proxies | None:
        if not endpoint.proxies:
            return None
        proxies = Proxies([ip_network(each) for each in endpoint.proxies])
        self._proxies[endpoint.name] = proxies
        return proxies

    def _limits_for(self, protocol: str) -> ConnectionLimits:
        """All listeners of one protocol count addresses together."""
        return self._limits_of.setdefault(protocol, self._limits.apart())

    # -- settings -------------------------------------------------------------------------------

    def apply(self, config: Config) -> None:
        """Put the settings that may change while running in force, for sessions that begin now."""
        self._config = config
        limits = config.limits
        self._limits.resize(limits.connections, limits.connections_per_address)
        for imapd in self._imapds:
            imapd.settings = self._imap_settings()
        self._pop3d.settings = self._pop3_settings()
        for door, endpoint in self._smtpds:
            door.apply(self._smtp_settings(endpoint))

    def _smtp_settings(self, endpoint: Endpoint | None) -> SmtpSettings:
        """Of a listener; None: of the local socket."""
        return smtp_settings(self._config, self._hostname, endpoint, plain_auth=self._plain_auth)

    def _imap_settings(self) -> ImapSettings:
        config = self._config
        return ImapSettings(
            hostname=self._hostname,
            allow_plain_auth=self._plain_auth,
            limits=ImapLimits(literal=config.limits.max_message_size),
            version=__version__,
            unauthenticate=config.imap.unauthenticate,
            admin=f"mailto:{config.postmaster or f'postmaster@{self._hostname}'}",
        )

    def _pop3_settings(self) -> Pop3Settings:
        return pop3_settings(self._config, self._hostname, self._tls, plain_auth=self._plain_auth)

    # -- what they have counted -----------------------------------------------------------------

    @property
    def connections(self) -> int:
        """Open ones at all listeners that count them."""
        return self._limits.count

    def sessions(self) -> Mapping[str, int]:
        """Open sessions by listener."""
        return {name: door.sessions for name, door in self._open.items()}

    def counters(self) -> Mapping[str, Mapping[str, int]]:
        """What the ESMTP listeners have counted since the start."""
        return {
            name: door.counters.as_dict()
            for name, door in self._open.items()
            if isinstance(door, Smtpd)
        }

    def proxied(self) -> Mapping[str, Mapping[str, int]]:
        """What the listeners behind proxies have counted since the start."""
        return {name: proxies.counters.as_dict() for name, proxies in self._proxies.items()}
