"""What every courier has to do, whatever it does with the mail. A new courier joins `COURIERS`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.delivery import CaptureCourier, LocalCourier, local_prefix
from mailsuite.dns import Nameserver, Resolver
from mailsuite.dns import Settings as DnsSettings
from mailsuite.mail import (
    Bounced,
    Courier,
    Deferred,
    Envelope,
    Job,
    Mailbox,
    QueuedMessage,
    Recipient,
    Remote,
    Route,
    Sent,
)
from mailsuite.relay import RelayCourier, Rule, Settings, Smarthost
from mailsuite.store import AccountStore, Facets, Store, StoreUnavailable
from tests.next_hop import NextHop, listening

MESSAGE = b"From: a@far.test\r\nSubject: test\r\n\r\nHello.\r\n"
ACCOUNT = "alice@example.test"
FACETS = Facets(("length",), 1, lambda octets: (b"%d" % len(octets),))


def route(address: str) -> Route:
    return Mailbox(ACCOUNT) if address.endswith("@example.test") else Remote("far.test")


class Switch:
    """The store, behind a switch that makes the disk fail."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.broken = False

    async def account(self, address: str) -> AccountStore:
        if self.broken:
            raise StoreUnavailable("disk")
        return await self.store.account(address)


@dataclass
class Subject:
    """A courier with what its tests need to know.

    addresses  two that it serves
    kept       the messages that have arrived
    switch     makes what is behind it fail
    idempotent a repeated attempt adds no copy; only another host can't be asked whether it has one
    """

    courier: Courier
    addresses: tuple[str, str]
    kept: Callable[[], Awaitable[list[bytes]]]
    switch: Switch
    idempotent: bool = True


def in_folder(switch: Switch, folder: str) -> Callable[[], Awaitable[list[bytes]]]:
    async def kept() -> list[bytes]:
        account = await switch.store.account(ACCOUNT)
        if folder not in [each.name for each in await account.mailboxes()]:
            return []
        mailbox = await account.open(folder)
        found = []
        for uid in list(mailbox.uids):
            file = await mailbox.open_message(uid)
            found.append(await file.read())
            file.close()
        mailbox.release()
        return found

    return kept


@asynccontextmanager
async def local(switch: Switch, threads: Threads) -> AsyncIterator[Subject]:
    courier = LocalCourier(switch, route, threads)
    addresses = ("alice@example.test", "alice2@example.test")
    yield Subject(courier, addresses, in_folder(switch, "INBOX"), switch)


@asynccontextmanager
async def capture(switch: Switch, threads: Threads) -> AsyncIterator[Subject]:
    courier = CaptureCourier(switch, route)
    addresses = ("x@far.test", "y@far.test")
    yield Subject(courier, addresses, in_folder(switch, "Outbound"), switch)


class Host(NextHop):
    """The next host, behind the same switch; `kept` is what a mailbox there would show."""

    def __init__(self, switch: Switch) -> None:
        super().__init__()
        self.switch = switch

    def answer(self, verb: str, usual: str) -> str:
        broken = verb == "MAIL" and self.switch.broken
        return "452 4.3.1 disk" if broken else super().answer(verb, usual)

    async def kept(self) -> list[bytes]:
        return [
            b"Return-Path: " + mail.partition(":")[2].split()[0].encode() + b"\r\n" + octets
            for mail, _, octets in self.messages
        ]


@asynccontextmanager
async def relay(switch: Switch, threads: Threads) -> AsyncIterator[Subject]:
    async with listening(Host(switch)) as host:
        smarthost = Smarthost("127.0.0.1", host.port, tls="off")
        courier = RelayCourier(
            Settings("here.test", default=Rule(smarthost)),
            Resolver(DnsSettings((Nameserver("127.0.0.1", 9),))),
            clock=SystemClock(),
            threads=threads,
        )
        yield Subject(courier, ("x@far.test", "y@far.test"), host.kept, switch, idempotent=False)
        await courier.close()


Make = Callable[[Switch, Threads], AbstractAsyncContextManager[Subject]]
COURIERS: list[Make] = [local, capture, relay]


@pytest.fixture(params=COURIERS, ids=lambda make: make.__name__)
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    threads = Threads("contract", 3)
    store = Store(tmp_path / "mail", facets=FACETS, threads=threads, clock=SystemClock())
    async with request.param(Switch(store), threads) as made:
        yield made
    await store.close()
    threads.close()


def job(folder: Path, *recipients: str, repeat: bool = False, kept: bool = False) -> Job:
    envelope = Envelope(ACCOUNT, tuple(map(Recipient, recipients)))
    prefix = local_prefix(envelope) if len(recipients) == 1 else b""
    path = folder / f"spool{len(recipients)}"
    path.write_bytes(prefix + MESSAGE)
    message = QueuedMessage(
        str(path), len(prefix), len(MESSAGE), bool(prefix), MESSAGE if kept else None
    )
    indexes = tuple(range(len(recipients)))
    return Job("0123456789ABC", envelope, envelope.recipients, indexes, message, 1, repeat, 1.7e9)


async def test_one_outcome_a_recipient(subject: Subject, tmp_path: Path) -> None:
    outcomes = await subject.courier.deliver(job(tmp_path, *subject.addresses))
    assert [type(each) for each in outcomes] == [Sent, Sent]
    for outcome in outcomes:
        status = outcome.status.split(".")
        assert status[0] == "2" and len(status) == 3 and outcome.text


@pytest.mark.parametrize("kept", [True, False], ids=["memory", "file"])
async def test_the_octets_arrive_as_they_are(subject: Subject, tmp_path: Path, kept: bool) -> None:
    given = job(tmp_path, subject.addresses[0], kept=kept)
    before = Path(given.message.path).read_bytes()
    await subject.courier.deliver(given)
    (found,) = await subject.kept()
    assert found.endswith(MESSAGE) and found.count(MESSAGE) == 1
    assert found.startswith(b"Return-Path: <alice@example.test>\r\n")
    assert Path(given.message.path).read_bytes() == before, "the spool file is the queue's"


async def test_a_repeat_has_no_further_effect(subject: Subject, tmp_path: Path) -> None:
    await subject.courier.deliver(job(tmp_path, *subject.addresses))
    once = await subject.kept()
    outcomes = await subject.courier.deliver(job(tmp_path, *subject.addresses, repeat=True))
    assert [type(each) for each in outcomes] == [Sent, Sent]
    if subject.idempotent:
        assert await subject.kept() == once


async def test_what_may_work_later_is_deferred(subject: Subject, tmp_path: Path) -> None:
    subject.switch.broken = True
    outcomes = await subject.courier.deliver(job(tmp_path, *subject.addresses))
    assert [type(each) for each in outcomes] == [Deferred, Deferred]
    assert all(each.status.startswith("4.") and not each.follow_ups for each in outcomes)
    subject.switch.broken = False
    outcomes = await subject.courier.deliver(job(tmp_path, *subject.addresses, repeat=True))
    assert not any(isinstance(each, Deferred | Bounced) for each in outcomes)


async def test_a_cancelled_attempt_can_be_repeated(subject: Subject, tmp_path: Path) -> None:
    async def again() -> None:
        await subject.courier.deliver(job(tmp_path, subject.addresses[0], repeat=True))

    for _ in range(5):
        running = asyncio.create_task(again())
        await asyncio.sleep(0.002)
        running.cancel()
        await asyncio.wait([running])
    (outcome,) = await subject.courier.deliver(job(tmp_path, subject.addresses[0], repeat=True))
    assert isinstance(outcome, Sent)
    assert len(await subject.kept()) == 1 or not subject.idempotent


async def test_many_at_once(subject: Subject, tmp_path: Path) -> None:
    given = job(tmp_path, subject.addresses[0])
    await asyncio.gather(
        *(subject.courier.deliver(replace(given, id=f"{number:013}")) for number in range(50))
    )
    assert len(await subject.kept()) == 50
