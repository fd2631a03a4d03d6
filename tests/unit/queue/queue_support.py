"""Helpers of the queue's tests: a clock that stands still, a courier that answers as told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from mailsuite.base.tasks import Threads
from mailsuite.mail import Deferred, Envelope, Job, Notifier, Outcome, Recipient, Sent
from mailsuite.queue import Queue, Settings

MESSAGE = b"Subject: test\r\n\r\nHello.\r\n"


class StillClock:
    """Moves only when told."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self.time = start

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


Answer = Callable[[Job], Sequence[Outcome] | Awaitable[Sequence[Outcome]]]


def sent(job: Job) -> list[Outcome]:
    return [Sent("2.0.0", "ok") for _ in job.recipients]


def deferred(job: Job) -> list[Outcome]:
    return [Deferred("4.2.0", "later") for _ in job.recipients]


class ScriptedCourier:
    """Remembers each job with its octets, and answers with `answer`."""

    def __init__(self, answer: Answer = sent) -> None:
        self.answer = answer
        self.jobs: list[Job] = []
        self.octets: list[bytes] = []
        self.running = 0
        self.most = 0

    async def deliver(self, job: Job) -> Sequence[Outcome]:
        self.jobs.append(job)
        self.octets.append(Path(job.message.path).read_bytes())
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            answer = self.answer(job)
            return answer if isinstance(answer, Sequence) else await answer
        finally:
            self.running -= 1


def envelope(*recipients: str, sender: str = "from@elsewhere.test") -> Envelope:
    return Envelope(sender, tuple(Recipient(each) for each in recipients or ("a@example.test",)))


def prefix(of: Envelope) -> bytes:
    return b"Return-Path: <%s>\r\nDelivered-To: %s\r\n" % (
        of.sender.encode(),
        of.recipients[0].address.encode(),
    )


@asynccontextmanager
async def running(
    root: Path,
    courier: ScriptedCourier | None = None,
    *,
    clock: StillClock | None = None,
    settings: Settings | None = None,
    choose: Callable[[str, Envelope], str] = lambda address, envelope: "test",
    couriers: dict[str, ScriptedCourier] | None = None,
    grace: float = 5.0,
    notifier: Notifier | None = None,
) -> AsyncIterator[Queue]:
    threads = Threads("queue-test", 4)
    queue = Queue(
        root,
        choose=choose,
        couriers=couriers or {"test": courier or ScriptedCourier()},
        clock=clock or StillClock(),
        threads=threads,
        settings=settings,
        prefix=prefix,
        notifier=notifier,
    )
    try:
        await queue.start()
        yield queue
    finally:
        await queue.stop(grace)
        threads.close()


async def until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Wait until `condition` holds, at most ten seconds."""
    async with asyncio.timeout(10):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.005)


async def until_empty(queue: Queue) -> None:
    async def empty() -> bool:
        return (await queue.counts()).messages == 0

    await until(empty)


def spool_names(root: Path) -> set[str]:
    return {path.name for path in (root / "spool").iterdir()}
