"""All rows for one size of mailbox, both servers turn by turn."""

import argparse
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from bench.imap import idle, mailboxes, pause
from bench.imap.client import Client
from bench.imap.report import Report
from bench.imap.rows import ROWS, SOME, Row
from bench.imap.servers import Server


class Run:
    """One size. The servers' accounts are filled, the servers do not run yet."""

    def __init__(
        self,
        servers: list[Server],
        source: Path,
        count: int,
        given: argparse.Namespace,
        wanted: set[str],
        report: Report,
    ) -> None:
        self._servers = servers
        self._source = source
        self._count = count
        self._given = given
        self._wanted = wanted
        self._report = report

    def all(self) -> None:
        """Every row that is wanted."""
        for server in self._servers:
            server.start()
        # What is asked for the first time ever, before any index is there.
        first = {server.name: [self._select(server)] for server in self._servers}
        if "open" in self._wanted:
            self._report.times(self._count, "select-first", "SELECT, the first time ever", first)
        clients = {server.name: server.selected() for server in self._servers}
        rows = [row for row in ROWS if row.key in self._wanted]
        if rows:
            self._wait_until_searchable()
        for row in rows:
            self._one(row, clients)
        for client in clients.values():
            client.close()
        if "arrivals" in self._wanted:
            self._arrivals()
        if "open" in self._wanted:
            self._cold()
        if "idle" in self._wanted:
            self._idle()
        if "pause" in self._wanted:
            self._pause()

    @staticmethod
    def _select(server: Server) -> float:
        client = server.client()
        took = client.time("SELECT INBOX")
        client.close()
        return took

    def _one(self, row: Row, clients: dict[str, Client]) -> None:
        first: dict[str, float] = {}
        times: dict[str, list[float]] = {}
        for server in self._servers:
            client = clients[server.name]
            if not row.needs or row.needs.encode() in client.ask("CAPABILITY").split():
                first[server.name] = row.run(server, client, self._count)
                times[server.name] = []
        for _ in range(self._given.rounds):
            for server in self._servers:
                if server.name in times:
                    took = row.run(server, clients[server.name], self._count)
                    times[server.name].append(took)
        if times:
            self._report.times(self._count, row.key, row.title, times, goal=row.goal, first=first)

    def _wait_until_searchable(self) -> None:
        """The full-text index covers INBOX (the mailbox with the most messages).

        What is done but once, in the background, is no part of any row.
        """
        began = time.perf_counter()
        for server in self._servers:
            if server.name != "mailsuite":
                continue
            while _covered(server.home / "fulltext.db") < self._count:
                time.sleep(0.2)
        self._report.note(f"waited {time.perf_counter() - began:.0f} s for the full-text index")

    def _arrivals(self) -> None:
        """SELECT and the first FETCH of a mailbox with much mail in new/."""
        times: dict[str, list[float]] = {server.name: [] for server in self._servers}
        some = min(SOME, self._count)
        for number in range(self._given.rounds):
            for server in self._servers:
                folder = server.maildir / f".arrivals{number}"
                mailboxes.fill(folder, self._source, count=some, new=True)
                server.adopt_folder(folder)
                client = server.client()
                took = client.time(f"SELECT arrivals{number}")
                times[server.name].append(took + client.time("FETCH 1:* (FLAGS)"))
                client.close()
        title = f"SELECT and FETCH of {some:,} in new/"
        self._report.times(self._count, "arrivals", title, times, goal=1.0)

    def _cold(self) -> None:
        """The server has just started; its index is on the disk."""
        times: dict[str, list[float]] = {server.name: [] for server in self._servers}
        for _ in range(self._given.rounds):
            for server in self._servers:
                server.stop()
                server.start()
                client = server.client()
                times[server.name].append(client.time("SELECT INBOX"))
                client.close()
        self._report.times(self._count, "select-cold", "SELECT, cold", times, goal=1.0)

    def _idle(self) -> None:
        limit = idle.instances() - 28
        for smtp in (False, True):
            found: dict[str, idle.News] = {}
            for server in self._servers:
                if smtp and not server.has_smtp:
                    continue
                # Beyond the kernel's limit Dovecot polls each 30 s: not what is to be measured.
                around = 1000 if server.name == "mailsuite" else min(1000, limit)
                found[server.name] = idle.news(server, around, "INBOX", 7, smtp=smtp)
            by = "SMTP's 250" if smtp else "APPEND's OK"
            for kind in ("one", "all"):
                which = "one session" if kind == "one" else "all sessions"
                values = {name: getattr(news, kind) for name, news in found.items()}
                key = f"news-{'smtp' if smtp else 'append'}-{kind}"
                title = f"{by} to EXISTS, {which}"
                self._report.values(self._count, key, title, values, scale=1000, unit="ms")
        for count in self._given.idle:
            per = {}
            for server in self._servers:
                # Of Dovecot some hundred tell enough: each is a process.
                some = count if server.name == "mailsuite" else min(count, 300)
                server.stop()
                server.start()
                per[server.name] = idle.memory(server, some, "INBOX")
            title = f"memory of each of {count:,} in IDLE"
            self._report.values(
                self._count, f"memory-{count}", title, per, scale=1e-3, unit="kB", limit=40
            )

    def _pause(self) -> None:
        for title, command in pause.WORK.items():
            for server in self._servers[:1]:
                longest = min(
                    (
                        pause.longest(server, command, self._count)
                        for _ in range(self._given.rounds)
                    ),
                )
                self._report.values(
                    self._count,
                    f"pause-{title.replace(' ', '-').lower()}",
                    f"longest pause: {title}",
                    {server.name: longest[0]},
                    scale=1000,
                    unit="ms",
                    limit=50,
                )


def _covered(path: Path) -> int:
    """Up to which UID the full-text index covers the mailbox with the most mail."""
    with suppress(sqlite3.Error):
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        with closing(db):
            return db.execute("SELECT max(last) FROM covered").fetchone()[0] or 0
    return 0
