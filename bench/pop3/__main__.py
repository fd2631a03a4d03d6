"""POP3 beside Dovecot over the same messages, in the same run, turn by turn.

    python -m bench.pop3 [--size 100000] [--rounds 3] [--rows stat-warm,uidl] [--processor]

Builds a maildrop of made-up mail (kept in --cache for the next run) and 20 small ones, serves the
same files with `mailsuite dev` and, where it is installed (Debian's dovecot-pop3d; needs root),
with Dovecot, runs every row against both, and prints the best time of both and its ratio. The group
`pause` tells how long another session waits meanwhile, `memory` what sending large messages costs.
Figures drift with the machine; the ratios count.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from bench import peer_dovecot
from bench.imap import mailboxes
from bench.imap.report import Report
from bench.pop3.rows import ROWS, SMALL, STEP
from bench.pop3.run import GROUPS, Run
from bench.pop3.servers import Dovecot, Mailsuite, Server, accounts


def build(server: Server, source: Path) -> None:
    """Link the mail into the server's accounts."""
    large, *small = accounts()
    mailboxes.fill(server.maildir_of(large), source)
    for number, name in enumerate(small):
        mailboxes.fill(server.maildir_of(name), source, first=number * STEP, count=SMALL)
    server.adopt()


def main() -> None:
    """Run from the command line."""
    keys = [row.key for row in ROWS]
    parser = argparse.ArgumentParser(
        prog="python -m bench.pop3",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"rows: {' '.join(keys)}; groups: {' '.join(GROUPS)}",
    )
    parser.add_argument("--size", type=int, default=100_000, help="2000 at the least")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", help="only these rows and groups, with commas between")
    parser.add_argument(
        "--processor",
        action="store_true",
        help="the servers' processor time as well, a round's mean",
    )
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
    began = time.perf_counter()
    source = mailboxes.cached(given.cache, given.size)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=given.cache))
    folder.chmod(0o755)
    servers: list[Server] = [Mailsuite(folder / "mailsuite")]
    if peer_dovecot.available() and not given.alone:
        servers.append(Dovecot(folder / "dovecot"))
    try:
        for server in servers:
            build(server, source)
        report.note(f"{given.size:,} messages, built in {time.perf_counter() - began:.0f} s")
        try:
            run = Run(servers, given.size, given.rounds, wanted, report, processor=given.processor)
            run.all()
        finally:
            for server in servers:
                server.stop()
    finally:
        if given.keep:
            report.note(f"kept: {folder}")
        else:
            mailboxes.remove(folder)
    if given.json:
        given.json.write_text(json.dumps(report.rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
