"""How fast a full queue goes out to one host, beside Postfix with the same host: smtp-sink.

    python bench/relay_rate.py [--messages 2000] [--rounds 3] [--octets 4000] [--parallel 20]

Both have the messages durably in their queues before the clock starts, and the clock stops when
smtp-sink has taken the last one. Needs root, for Postfix (Debian: postfix). Prints times and the
ratio of rates; only the ratio means something.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "e2e")]

from e2e_harness import eventually, free_ports  # noqa: E402
from relay_peers import Postfix, accepts  # noqa: E402

from mailsuite.base import log  # noqa: E402
from mailsuite.base.clock import SystemClock  # noqa: E402
from mailsuite.base.tasks import Threads  # noqa: E402
from mailsuite.delivery import local_prefix  # noqa: E402
from mailsuite.dns import Resolver  # noqa: E402
from mailsuite.mail import Envelope, Job, Outcome, Recipient  # noqa: E402
from mailsuite.queue import Queue  # noqa: E402
from mailsuite.queue import Settings as QueueSettings  # noqa: E402
from mailsuite.relay import RelayCourier, Rule, Settings, Smarthost  # noqa: E402


def sink(port: int, count: int, *options: str) -> subprocess.Popen[bytes]:
    """smtp-sink that ends after `count` messages."""
    words = ["smtp-sink", "-u", "nobody", "-M", str(count), *options, f"127.0.0.1:{port}", "100"]
    process = subprocess.Popen(words)
    eventually(lambda: accepts(port), "smtp-sink accepts")
    return process


class Gate:
    """Lets no job through until it is opened."""

    def __init__(self, courier: RelayCourier) -> None:
        self.courier = courier
        self.open = asyncio.Event()

    async def deliver(self, job: Job) -> Sequence[Outcome]:
        await self.open.wait()
        return await self.courier.deliver(job)


async def ours(folder: Path, port: int, count: int, octets: int, parallel: int) -> float:
    threads = Threads("bench", 6)
    host = Smarthost("127.0.0.1", port, tls="opportunistic")
    settings = Settings("bench.test", default=Rule(host), per_destination=parallel)
    courier = RelayCourier(settings, Resolver(), clock=SystemClock(), threads=threads)
    gate = Gate(courier)
    queue = Queue(
        folder,
        choose=lambda address, envelope: "relay",
        couriers={"relay": gate},
        clock=SystemClock(),
        threads=threads,
        settings=QueueSettings(concurrency={"relay": 200}),
        prefix=local_prefix,
    )
    await queue.start()
    line = b"x" * 78 + b"\r\n"
    message = b"From: <a@bench.test>\r\nSubject: bench\r\n\r\n" + line * (octets // len(line))
    envelope = Envelope("a@bench.test", (Recipient("x@far.test"),))
    for _ in range(0, count, 50):
        await asyncio.gather(*(queue.submit(envelope, message) for _ in range(50)))
    process = sink(port, count)
    started = time.perf_counter()
    gate.open.set()
    while process.poll() is None:  # noqa: ASYNC110 - a process
        await asyncio.sleep(0.005)
    seconds = time.perf_counter() - started
    await queue.stop(1)  # the last reply may be missing: smtp-sink has ended
    await courier.close()
    threads.close()
    return seconds


def theirs(port: int, count: int, octets: int, parallel: int) -> float:
    postfix = Postfix("post.test", [], routes={"far.test": port})
    main = postfix.folder / "conf" / "main.cf"
    text = main.read_text().replace("smtp_tls_security_level = encrypt", "")
    main.write_text(
        f"{text}\ndefer_transports = smtp\nsmtp_tls_security_level = may\n"
        f"default_destination_concurrency_limit = {parallel}\n"
    )
    conf = str(postfix.folder / "conf")
    try:
        postfix.start()
        words = ["smtp-source", "-s", "10", "-m", str(count), "-l", str(octets)]
        words += ["-f", "a@bench.test", "-t", "x@far.test", f"127.0.0.1:{postfix.port}"]
        subprocess.run(words, check=True)

        def deferred() -> bool:
            found = (postfix.folder / "queue" / "deferred").rglob("*")
            return sum(path.is_file() for path in found) >= count

        eventually(deferred, "all are queued", 300)
        main.write_text(main.read_text().replace("defer_transports = smtp", ""))
        subprocess.run(["postfix", "-c", conf, "reload"], check=True, capture_output=True)
        time.sleep(2)
        process = sink(port, count)
        started = time.perf_counter()
        subprocess.run(["postqueue", "-c", conf, "-f"], check=True)
        process.wait()
        return time.perf_counter() - started
    finally:
        postfix.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--octets", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parallel", type=int, default=20)
    chosen = parser.parse_args()
    log.configure(level="error")
    mine, other = [], []
    for _ in range(chosen.rounds):
        (port,) = free_ports(1)
        with tempfile.TemporaryDirectory() as folder:
            run = ours(Path(folder), port, chosen.messages, chosen.octets, chosen.parallel)
            mine.append(uvloop.run(run))
        other.append(theirs(port, chosen.messages, chosen.octets, chosen.parallel))
        print(f"mailsuite {mine[-1]:6.2f} s   postfix {other[-1]:6.2f} s", flush=True)
    ratio = statistics.median(b / a for a, b in zip(mine, other, strict=True))
    print(f"mailsuite sends {ratio:.2f} times as fast as Postfix (median)")


if __name__ == "__main__":
    main()
