"""The rows: what is sent to a server, and what must have become of it before the clock stops.

The clock of a delivery stops when the last message is in its Maildir, not when it is accepted.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.imap import mailboxes
from bench.smtp import clients
from bench.smtp.servers import DOMAIN, FAR, PASSWORD, Server

MANY = 50
PATIENCE = 600.0


@dataclass(frozen=True, slots=True)
class Took:
    """One round of one server: messages (copies, where there are several recipients).

    seconds   until all were where they belong
    accepted  until the client had its last reply; 0: the same
    cpu       seconds of CPU, user and system, of all processes until then
    later     the same of what the server has done afterwards, by itself
    """

    messages: int
    seconds: float
    accepted: float
    cpu: float
    later: float


@dataclass(frozen=True, slots=True)
class Row:
    """`messages` a round, unless told otherwise; `goal`: how many times the other's rate."""

    key: str
    title: str
    messages: int
    run: Callable[[Server, int], Took]
    users: tuple[str, ...] = ()
    goal: float | None = None
    before: Callable[[Server, Path], None] | None = None


def timed(
    server: Server, messages: int, work: Callable[[], None], done: Callable[[], bool]
) -> Took:
    """Do `work`, then wait until it is `done`."""
    before, began = server.cpu(), time.perf_counter()
    work()
    accepted = time.perf_counter() - began
    while True:
        asked = time.perf_counter()
        if done():
            break
        if asked - began > PATIENCE:
            raise RuntimeError(f"{server.name} does not come to an end")
        # Asking must cost little.
        time.sleep(max(0.002, 4 * (time.perf_counter() - asked)))
    seconds = time.perf_counter() - began
    at_end = server.cpu()
    server.settle()
    return Took(messages, seconds, accepted, at_end - before, server.cpu() - at_end)


def delivered(server: Server, users: Iterable[str], copies: int, work: Callable[[], None]) -> Took:
    """Until so many copies more are in these users' mailboxes."""
    wanted = server.count(users) + copies
    return timed(server, copies, work, lambda: server.count(users) >= wanted)


def _local(user: str, octets: int, *, reuse: bool = False) -> Callable[[Server, int], Took]:
    def run(server: Server, count: int) -> Took:
        def work() -> None:
            to = f"{user}@{DOMAIN}"
            clients.finish(clients.send(server.inbound, to, count, octets, reuse=reuse))

        return delivered(server, [user], count, work)

    return run


def _spread(server: Server, count: int) -> Took:
    """Ten users, a session for each."""
    users = everyone[:10]

    def work() -> None:
        each = count // len(users)
        some = [
            clients.send(server.inbound, f"{user}@{DOMAIN}", each, 4096, sessions=1)
            for user in users
        ]
        clients.finish(*some)

    return delivered(server, users, count // 10 * 10, work)


def _fan_out(server: Server, count: int) -> Took:
    def work() -> None:
        to = f"many@{DOMAIN}"
        clients.finish(clients.send(server.inbound, to, count, 4096, reuse=True, recipients=MANY))

    return delivered(server, everyone, count * MANY, work)


def _submission(server: Server, count: int) -> Took:
    user, to = f"{SENDER}@{DOMAIN}", f"submitted@{DOMAIN}"
    with clients.Submitters(server.submission, user, PASSWORD, to, count, 4096) as ready:
        return delivered(server, ["submitted"], count, ready.run)


def _relay(server: Server, count: int) -> Took:
    """In at one side and out at the other."""
    sink = clients.Sink(server.far, count)

    def work() -> None:
        to = f"someone@{FAR}"
        clients.finish(clients.send(server.outgoing, to, count, 4096, reuse=True))

    def done() -> bool:
        sink.wait(PATIENCE)
        return True

    return timed(server, count, work, done)


def wait_in_queue(server: Server, count: int) -> Took:
    """Mail for a host that is not there."""

    def work() -> None:
        to = f"someone@{FAR}"
        clients.finish(clients.send(server.outgoing, to, count, 4096, reuse=True))

    return timed(server, count, work, lambda: server.deferred() >= count)


def drain(server: Server, count: int) -> Took:
    """The host is back: all that waits goes out."""
    sink = clients.Sink(server.far, count)

    def done() -> bool:
        sink.wait(PATIENCE)
        return True

    return timed(server, count, server.retry, done)


def _fill(user: str, count: int) -> Callable[[Server, Path], None]:
    def before(server: Server, cache: Path) -> None:
        server.fill(user, mailboxes.cached(cache, count))

    return before


def full(count: int) -> Row:
    """Delivery into a mailbox that has so many messages already."""
    user = f"full{count}"
    title = f"into a mailbox of {count:,}"
    return Row(f"full-{count}", title, 2000, _local(user, 4096), (user,), before=_fill(user, count))


def deep(count: int) -> Row:
    """Delivery while so many messages wait in the queue for a host that is not there."""
    user = f"deep{count}"
    return Row(f"deep-{count}", f"with {count:,} in the queue", 2000, _local(user, 4096), (user,))


# The names that smtp-source makes of `many`.
everyone = ["many", *(f"{number}many" for number in range(2, MANY + 1))]
SENDER = "sender"
ROWS = (
    Row("new", "4 kB, a connection a message", 2000, _local("new", 4096), ("new",), 2.0),
    Row("reuse", "4 kB, connections reused", 3000, _local("re", 4096, reuse=True), ("re",), 3.0),
    Row("spread", "4 kB, to ten users", 2000, _spread),
    Row("fan-out", "50 recipients, a copy", 60, _fan_out),
    Row("submission", "submission, TLS and AUTH", 400, _submission, ("submitted",)),
    Row("relay", "through to one other host", 2000, _relay),
    # The last, because texts of such messages are indexed for minutes afterwards.
    Row("mb", "1 MB", 100, _local("mb", 1_000_000, reuse=True), ("mb",)),
    Row("mb25", "25 MB", 8, _local("mb25", 25_000_000, reuse=True), ("mb25",)),
)
