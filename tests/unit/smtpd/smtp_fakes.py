"""Stand-ins for the rooms below the ESMTP door: a queue in memory, fixed accounts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterator, Sequence

from mailsuite.accounts import AccountRow, AliasRow, DomainRow
from mailsuite.mail import Courier, Envelope, Job, Outcome, QueuedMessage, Recipient
from mailsuite.queue import Convert, NoSpace, QueueUnavailable, Watch
from mailsuite.queue.changes import Result
from mailsuite.routing import Router
from tests.sign_in import FakeAccounts

FAULTS: dict[str, type[Exception]] = {
    "unavailable": QueueUnavailable,
    "nospace": NoSpace,
    "bug": RuntimeError,
}


class FakeIncoming:
    """Keeps what it is given; counts how it ended."""

    def __init__(self, queue: "FakeQueue", id: str) -> None:
        self.queue = queue
        self.id = id
        self.octets = b""
        self.largest_write = 0
        self.state = "open"

    @property
    def size(self) -> int:
        return len(self.octets)

    async def write(self, data: bytes) -> None:
        assert self.state == "open"
        self.queue.fault("write")
        self.octets += data
        self.largest_write = max(self.largest_write, len(data))
        await asyncio.sleep(0)

    async def rewrite(self, convert: Convert) -> None:
        assert self.state == "open"
        self.queue.fault("rewrite")
        pieces = convert(self.octets)
        if pieces is not None:
            self.octets = b"".join(pieces)

    async def commit(self, envelope: Envelope) -> None:
        assert self.state == "open"
        try:
            self.queue.fault("commit")
        except Exception:
            await self.discard()
            raise
        self.queue.committing.set()
        await self.queue.may_commit.wait()
        self.state = "committed"
        self.queue.accepted.append((envelope, self.octets))

    async def discard(self) -> None:
        if self.state == "open":
            self.state = "discarded"
            self.queue.discarded += 1


class FakeMail:
    """So many messages for 1@branch.example, 2@branch.example, …"""

    def __init__(self, queue: "FakeQueue", domains: Collection[str]) -> None:
        self.queue = queue
        self.domains = domains
        self.open = True

    @property
    def busy(self) -> bool:
        return self.queue.busy

    async def claim(self) -> bool:
        self.queue.fault("claim")
        await asyncio.sleep(0)
        return self.queue.mail > 0

    async def attempt(self, courier: Courier) -> bool:
        if not await self.claim():
            return False
        self.queue.mail -= 1
        octets = b"Subject: for you\r\n\r\n.Hello.\r\n"
        to = (Recipient(f"{len(self.queue.outcomes) + 1}@branch.example"),)
        job = Job(
            *("0123456789ABC", Envelope("from@far.example", to), to, (0,)),
            *(QueuedMessage("", 0, len(octets), False, octets), 1, False, 0.0),
        )
        self.queue.outcomes += await courier.deliver(job)
        return True

    async def close(self) -> None:
        self.open = False


class FakeQueue:
    """Accepts messages into a list; faults and delays on demand."""

    def __init__(self) -> None:
        self.mail = 0
        self.busy = False
        self.turns: list[FakeMail] = []
        self.outcomes: list[Outcome] = []
        self.accepted: list[tuple[Envelope, bytes]] = []
        self.all: list[FakeIncoming] = []
        self.discarded = 0
        self.results: tuple[Result, ...] = ()
        self.asked: list[str] = []
        self.waiting = 0
        self.octets_held = 0
        self.faults: dict[str, Exception] = {}
        self.committing = asyncio.Event()
        self.may_commit = asyncio.Event()
        self.may_commit.set()

    def fault(self, where: str) -> None:
        if where in self.faults:
            raise self.faults.pop(where)

    def receive(self, envelope: Envelope | None = None) -> FakeIncoming:
        self.fault("receive")
        self.all.append(FakeIncoming(self, f"Q{len(self.all) + 1}"))
        return self.all[-1]

    @contextlib.contextmanager
    def watch(self, id: str, recipients: int) -> Iterator[Watch]:
        watch = Watch(recipients)
        watch.note(self.results)
        yield watch

    async def held(self, account: str) -> int:
        return self.octets_held

    @contextlib.asynccontextmanager
    async def holding(self, account: str) -> AsyncIterator[int]:
        yield self.octets_held

    async def retry_domain(self, domain: str, *, below: bool) -> int:
        self.fault("retry")
        self.asked.append(domain + (" and below" if below else ""))
        return self.waiting

    def hand_over(self, domains: Collection[str]) -> FakeMail:
        self.fault("hand over")
        self.turns.append(FakeMail(self, domains))
        return self.turns[-1]


class FakeLookups:
    """example.test with alice, bob and jörg, team -> alice and bob, sales -> bob."""

    users_: tuple[AccountRow, ...] = tuple(
        AccountRow(f"{name}@example.test", True, 0.0) for name in ("alice", "bob", "jörg")
    )
    aliases: tuple[AliasRow, ...] = (
        AliasRow("team@example.test", ("alice@example.test", "bob@example.test"), 0.0),
        AliasRow("sales@example.test", ("bob@example.test",), 0.0),
    )
    broken = False

    def is_local(self, domain: str) -> bool:
        if self.broken:
            raise RuntimeError("the directory is on fire")
        return domain.lower() == "example.test"

    def lookup(self, address: str) -> AccountRow | AliasRow | None:
        for row in (*self.users_, *self.aliases):
            if row.address == address.lower():
                return row
        return None

    def domains(self) -> Sequence[DomainRow]:
        return [DomainRow("example.test", 0.0)]

    def catch_all(self, domain: str) -> AliasRow | None:
        return None

    def users(self, domain: str | None = None) -> Sequence[AccountRow]:
        return self.users_


class SmtpAccounts(FakeAccounts):
    """alice and bob; the password is the name."""

    def __init__(self) -> None:
        super().__init__({f"{name}@example.test": name for name in ("alice", "bob")})

    def enabled(self, name: str) -> str | None:
        return super().enabled(_whole(name))

    async def verify(self, name: str, password: str) -> str | None:
        return await super().verify(_whole(name), password)


def _whole(name: str) -> str:
    """The name may stand without the domain."""
    return name if "@" in name else f"{name}@example.test"


class FakeRoom:
    """alice has room, bob as much as he is told."""

    def __init__(self) -> None:
        self.left: dict[str, int] = {}

    async def __call__(self, account: str, octets: int) -> bool:
        await asyncio.sleep(0)
        return max(octets, 1) <= self.left.get(account, 1 << 60)


def make_router() -> tuple[Router, FakeLookups]:
    lookups = FakeLookups()
    return Router(lookups), lookups
