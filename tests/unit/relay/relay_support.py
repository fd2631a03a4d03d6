"""Helpers of the relay's tests: a courier with a DNS and hosts on loopback."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.dns import Nameserver, Resolver
from mailsuite.dns import Settings as DnsSettings
from mailsuite.mail import Envelope, Job, Outcome, QueuedMessage, Recipient
from mailsuite.relay import Contexts, RelayCourier, Settings, Signer, StsPolicies
from mailsuite.relay.dialogue import Want
from tests.dns_server import Zone, serving

MESSAGE = b"From: s@here.test\r\nSubject: test\r\n\r\n.Hello.\r\n"
CA = trustme.CA()


def server_tls(*names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert(*names).configure_cert(context)
    return context


class Clock(SystemClock):
    """The machine's, and further as told."""

    def __init__(self) -> None:
        self.later = 0.0

    def now(self) -> float:
        return super().now() + self.later

    def monotonic(self) -> float:
        return super().monotonic() + self.later


@dataclass
class Relay:
    """A courier and what it works with."""

    courier: RelayCourier
    zone: Zone
    clock: Clock
    folder: Path

    async def send(
        self,
        *recipients: str | Recipient,
        message: bytes = MESSAGE,
        in_file: bool = False,
        **envelope: Any,
    ) -> list[Outcome]:
        to = tuple(Recipient(each) if isinstance(each, str) else each for each in recipients)
        given = Envelope(envelope.pop("sender", "s@here.test"), to, **envelope)
        path = self.folder / "message"
        path.write_bytes(b"before" + message)
        queued = QueuedMessage(str(path), 6, len(message), False, None if in_file else message)
        job = Job("0123456789ABC", given, to, tuple(range(len(to))), queued, 1, False, 1.7e9)
        return list(await self.courier.deliver(job))


@asynccontextmanager
async def relaying(
    folder: Path,
    zone: Zone | None = None,
    *,
    validating: bool | None = None,
    sts_port: int | None = None,
    signer: Signer | None = None,
    **settings: Any,
) -> AsyncIterator[Relay]:
    threads = Threads("relay-test", 3)
    clock = Clock()
    ca_file = folder / "ca.pem"
    CA.cert_pem.write_to_path(ca_file)
    timeouts = dict.fromkeys(Want, settings.pop("timeout", 20.0))
    async with serving(zone or Zone()) as zone:
        resolver = Resolver(
            DnsSettings((Nameserver("127.0.0.1", zone.port),), validating, timeout=2.0)
        )
        chosen = Settings("here.test", ca_file=str(ca_file), timeouts=timeouts, **settings)
        contexts = Contexts(chosen.ca_file)
        sts = None
        if sts_port is not None:
            sts = StsPolicies(
                folder / "sts",
                resolver,
                contexts.verifying,
                threads=threads,
                clock=clock,
                port=sts_port,
            )
        courier = RelayCourier(
            chosen,
            resolver,
            clock=clock,
            threads=threads,
            sts=sts,
            contexts=contexts,
            signer=signer,
        )
        try:
            yield Relay(courier, zone, clock, folder)
        finally:
            await courier.close()
            threads.close()
