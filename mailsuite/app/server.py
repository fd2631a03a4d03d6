"""The whole server as one object: every room is built here, started in order, stopped in reverse.

Promises: nothing is written before `start`; a listener accepts only when everything behind it
works; `stop` answers clients, finishes commits, and leaves no task behind. Knows no signals and no
terminal.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from mailsuite.accounts import AccountRow, Directory
from mailsuite.app import sign_in
from mailsuite.app.announce import Listening
from mailsuite.app.doors import Doors, Rooms
from mailsuite.app.lag import LoopLag
from mailsuite.app.outbound import CAPTURE, ON_DEMAND, RELAY, Outbound, Prepared
from mailsuite.app.quota import Limits
from mailsuite.app.sockets import Socket, unbind
from mailsuite.app.transfers import Transfers
from mailsuite.base.clock import SystemClock
from mailsuite.base.errors import UserError
from mailsuite.base.keyfile import load_key
from mailsuite.base.lock import FileLock
from mailsuite.base.log import get_logger, record
from mailsuite.base.tasks import Threads
from mailsuite.config import Config
from mailsuite.delivery import RELEASE, CaptureCourier, LocalCourier, Releaser, local_prefix
from mailsuite.dkim import Keys
from mailsuite.dsn import DeliveryNotifier
from mailsuite.fetch import Fetcher, Into
from mailsuite.history import Recorder
from mailsuite.imapd import facets
from mailsuite.mail import Courier, Envelope, Remote
from mailsuite.net import Connection
from mailsuite.queue import Queue
from mailsuite.queue import Settings as QueueSettings
from mailsuite.relay import OnDemandCourier, Signer
from mailsuite.routing import KeptSenders, Router, Srs
from mailsuite.signin import Bans, SignIn, Throttle
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
            self._undo.append(self.doors.stop)
            for bound in self.sockets:
                await self.doors.open(bound)
            await self.doors.open_local_socket()
            self.lag.start()
            self._undo.append(self.lag.stop)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Say goodbye to clients, finish what was promised, close files. Idempotent."""
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
        self._build_doors()

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
        kept = KeptSenders(data / "srs.db")
        self._undo.append(closing(kept.close))
        self.router = Router(
            self.accounts,
            separator=self.config.subaddress_separator,
            postmaster=self.config.postmaster,
            hostname=self.hostname,
            srs=Srs(load_key(data / "srs.key"), self._clock.now),
            kept=kept,
        )
        self._quota = Limits(self.accounts, lambda: self.config.quota)
        self.store = Store(
            data / "mail",
            facets=Facets(facets.NAMES, facets.FACETS_VERSION, facets.compute, facets.APART),
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
            signer=Signer(Keys(data / "dkim"), self.router.signing_domain, self._clock),
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

    def _build_doors(self) -> None:
        rooms = Rooms(
            accounts=self.accounts,
            sign_in=self.sign_in,
            router=self.router,
            queue=self.queue,
            store=self.store,
            outbound=self.outbound,
            room=partial(self._quota.room, self.store),
            searchers=self._threads("search", SEARCH_THREADS),
            clock=self._clock,
        )
        self.doors = Doors(
            self.config,
            self.hostname,
            rooms,
            tls=self._tls,
            client_tls=self._client_tls,
            plain_auth=self._plain_auth,
        )

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
        self.sign_in.apply(sign_in.settings(self.config, self.hostname))
        self.doors.apply(config)

    @property
    def listening(self) -> list[Listening]:
        """All listeners."""
        return [bound.listening for bound in self.sockets]


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
