"""Sessions in IDLE: what each costs in memory, and how soon they hear of new mail."""

import select
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.imap.client import Client
from bench.imap.rows import MESSAGE
from bench.imap.servers import Server


@dataclass(frozen=True, slots=True)
class News:
    """Seconds from the acceptance of a message to `* n EXISTS`: in one session, in all."""

    one: float
    all: float


@contextmanager
def sessions(server: Server, count: int, mailbox: str) -> Iterator[list[Client]]:
    """So many sessions in IDLE on a mailbox."""
    clients: list[Client] = []
    try:
        for _ in range(count):
            client = server.selected(mailbox)
            client.idle()
            client.sock.setblocking(False)
            clients.append(client)
        yield clients
    finally:
        for client in clients:
            client.close()


def memory(server: Server, count: int, mailbox: str) -> float:
    """Octets that each of `count` idle sessions adds."""
    # What the first sessions make the server load belongs to none of them.
    with sessions(server, 5, mailbox):
        before = server.memory()
        with sessions(server, count, mailbox):
            time.sleep(1)
            return (server.memory() - before) / count


def news(server: Server, count: int, mailbox: str, rounds: int, *, smtp: bool) -> News:
    """Median of some deliveries by SMTP, or by APPEND of another session."""
    with sessions(server, count, mailbox) as clients:
        poll = select.epoll()
        numbers = {client.sock.fileno(): client for client in clients}
        for number in numbers:
            poll.register(number, select.EPOLLIN)
        found = []
        for _ in range(rounds):
            time.sleep(0.3)
            for number, _ in poll.poll(0):
                numbers[number].sock.recv(1 << 16)
            accepted = _by_smtp(server) if smtp else _by_append(server, mailbox)
            found.append(_wait(poll, numbers, accepted))
        poll.close()
    return News(
        statistics.median(one.one for one in found), statistics.median(one.all for one in found)
    )


def _wait(poll: select.epoll, clients: dict[int, Client], accepted: float) -> News:
    told: set[int] = set()
    first = 0.0
    deadline = time.perf_counter() + 60
    while len(told) < len(clients) and time.perf_counter() < deadline:
        for number, _ in poll.poll(1):
            if b"EXISTS" in clients[number].sock.recv(1 << 16):
                told.add(number)
                first = first or time.perf_counter()
    if len(told) < len(clients):
        return News(float("nan"), float("nan"))
    return News(max(first - accepted, 0), time.perf_counter() - accepted)


def _by_append(server: Server, mailbox: str) -> float:
    client = server.client()
    client.append(mailbox, MESSAGE)
    accepted = time.perf_counter()
    client.close()
    return accepted


def _by_smtp(server: Server) -> float:
    """The time at which the final `250` was read."""
    with socket.create_connection(("127.0.0.1", server.smtp_port), 60) as sock:
        file = sock.makefile("rb")

        def step(line: bytes) -> None:
            sock.sendall(line + b"\r\n")
            while file.readline()[3:4] == b"-":
                pass

        file.readline()
        step(b"EHLO client.test")
        step(b"MAIL FROM:<a@example.org>")
        step(b"RCPT TO:<%b>" % server.user.encode())
        step(b"DATA")
        step(MESSAGE + b".")
        return time.perf_counter()


def instances() -> int:
    """How many processes of one user may watch folders: beyond them, Dovecot polls."""
    path = Path("/proc/sys/fs/inotify/max_user_instances")
    return int(path.read_text()) if path.exists() else 128
