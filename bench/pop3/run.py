"""All rows, both servers turn by turn; then what only ours is asked: pauses and memory."""

import multiprocessing
import time
from multiprocessing.synchronize import Event as Signal

from bench.imap.report import Report
from bench.pop3.client import Client
from bench.pop3.rows import ROWS, SOME, Row
from bench.pop3.servers import Server, accounts, signed_in

GROUPS = ("first", "cold", "pause", "memory")
LARGE = 50_000_000
SETTLE = 0.3  # seconds until the processes of ended sessions are counted
MANY = 20_000
WORK = {
    "nothing": None,
    "sign-in": "",
    "UIDL of all": "UIDL",
    "LIST of all": "LIST",
    "RETR of many": "RETR",
    "QUIT of 20,000 deletions": "DELE",
}


class Run:
    """The servers' accounts are filled, the servers do not run yet."""

    def __init__(
        self,
        servers: list[Server],
        count: int,
        rounds: int,
        wanted: set[str],
        report: Report,
        *,
        processor: bool = False,
    ) -> None:
        """`processor`: processor time is told beside each row's time."""
        self._servers = servers
        self._count = count
        self._rounds = rounds
        self._wanted = wanted
        self._report = report
        self._processor = processor

    def all(self) -> None:
        """Every row that is wanted."""
        for server in self._servers:
            server.start()
        first = {server.name: [_sign_in(server)] for server in self._servers}
        if "first" in self._wanted:
            title = "STAT after sign-in, the first time ever"
            self._report.times(self._count, "stat-first", title, first)
        for server in self._servers:
            for name in accounts():  # their indexes are filled too, before anything is timed
                _sign_in(server, name)
        self._wait_for_facets()
        for row in ROWS:
            if row.key in self._wanted:
                self._one(row)
        if "cold" in self._wanted:
            self._cold()
        if "pause" in self._wanted:
            self._pause()
        if "memory" in self._wanted:
            self._memory()

    def _wait_for_facets(self) -> None:
        """Until the background work that the new mail gave rise to has ended."""
        began = time.perf_counter()
        for server in self._servers:
            while _busy(server) > 0.05:
                time.sleep(0.5)
        self._report.note(f"waited {time.perf_counter() - began:.0f} s for background work")

    def _one(self, row: Row) -> None:
        first = {server.name: row.run(server, self._count) for server in self._servers}
        times: dict[str, list[float]] = {server.name: [] for server in self._servers}
        used = dict.fromkeys(times, 0.0)
        for _ in range(self._rounds):
            for server in self._servers:
                before = server.processor()
                times[server.name].append(row.run(server, self._count))
                if self._processor:
                    time.sleep(SETTLE)
                used[server.name] += server.processor() - before
        self._report.times(self._count, row.key, row.title, times, goal=row.goal, first=first)
        if self._processor:
            mean = {name: total / self._rounds for name, total in used.items()}
            key, title = f"{row.key}-processor", "  processor time, mean"
            self._report.values(self._count, key, title, mean, scale=1000, unit="ms")

    def _cold(self) -> None:
        """The server has just started and served one client of another account.

        The index is on the disk; the password is checked anew (with us, argon2id).
        """
        times: dict[str, list[float]] = {server.name: [] for server in self._servers}
        for _ in range(self._rounds):
            for server in self._servers:
                server.stop()
                server.start()
                _sign_in(server, "user0")
                times[server.name].append(_sign_in(server))
        title = "STAT after sign-in, cold"
        self._report.times(self._count, "stat-cold", title, times, goal=1.0)

    def _pause(self) -> None:
        for title, command in WORK.items():
            server = self._servers[0]
            rounds = 1 if command == "DELE" else self._rounds
            longest = min(_longest(server, command, self._count) for _ in range(rounds))
            self._report.values(
                self._count,
                f"pause-{title.replace(' ', '-').lower()}",
                f"longest pause: {title}",
                {server.name: longest},
                scale=1000,
                unit="ms",
                limit=50,
            )

    def _memory(self) -> None:
        """What the server grows by while large messages are sent to five clients."""
        found = {}
        message = b"Subject: large\r\n\r\n" + b".0123456789" * 80 + b"\r\n.\r\n"
        message += b"x" * 76 + b"\r\n" + (b"." * 70 + b"\r\n") * (LARGE // 72)
        for server in self._servers[:1]:
            names = [f"user{number}" for number in range(5)]
            for name in names:
                path = server.maildir_of(name) / "cur" / "9999999999.M1P1.bench:2,S"
                path.write_bytes(message)
            for _ in range(2):  # what the first round makes the server load belongs to no message
                found[server.name] = _grown(server, names)
        self._report.values(
            self._count,
            "memory",
            "memory of RETR of 50 MB, slow client",
            found,
            scale=1e-3,
            unit="kB",
            limit=2000,
        )


def _grown(server: Server, names: list[str]) -> float:
    """Octets for each session that has asked for its last message and does not read it."""
    clients = [signed_in(server, name) for name in names]
    before = server.memory()
    for client in clients:
        last = client.ask("STAT").split()[1].decode()
        client.sock.sendall(f"RETR {last}\r\n".encode())
    time.sleep(1)
    grown = server.memory() - before
    for client in clients:
        client.sock.close()
    time.sleep(0.5)
    return grown / len(clients)


def _sign_in(server: Server, name: str = "bob") -> float:
    client = server.pop3()
    took = client.sign_in(server.address(name), server.password)
    client.quit()
    return took


def _busy(server: Server) -> float:
    """Processor time, in seconds, that the first process used in the last half second."""
    before = _ticks(server.pid)
    time.sleep(0.5)
    return (_ticks(server.pid) - before) / 100


def _ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _work(
    port: int, user: str, password: str, command: str | None, count: int, go: Signal, end: Signal
) -> None:
    go.set()
    try:
        if command is None:
            time.sleep(2)
            return
        client = Client(port)
        client.sign_in(user, password)
        if command == "RETR":
            client.together([f"RETR {number}" for number in range(1, SOME + 1)])
        elif command == "DELE":
            for first in range(1, min(count, MANY) + 1, 1000):
                client.all_ok([f"DELE {number}" for number in range(first, first + 1000)])
        elif command:
            client.all_of(command)
        client.quit()
    finally:
        end.set()


def _longest(server: Server, command: str | None, count: int) -> float:
    """The longest round trip of NOOP, in seconds, while `command` runs in another session."""
    context = multiprocessing.get_context("spawn")
    go, end = context.Event(), context.Event()
    client = signed_in(server, "user0")
    work = context.Process(
        target=_work,
        args=(server.pop3_port, server.address("bob"), server.password, command, count, go, end),
    )
    work.start()
    go.wait()
    longest = 0.0
    while not end.is_set():
        began = time.perf_counter()
        client.ask("NOOP")
        longest = max(longest, time.perf_counter() - began)
        time.sleep(0.001)
    work.join()
    client.quit()
    return longest
