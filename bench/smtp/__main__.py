"""SMTP beside Postfix: accept, deliver durably, send on; in the same run, turn by turn.

    python -m bench.smtp [--rounds 5] [--rows new,reuse] [--full 10000] [--deep 1000] [--json FILE]

Starts `mailsuite serve` of this working copy and, where it is installed (Debian's postfix; needs
root), a Postfix of its own, each in a temporary folder, and drives both with Postfix's own test
programs smtp-source and smtp-sink. The clock stops when the last message is in its Maildir (or has
been taken by smtp-sink). Prints the median rate of both, the median of the rounds' ratios, and the
CPU that all processes of a server used for a message: until the last one was delivered, and later
(what is done in the background, such as the full-text index). Between two rounds a server is left
in peace until it has nothing more to do. Figures drift with the machine; the ratios count.

--full: rows with a mailbox that has so many messages before. --deep: rows with so many messages
that wait in the queue for a host that is not there, and how fast they go out when it is back.
"""

import argparse
import contextlib
import json
import sys
import tempfile
from pathlib import Path

from bench import peer_postfix
from bench.imap import mailboxes
from bench.smtp import rows
from bench.smtp.report import Report
from bench.smtp.rows import ROWS, Row, Took
from bench.smtp.servers import Mailsuite, Postfix, Server

WARM_UP = 10


def say(text: str) -> None:
    """What is going on."""
    print(text, file=sys.stderr, flush=True)


def measure(row: Row, servers: list[Server], given: argparse.Namespace, report: Report) -> None:
    """All rounds of one row, turn by turn."""
    count = max(1, round(row.messages * given.scale))
    if row.before is not None:
        for server in servers:
            say(f"{row.title}: {server.name} is made ready")
            row.before(server, given.cache)
    found: dict[str, list[Took]] = {server.name: [] for server in servers}
    for server in servers:
        row.run(server, max(1, count // WARM_UP))
    for number in range(given.rounds):
        for server in servers if number % 2 == 0 else reversed(servers):
            took = row.run(server, count)
            found[server.name].append(took)
            rate = took.messages / took.seconds
            cost = took.cpu / took.messages * 1e6
            say(f"{row.title}: {server.name} {rate:.1f}/s, {cost:.0f} µs of CPU")
    report.row(row.key, row.title, found, row.goal)


def depth(count: int, servers: list[Server], given: argparse.Namespace, report: Report) -> None:
    """Mail waits in the queue; more comes; then all of it goes out."""
    waiting = {server.name: [rows.wait_in_queue(server, count)] for server in servers}
    report.row(f"wait-{count}", f"{count:,} for a host that is away", waiting)
    measure(rows.deep(count), servers, given, report)
    gone = {server.name: [rows.drain(server, count)] for server in servers}
    report.row(f"drain-{count}", f"{count:,} go out when it is back", gone)


def run(folder: Path, chosen: list[Row], given: argparse.Namespace, report: Report) -> None:
    """Everything that is wanted."""
    chosen = chosen + [rows.full(count) for count in given.full]
    users = [rows.SENDER, *rows.everyone]
    users += [user for row in (*chosen, *map(rows.deep, given.deep)) for user in row.users]
    servers: list[Server] = [Mailsuite(folder / "mailsuite", users)]
    if peer_postfix.available() and not given.alone:
        servers.append(Postfix(folder / "postfix", users))
    with contextlib.ExitStack() as started:
        for server in servers:
            server.start()
            started.callback(server.stop)
        for row in chosen:
            measure(row, servers, given, report)
        for count in given.deep:
            depth(count, servers, given, report)


def main() -> None:
    """Run from the command line."""
    keys = [row.key for row in ROWS]
    parser = argparse.ArgumentParser(
        prog="python -m bench.smtp",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"rows: {' '.join(keys)}",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", help="only these rows, with commas between; none: ''")
    parser.add_argument("--scale", type=float, default=1.0, help="times the messages of a round")
    parser.add_argument("--full", type=int, nargs="+", default=[])
    parser.add_argument("--deep", type=int, nargs="+", default=[])
    parser.add_argument("--alone", action="store_true", help="without Postfix")
    parser.add_argument("--keep", action="store_true", help="leave the servers' folders there")
    parser.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir()) / "mailsuite-bench-imap"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    wanted = [key for key in (keys if given.rows is None else given.rows.split(",")) if key]
    if unknown := set(wanted).difference(keys):
        parser.error(f"no such rows: {' '.join(sorted(unknown))}")
    report = Report()
    folder = Path(tempfile.mkdtemp(prefix="mailsuite-bench-smtp-"))
    folder.chmod(0o755)
    try:
        run(folder, [row for row in ROWS if row.key in wanted], given, report)
    finally:
        if given.keep:
            say(f"kept: {folder}")
        else:
            mailboxes.remove(folder)
    if given.json:
        given.json.write_text(json.dumps(report.rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
