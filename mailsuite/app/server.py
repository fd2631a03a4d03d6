"""The whole server as one object: every room is built here, started in order, stopped in reverse.

Promises: nothing is written before `start`; a listener accepts only when everything behind it
works; `stop` answers clients, finishes commits, and leaves no task behind. Knows no signals and no
terminal.
"""

import asyncio
import dataclasses
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from ipaddress import ip_network
from pathlib import Path

from mailsuite import __version__
from mailsuite.accounts import AccountRow, Directory
from mailsuite.app import sign_in
from mailsuite.app.announce import Listening
from mailsuite.app.lag import LoopLag
from mailsuite.app.outbound import CAPTURE, ON_DEMAND, RELAY, Outbound, Prepared
from mailsuite.app.pop3 import pop3_settings
from mailsuite.app.quota import Limits
from mailsuite.app.smtp import KINDS, smtp_settings
from mailsuite.app.sockets import Socket, unbind
from mailsuite.app.transfers import Transfers
from mailsuite.base.clock import SystemClock
from mailsuite.base.errors import UserError
from mailsuite.base.keyfile import load_key
from mailsuite.base.lock import FileLock
from mailsuite.base.log import get_logger, record
from mailsuite.base.tasks import Threads
from mailsuite.config import Config, Endpoint
from mailsuite.delivery import RELEASE, CaptureCourier, LocalCourier, Releaser, local_prefix
from mailsuite.dsn import DeliveryNotifier
from mailsuite.fetch import Fetcher, Into
from mailsuite.history import Recorder
from mailsuite.imapd import Imapd, facets
from mailsuite.imapd import Settings as ImapSettings
from mailsuite.imapd.door import BUSY as IMAP_BUSY
from mailsuite.imapd.syntax.receiver import Limits as ImapLimits
from mailsuite.mail import Courier, Envelope, Remote
from mailsuite.net import Connection, ConnectionLimits, Listener, Proxies, bind_unix
from mailsuite.net.unix import remove
from mailsuite.pop3d import Pop3d
from mailsuite.pop3d import Settings as Pop3Settings
from mailsuite.pop3d.door import BUSY as POP3_BUSY
from mailsuite.queue import Queue
from mailsuite.queue import Settings as QueueSettings
from mailsuite.relay import OnDemandCourier
from mailsuite.routing import Router, Srs
from mailsuite.signin import Bans, SignIn, Throttle
from mailsuite.smtpd import Settings as SmtpSettings
from mailsuite.smtpd import Smtpd
from mailsuite.store import Facets, Store
from mailsuite.vault import Vault

log = get_logger("app")
LOCAL_SOCKET = "submit.sock"
STORE_THREADS = 4
QUEUE_THREADS = 6
DELIVERY_THREADS = 2
RELAY_THREADS = 4
# A message that another host has and is thinking about would go there twice.
QUEUE_GRACE = 5.0
SIGN_IN_THREADS = 2
DIRECTORY_LAG = 0.05  # seconds; no command that changes accounts ends as fast
SEARCH_THREADS = 2
LOCAL = "local"
Session = Callable[[Connection], Awaitable[None]]


class Server:
    """All rooms of one running server."""

    def __init__(
        self,
        config: Config,
        *,
        hostname: str,
        sockets: Sequence[Socket],
        tls: ssl.SSLContext,
        client_tls: Mapping[Path, ssl.SSLContext] | None = None,
        plain_auth: bool = False,
    ) -> None:
        """`client_tls`: for listeners that ask for client certificates, by their `client_ca`.

        `plain_auth`: passwords may come without TLS (a laptop's loopback, never the world)."""
        self.config = config
        self.hostname = hostname
        self.sockets = list(sockets)
        self.lag = LoopLag()
        self._plain_auth = plain_auth
        self._tls = tls
        self._client_tls = dict(client_tls or {})
        self._clock = SystemClock()
        self.started_at = self._clock.now()
        self._doors: dict[str, Smtpd | Listener] = {}
        self._undo: list[Callable[[], Awaitable[None]]] = []

    async def start(self) -> None:
        """Build all rooms and accept clients. Raises UserError when a part can't work."""
        try:
            self._build()
            self.history.start()
            self._undo.append(self._end_history)
            self._undo.append(self.accounts.stop)
            await self.accounts.start()
            await self.queue.start()
            self._undo.append(lambda: self.queue.stop(grace=QUEUE_GRACE))
            self._undo.append(self.releaser.stop)
            await self.fetcher.start()
            self._undo.append(self.fetcher.stop)
            await self._resume_releases()
            for bound in self.sockets:
                await self._open_door(bound)
            await self._open_local_socket()
            self.lag.start()
            self._undo.append(self.lag.stop)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Say goodbye to clients, finish what was promised, close files. Idempotent."""
        doors, self._doors = list(self._doors.values()), {}
        await asyncio.gather(*(door.stop(grace=1.0) for door in doors))
        while self._undo:
            await self._undo.pop()()
        for bound in self.sockets:
            await asyncio.to_thread(unbind, bound)

    # -- building -------------------------------------------------------------------------------

    def _build(self) -> None:
        data = self.config.data
        make_folder(data)
        self.vault = Vault(data / "secrets.key")
        self.history = Recorder(
            data / "history.db",
            self._threads("history", 1),
            self._clock,
            keep=self.config.history.keep,
        )
        record(self.history.take)
        self._build_sign_in(data)
        self._build_mailboxes(data)
        self._build_queue(data)
        self.limits = ConnectionLimits(
            self.config.limits.connections, self.config.limits.connections_per_address
        )
        self._proxies: dict[str, Proxies] = {}
        self._limits_of: dict[str, ConnectionLimits] = {}
        self._searchers = self._threads("search", SEARCH_THREADS)
        self._imapds: list[Imapd] = []
        self.pop3d = Pop3d(
            self._pop3_settings(), sign_in=self.sign_in, store=self.store, clock=self._clock
        )

    def _build_sign_in(self, data: Path) -> None:
        threads = self._threads("sign-in", SIGN_IN_THREADS)
        self.directory = Directory(
            data / "accounts.db", threads, vault=self.vault, lag=DIRECTORY_LAG
        )
        self._undo.append(closing(self.directory.close))
        sign_in.tell_lost(self.vault, self.directory)
        self.accounts = sign_in.directories(self.config, self.directory, self._threads)
        bans = Bans(data / "bans.db")
        self._undo.append(closing(bans.close))
        chosen = sign_in.settings(self.config, self.hostname)
        throttle = Throttle(chosen, bans, threads, self._clock)
        tokens = sign_in.tokens(self.config, self._clock)
        self.sign_in = SignIn(self.accounts, chosen, throttle, threads, self._clock, tokens)

    def _build_mailboxes(self, data: Path) -> None:
        self.router = Router(
            self.accounts,
            separator=self.config.subaddress_separator,
            postmaster=self.config.postmaster,
            hostname=self.hostname,
            srs=Srs(load_key(data / "srs.key"), self._clock.now),
        )
        self._quota = Limits(self.accounts, lambda: self.config.quota)
        self.store = Store(
            data / "mail",
            facets=Facets(facets.NAMES, facets.FACETS_VERSION, facets.compute),
            threads=self._threads("store", STORE_THREADS),
            clock=self._clock,
            limits=self._quota.of,
            arrived=lambda account, mailbox: self.releaser.notice(account, mailbox),
        )
        self._undo.append(self.store.close)
        self.transfers = Transfers(self.store, self.accounts, data)
        self._undo.append(self.transfers.close)

    def _build_queue(self, data: Path) -> None:
        delivery = self._threads("delivery", DELIVERY_THREADS)
        self.outbound = Outbound(
            self.config,
            self.hostname,
            own=[
                (bound.listening.host, bound.listening.port)
                for bound in self.sockets
                if bound.endpoint.protocol in ("smtp", "lmtp") and bound.endpoint.path is None
            ],
            clock=self._clock,
            threads=self._threads("relay", RELAY_THREADS),
        )
        self._undo.append(self.outbound.close)
        couriers: dict[str, Courier] = {
            LOCAL: LocalCourier(
                self.store, self.router.route, delivery, forwarded_as=self.router.forwarded_as
            ),
            CAPTURE: CaptureCourier(self.store, self.router.route),
            RELAY: self.outbound.courier,
            ON_DEMAND: OnDemandCourier(),
        }
        self.queue = Queue(
            data / "queue",
            choose=self._courier_for,
            couriers=couriers,
            clock=self._clock,
            threads=self._threads("queue", QUEUE_THREADS),
            settings=self._queue_settings(),
            prefix=local_prefix,
            notifier=DeliveryNotifier(self.hostname, delivery),
        )
        self.fetcher = Fetcher(
            data / "fetch.db",
            Into(self.queue.receive, self.hostname, self._clock),
            self.vault,
            exists=self._has_account,
            max_size=lambda: self.config.limits.max_message_size,
            at_once=self.config.fetch.connections,
        )
        self.releaser = Releaser(self.store, self.queue.receive, self.router.may_send_as)

    async def _end_history(self) -> None:
        record(None)
        await self.history.stop()

    def _threads(self, name: str, count: int) -> Threads:
        threads = Threads(name, count)
        self._undo.append(closing(threads.close))
        return threads

    def _has_account(self, address: str) -> bool:
        return isinstance(self.directory.lookup(address), AccountRow)

    def _courier_for(self, address: str, envelope: Envelope) -> str:
        if not isinstance(self.router.route(address), Remote):
            return LOCAL
        return self.outbound.choose(address, released=envelope.released)

    async def _resume_releases(self) -> None:
        """What was moved into a folder `Outbound/Release` while nobody looked."""
        accounts = [row.address for row in self.accounts.users()]
        self.releaser.resume(await asyncio.to_thread(self.store.having, RELEASE, accounts))

    async def _open_door(self, bound: Socket) -> None:
        endpoint = bound.endpoint
        door: Smtpd | Listener
        if endpoint.protocol in KINDS:
            door = Smtpd(
                self._smtp_settings(endpoint),
                self.router,
                self.sign_in,
                self.queue,
                self._tls_of(endpoint),
                limits=self._limits_for(endpoint.protocol),
                clock=self._clock,
                room=partial(self._quota.room, self.store),
                reach=self.outbound.retry_now,
                proxies=self._proxies_of(endpoint),
                name=endpoint.name,
                turner=self.outbound.courier.turned,
            )
        else:
            is_imap = endpoint.protocol == "imap"
            door = Listener(
                endpoint.name,
                self._imap_session(endpoint) if is_imap else self._pop3_session(endpoint),
                self._limits_for(endpoint.protocol),
                tls=self._tls_of(endpoint) if endpoint.tls == "implicit" else None,
                busy=IMAP_BUSY if is_imap else POP3_BUSY,
                proxies=self._proxies_of(endpoint),
            )
        await door.start(bound.sock)
        self._doors[endpoint.name] = door

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
        return self._limits_of.setdefault(protocol, self.limits.apart())

    async def _open_local_socket(self) -> None:
        """The way for programs of this machine; without it the server serves all the same."""
        named = self.config.local_socket
        path = self.config.data / LOCAL_SOCKET if named is None else named
        try:
            sock, inode = bind_unix(
                path,
                mode=0o600 if named is None else 0o666,
                busy=f"{path}: another server has this socket",
            )
        except UserError as error:
            log.warning("programs of this machine can't hand in mail", why=str(error))
            return
        settings = dataclasses.replace(self._smtp_settings(None), kind="local")
        door = Smtpd(settings, self.router, self.sign_in, self.queue, None, clock=self._clock)
        self._undo.append(closing(partial(remove, path, inode)))
        await door.start(sock)
        self._doors["local socket"] = door

    def _imap_session(self, endpoint: Endpoint) -> Session:
        tls = self._tls_of(endpoint)
        imapd = Imapd(
            self._imap_settings(),
            self.sign_in,
            self.accounts,
            self.store,
            self._searchers,
            tls,
            beside=self._imapds[0] if self._imapds else None,
        )
        self._imapds.append(imapd)
        return imapd.session

    def _pop3_session(self, endpoint: Endpoint) -> Session:
        return partial(self.pop3d.session_with, self._tls_of(endpoint))

    # -- settings of the rooms ------------------------------------------------------------------

    def _smtp_settings(self, endpoint: Endpoint | None) -> SmtpSettings:
        """Of a listener; None: of the local socket."""
        return smtp_settings(self.config, self.hostname, endpoint, plain_auth=self._plain_auth)

    def _imap_settings(self) -> ImapSettings:
        return ImapSettings(
            hostname=self.hostname,
            allow_plain_auth=self._plain_auth,
            limits=ImapLimits(literal=self.config.limits.max_message_size),
            version=__version__,
            unauthenticate=self.config.imap.unauthenticate,
            admin=f"mailto:{self.config.postmaster or f'postmaster@{self.hostname}'}",
        )

    def _pop3_settings(self) -> Pop3Settings:
        return pop3_settings(self.config, self.hostname, self._tls, plain_auth=self._plain_auth)

    def _queue_settings(self) -> QueueSettings:
        chosen = self.config.queue
        return QueueSettings(
            waits=growing(chosen.first_retry, chosen.growth, chosen.longest_retry),
            lifetime=chosen.lifetime,
            concurrency={RELAY: self.config.relay.connections},
            per_domain={RELAY: self.config.relay.connections_per_destination},
            parked=frozenset({ON_DEMAND}),
            delay_notice=chosen.delay_notice or None,
        )

    # -- while it runs --------------------------------------------------------------------------

    def apply(self, config: Config, relay: Prepared) -> None:
        """Put the settings that may change while running in force, for sessions that begin now.

        `relay`: as `outbound.prepare` gives it for `config`.
        """
        self.config = config
        self.outbound.apply(relay)
        self.queue.reconsider()
        self.limits.resize(config.limits.connections, config.limits.connections_per_address)
        for imapd in self._imapds:
            imapd.settings = self._imap_settings()
        self.pop3d.settings = self._pop3_settings()
        self.sign_in.apply(sign_in.settings(self.config, self.hostname))
        for bound in self.sockets:
            door = self._doors.get(bound.endpoint.name)
            if isinstance(door, Smtpd):
                door.apply(self._smtp_settings(bound.endpoint))
        if isinstance(local := self._doors.get("local socket"), Smtpd):
            local.apply(self._smtp_settings(None))

    @property
    def listening(self) -> list[Listening]:
        """All listeners."""
        return [bound.listening for bound in self.sockets]

    def sessions(self) -> Mapping[str, int]:
        """Open sessions by listener."""
        return {name: door.sessions for name, door in self._doors.items()}

    def counters(self) -> Mapping[str, Mapping[str, int]]:
        """What the ESMTP listeners have counted since the start."""
        return {
            name: door.counters.as_dict()
            for name, door in self._doors.items()
            if isinstance(door, Smtpd)
        }

    def proxied(self) -> Mapping[str, Mapping[str, int]]:
        """What the listeners behind proxies have counted since the start."""
        return {name: proxies.counters.as_dict() for name, proxies in self._proxies.items()}


def growing(first: float, growth: float, longest: float) -> tuple[float, ...]:
    """Waits in seconds, each `growth` times the one before, up to `longest`."""
    waits = [min(first, longest)]
    while growth > 1 and waits[-1] < longest and len(waits) < 100:
        waits.append(min(waits[-1] * growth, longest))
    return tuple(waits)


def make_folder(path: Path) -> None:
    """The data folder, readable by its owner only. Raises UserError that names it."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the data folder {path}: {error.strerror}") from error


def own(data: Path) -> FileLock:
    """One server a data folder: UserError when another runs there."""
    return FileLock(data / "server.lock", f"another mailsuite is running on {data}")


def closing(call: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    """The blocking `call` as something to await at the stop."""

    async def close() -> None:
        await asyncio.to_thread(call)

    return close
