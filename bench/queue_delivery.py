"""How fast mail goes from `submit` into a mailbox, durably, and how that compares with the disk.

Many tasks submit messages of one size to a few accounts; the clock runs until the last one is in
its mailbox and the queue is empty. The baseline is what the same disk does with nothing but new
files of that size, written and fsynced by as many threads as the queue has writers.

    python bench/queue_delivery.py [--count 100 10000] [--size 4096] [--tasks 10 50] [--json FILE]
"""

import argparse
import asyncio
import json
import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvloop

from mailsuite.base import log
from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.delivery import LocalCourier, local_prefix
from mailsuite.mail import Envelope, Mailbox, Recipient
from mailsuite.queue import Queue, Settings
from mailsuite.store import Facets, Store

WRITERS = 4


def baseline(folder: Path, size: int, count: int) -> float:
    """Files a second: create, write, fsync, close."""
    folder.mkdir()
    octets = b"x" * size

    def write(first: int) -> None:
        for number in range(first, count, WRITERS):
            fd = os.open(folder / str(number), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(fd, octets)
            os.fsync(fd)
            os.close(fd)

    begin = time.perf_counter()
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    rate = count / (time.perf_counter() - begin)
    shutil.rmtree(folder)
    return rate


async def delivery(
    root: Path, *, size: int, count: int, tasks: int, accounts: int
) -> tuple[float, float, float]:
    """Messages a second accepted, and accepted and delivered; CPU seconds a message."""
    threads = Threads("queue", WRITERS + 2)
    store_threads = Threads("store", 4)
    facets = Facets(("none",), 1, lambda octets: (b"",))
    store = Store(root / "mail", facets=facets, threads=store_threads, clock=SystemClock())
    queue = Queue(
        root / "queue",
        choose=lambda address, envelope: "local",
        couriers={"local": LocalCourier(store, lambda address: Mailbox(address), store_threads)},
        clock=SystemClock(),
        threads=threads,
        settings=Settings(writers=WRITERS),
        prefix=local_prefix,
    )
    names = [f"user{number}@example.test" for number in range(accounts)]
    for name in names:
        await store.account(name)
    await queue.start()
    head = b"From: a@example.org\r\nTo: b@example.test\r\nSubject: test\r\n\r\n"
    message = head + (b"x" * 70 + b"\r\n") * ((size - len(head)) // 72)

    async def submit(first: int) -> None:
        for number in range(first, count, tasks):
            recipient = Recipient(names[number % accounts])
            await queue.submit(Envelope("a@example.org", (recipient,)), message)

    begin, cpu_begin = time.perf_counter(), time.process_time()
    await asyncio.gather(*(submit(first) for first in range(tasks)))
    accepted = count / (time.perf_counter() - begin)
    await empty(queue)
    delivered = count / (time.perf_counter() - begin)
    cpu = (time.process_time() - cpu_begin) / count
    await queue.stop(1)
    await store.close()
    threads.close()
    store_threads.close()
    return accepted, delivered, cpu


async def empty(queue: Queue) -> None:
    """Wait until nothing is left in the queue."""
    for _ in range(100_000):
        if not (await queue.counts()).messages:
            return
        await asyncio.sleep(0.005)
    raise TimeoutError("the queue does not become empty")


def main() -> None:
    parser = argparse.ArgumentParser(description="Queue and local delivery: messages a second.")
    parser.add_argument("--count", type=int, nargs="+", default=[100, 10_000])
    parser.add_argument("--tasks", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--accounts", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary folder)")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    given = parser.parse_args()
    log.configure(level="warning")
    rows = []
    print(f"{'messages':>9} {'tasks':>6} {'accepted/s':>11} {'delivered/s':>12}", end="")
    print(f" {'fsync/s':>9} {'ratio':>6} {'cpu µs':>7}")
    for count in given.count:
        for tasks in given.tasks:
            with tempfile.TemporaryDirectory(dir=given.folder) as name:
                disk = baseline(Path(name) / "disk", given.size, max(count, 400))
                accepted, delivered, cpu = uvloop.run(
                    delivery(
                        Path(name),
                        size=given.size,
                        count=count,
                        tasks=tasks,
                        accounts=given.accounts,
                    )
                )
            ratio = delivered / disk
            print(f"{count:>9} {tasks:>6} {accepted:>11.0f} {delivered:>12.0f}", end="")
            print(f" {disk:>9.0f} {ratio:>6.2f} {cpu * 1e6:>7.0f}", flush=True)
            rows.append(
                {
                    "messages": count,
                    "tasks": tasks,
                    "size": given.size,
                    "accounts": given.accounts,
                    "accepted_per_second": accepted,
                    "delivered_per_second": delivered,
                    "fsync_files_per_second": disk,
                    "ratio": ratio,
                    "cpu_seconds_per_message": cpu,
                }
            )
    if given.json is not None:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
