"""IMAP beside Dovecot over the same messages, in the same run, turn by turn.

    python -m bench.imap [--sizes 1000 50000] [--rounds 3] [--rows flags,store] [--json FILE]

Builds mailboxes of made-up mail (kept in --cache for the next run), serves the same files with
`mailsuite dev` and, where it is installed (Debian's dovecot-imapd; needs root), with Dovecot, runs
every row against both, and prints the best and the median time of both and the ratio of the best.
Besides the rows of one command each there are the groups `open` (first and cold SELECT), `idle`
(memory, news) and `pause`. Figures drift with the machine; the ratios count.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from bench import peer_dovecot
from bench.imap import mailboxes
from bench.imap.report import Report
from bench.imap.rows import MANY_MAILBOXES, ROWS
from bench.imap.run import Run
from bench.imap.servers import Dovecot, Mailsuite, Server

GROUPS = ("open", "arrivals", "idle", "pause")


def build(server: Server, source: Path, count: int) -> None:
    """Link the mail into the server's account."""
    mailboxes.fill(server.maildir, source)
    for number in range(MANY_MAILBOXES):
        folder = server.maildir / f".many{number}"
        mailboxes.fill(folder, source, first=number, count=20)
    server.adopt()


def measure(count: int, given: argparse.Namespace, wanted: set[str], report: Report) -> None:
    """All rows for one size."""
    began = time.perf_counter()
    source = mailboxes.cached(given.cache, count)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=given.cache))
    folder.chmod(0o755)
    try:
        servers: list[Server] = [Mailsuite(folder / "mailsuite")]
        if peer_dovecot.available() and not given.alone:
            servers.append(Dovecot(folder / "dovecot"))
        for server in servers:
            build(server, source, count)
        report.note(f"{count:,} messages, built in {time.perf_counter() - began:.0f} s")
        run = Run(servers, source, count, given, wanted, report)
        try:
            run.all()
        finally:
            for server in servers:
                server.stop()
    finally:
        if given.keep:
            report.note(f"kept: {folder}")
        else:
            mailboxes.remove(folder)


def main() -> None:
    """Run from the command line."""
    keys = [row.key for row in ROWS]
    parser = argparse.ArgumentParser(
        prog="python -m bench.imap",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"rows: {' '.join(keys)}; groups: {' '.join(GROUPS)}",
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 50_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", help="only these rows and groups, with commas between")
    parser.add_argument("--idle", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--alone", action="store_true", help="without Dovecot")
    parser.add_argument("--keep", action="store_true", help="leave the servers' folders there")
    parser.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir()) / "mailsuite-bench-imap"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    wanted = set(given.rows.split(",")) if given.rows else {*keys, *GROUPS}
    if unknown := wanted.difference(keys, GROUPS):
        parser.error(f"no such rows: {' '.join(sorted(unknown))}")
    report = Report()
    for count in given.sizes:
        measure(count, given, wanted, report)
    if given.json:
        given.json.write_text(json.dumps(report.rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
