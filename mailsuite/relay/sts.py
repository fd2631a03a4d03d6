"""MTA-STS (RFC 8461): which policy a domain has, fetched over HTTPS and kept on the disk.

Promises: a policy that has been fetched counts until its max_age is over, also after a restart, and
also when the domain's DNS or web server can't be reached (§5.1); a failed fetch is not repeated at
once. Reads nothing but the one file, follows no redirect.
"""

import asyncio
import contextlib
import json
import re
import ssl
from collections import OrderedDict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import h11

from mailsuite.base import durable
from mailsuite.base.clock import Clock
from mailsuite.base.keyed import KeyedLock
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Threads
from mailsuite.dns import DnsFailure, Resolver
from mailsuite.net import Connection, connect
from mailsuite.relay.sts_policy import MAX_POLICY, Policy, parse, record_id

T = TypeVar("T")
log = get_logger("relay")

FETCH_TIMEOUT = 60.0  # seconds (§3.3)
CONNECT_TIMEOUT = 10.0
AGAIN = 300.0  # seconds until a failed fetch is repeated, of the same id (§3.3)
REFRESH = 86_400.0  # a policy in force is fetched again, so that it never runs out (§3.3)
KEPT = 1000  # policies in memory
STORED = 10_000  # and on the disk
# No IP address: no top-level domain has a name of digits (RFC 3696 §2).
_DOMAIN = re.compile(r"(?!.*\.[0-9]+\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+\Z")


@dataclass(frozen=True, slots=True)
class Known:
    """A policy as it is kept: with the id of its TXT record, and when it was fetched."""

    id: str
    mode: str
    mx: tuple[str, ...]
    max_age: int
    fetched: float

    @property
    def policy(self) -> Policy:
        return Policy(self.mode, self.mx, self.max_age)


class StsPolicies:
    """See the module. `folder` is made when it is not there."""

    def __init__(
        self,
        folder: Path,
        resolver: Resolver,
        context: ssl.SSLContext,
        *,
        threads: Threads,
        clock: Clock,
        port: int = 443,
    ) -> None:
        self._folder = folder
        self._resolver = resolver
        self._context = context
        self._threads = threads
        self._clock = clock
        self._port = port
        self._known: OrderedDict[str, Known | None] = OrderedDict()
        self._failed: OrderedDict[str, tuple[str, float]] = OrderedDict()  # id, not before
        self._one_by_one = KeyedLock()

    async def policy(self, domain: str) -> Policy | None:
        """The policy in force for `domain` (A-labels, lower case); None: there is none."""
        if not _DOMAIN.match(domain):
            return None
        async with self._one_by_one.of(domain):
            return await self._policy(domain)

    async def _policy(self, domain: str) -> Policy | None:
        known = await self._remembered(domain)
        if known is not None and self._clock.now() >= known.fetched + known.max_age:
            known = None
        young = known is not None and self._clock.now() < known.fetched + REFRESH
        found = await self._record(domain)
        if found is None and known is not None and not young:
            self._not_fetched(domain, "", known, "its record can't be had")
        if found is None or (known is not None and found == known.id and young):
            # A policy outlives its record (§5.1), so that nobody takes it away by silence.
            return known.policy if known else None
        failed, not_before = self._failed.get(domain, ("", 0.0))
        if failed == found and self._clock.now() < not_before:
            return known.policy if known else None
        try:
            async with asyncio.timeout(FETCH_TIMEOUT):
                policy = parse(await self._fetch(domain))
        except (OSError, ValueError, h11.RemoteProtocolError, DnsFailure) as error:
            self._not_fetched(domain, found, known, str(error) or repr(error))
            return known.policy if known else None
        fresh = Known(found, policy.mode, policy.mx, policy.max_age, self._clock.now())
        _put(self._known, domain, fresh)
        await self._threads.run(self._write, domain, fresh)
        return policy

    async def _record(self, domain: str) -> str | None:
        """The id in the TXT record; None: there is none, or none to be had."""
        try:
            return record_id((await self._resolver.txt(f"_mta-sts.{domain}")).records)
        except (DnsFailure, ValueError) as error:
            log.debug("no mta-sts record to be had", domain=domain, why=str(error))
            return None

    def _not_fetched(self, domain: str, id: str, known: Known | None, why: str) -> None:
        """Not again at once; the operator is told, but not of one of mode "none" (§3.3)."""
        failed, not_before = self._failed.get(domain, ("", 0.0))
        if failed == id and self._clock.now() < not_before:
            return
        _put(self._failed, domain, (id, self._clock.now() + AGAIN))
        if known is None or known.mode != "none":
            log.warning("mta-sts policy not fetched", domain=domain, why=why)

    # -- on the disk ----------------------------------------------------------------------------

    async def _remembered(self, domain: str) -> Known | None:
        if domain in self._known:
            self._known.move_to_end(domain)
            return self._known[domain]
        known = await self._threads.run(self._read, domain)
        _put(self._known, domain, known)
        return known

    def _read(self, domain: str) -> Known | None:
        path = self._folder / f"{domain}.json"
        try:
            kept = json.loads(path.read_bytes())
            return Known(
                str(kept["id"]),
                str(kept["mode"]),
                tuple(map(str, kept["mx"])),
                int(kept["max_age"]),
                float(kept["fetched"]),
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("mta-sts policy not read; it is fetched anew", path=str(path), why=str(error))
            return None

    def _write(self, domain: str, known: Known) -> None:
        path = self._folder / f"{domain}.json"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not path.exists():
                self._make_room()
            durable.replace(path, json.dumps(asdict(known)).encode())
        except OSError as error:
            log.error("mta-sts policy not kept", path=str(path), why=str(error))

    def _make_room(self) -> None:
        files = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in files[: max(0, len(files) - STORED + 1)]:
            path.unlink(missing_ok=True)

    # -- over the network -----------------------------------------------------------------------

    async def _fetch(self, domain: str) -> str:
        """The policy's text. Raises OSError, ValueError, h11.RemoteProtocolError, DnsFailure."""
        host = f"mta-sts.{domain}"
        connection = await self._connected(host)
        try:
            return await _get(connection, host)
        finally:
            connection.abort()

    async def _connected(self, host: str) -> Connection:
        addresses: list[str] = []
        for ask in (self._resolver.ipv6, self._resolver.ipv4):
            with contextlib.suppress(DnsFailure):
                addresses += (await ask(host)).records
        failure: OSError = OSError(f"{host} has no address in the DNS")
        for address in addresses[:4]:
            try:
                return await connect(
                    address, self._port, timeout=CONNECT_TIMEOUT, tls=self._context, name=host
                )
            except OSError as error:
                failure = error
        raise failure


async def _get(connection: Connection, host: str) -> str:
    """GET of the one well-known file (§3.3): 200, text/plain, within the bound."""
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 14)
    request = h11.Request(
        method="GET",
        target="/.well-known/mta-sts.txt",
        headers=[("Host", host), ("Connection", "close"), ("Accept", "text/plain")],
    )
    connection.write((http.send(request) or b"") + (http.send(h11.EndOfMessage()) or b""))
    body = bytearray()
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await connection.read())
        elif isinstance(event, h11.Response):
            kind = dict(event.headers).get(b"content-type", b"").split(b";")[0].strip().lower()
            if event.status_code != 200:
                raise ValueError(f"{host} answers with status {event.status_code}")
            if kind != b"text/plain":
                raise ValueError(f"{host} answers with {kind.decode('latin-1')!r}, not text/plain")
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_POLICY:
                raise ValueError(f"the policy of {host} is too long")
        elif isinstance(event, h11.EndOfMessage):
            return body.decode("utf-8")
        elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
            raise ValueError(f"{host} closed the connection")


def _put(kept: OrderedDict[str, T], key: str, value: T) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > KEPT:
        kept.popitem(last=False)
