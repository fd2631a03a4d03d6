"""A process to be killed: takes messages, prints each id once it is accepted, delivers locally.

`python queue_crash_child.py ROOT FIRST COUNT`: submits messages numbered from FIRST, from ten tasks
at once, or, with COUNT 0, finishes what is in the queue and prints "empty".
"""

import asyncio
import sys
from pathlib import Path

from mailsuite.base import log
from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.delivery import LocalCourier, local_prefix
from mailsuite.mail import Alias, Envelope, Mailbox, Recipient, Route
from mailsuite.queue import Queue, Settings
from mailsuite.store import Facets, Store

ALICE, BOB = "alice@example.test", "bob@example.test"
FACETS = Facets(("length",), 1, lambda octets: (b"%d" % len(octets),))


def route(address: str) -> Route:
    if address == "team@example.test":
        return Alias(address, (ALICE, BOB))
    return Mailbox(address)


async def finished(queue: Queue, spool: Path) -> None:
    """Wait until nothing is queued and what was never accepted is swept."""
    for _ in range(6000):
        if not (await queue.counts()).messages and not list(spool.iterdir()):
            return
        await asyncio.sleep(0.01)
    raise TimeoutError("the queue does not become empty")


async def main(root: Path, start: int, count: int) -> None:
    threads = Threads("child", 6)
    store = Store(root / "mail", facets=FACETS, threads=threads, clock=SystemClock())
    queue = Queue(
        root / "queue",
        choose=lambda address, envelope: "local",
        couriers={"local": LocalCourier(store, route, threads)},
        clock=SystemClock(),
        threads=threads,
        settings=Settings(memory=2000),
        prefix=local_prefix,
    )
    await queue.start()
    kinds = ((ALICE,), (ALICE, BOB), ("team@example.test",), (BOB,))

    async def submit(first: int) -> None:
        for number in range(start + first, start + count, 10):
            envelope = Envelope("x@far.test", tuple(map(Recipient, kinds[number % 4])))
            # Some stream to the disk before they are committed.
            message = f"Subject: {number}\r\n\r\n".encode() + b"x" * (number % 7 * 500) + b"\r\n"
            id = await queue.submit(envelope, message)
            print(id, number, flush=True)

    await asyncio.gather(*(submit(first) for first in range(10)))
    if not count:
        await finished(queue, root / "queue" / "spool")
    await queue.stop(5)
    await store.close()
    threads.close()
    print("empty", flush=True)


if __name__ == "__main__":
    log.configure(level="warning")
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
