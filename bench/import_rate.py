"""How fast, and in how much memory, a mailbox of Dovecot's comes over by `mailsuite import`.

    python -m bench.import_rate [--messages 200000] [--folders 3] [--connections 3]

Dovecot (Debian's dovecot-imapd, root) serves a Maildir made up by `bench.imap.mail` over loopback;
the import runs without a server. Tells messages a second, and the greatest resident memory of the
importing process; then the same for a second run, which finds nothing new. With --maildir the same
Maildir is imported as files.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import peer_dovecot
from bench.imap.mail import Writer

ACCOUNT = "bob@example.test"


def fill(maildir: Path, count: int, folders: int) -> int:
    """Write the messages as files, spread over folders; their octets."""
    places = [maildir] + [maildir / f".Folder{number}" for number in range(1, folders)]
    for place in places:
        for name in ("cur", "new", "tmp"):
            (place / name).mkdir(parents=True, exist_ok=True)
    total = 0
    for number, message in enumerate(Writer(count).messages()):
        octets = message.octets
        size = len(octets)
        name = f"{message.time}.M{number}P1.bench,S={size},W={size}:2,{message.flags}"
        path = places[number % folders] / "cur" / name
        path.write_bytes(octets)
        os.utime(path, (message.time, message.time))
        total += size
    return total


def run(data: Path, source: list[str], password: str) -> dict[str, Any]:
    """One import in a process of its own: what it told, its seconds, its memory in MB."""
    command = [sys.executable, "-m", "mailsuite", "import", ACCOUNT, *source]
    command += ["--data", str(data), "--json"]
    began = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, input=password.encode(), capture_output=True, check=False)
    seconds = time.monotonic() - began
    if done.returncode:
        raise SystemExit(done.stderr.decode())
    told: dict[str, Any] = json.loads(done.stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return told | {"seconds": seconds, "processor": processor}


def main() -> None:
    """Make the mailbox, bring it over twice, tell."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=200_000)
    options.add_argument("--folders", type=int, default=3)
    options.add_argument("--connections", type=int, default=3)
    options.add_argument("--maildir", action="store_true", help="import the files, not over IMAP")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="import-") as name:
        measure(Path(name), chosen)


def measure(folder: Path, chosen: argparse.Namespace) -> None:
    """See the module."""
    folder.chmod(0o755)
    home, data = folder / "home", folder / "data"
    octets = fill(home / "Maildir", chosen.messages, chosen.folders)
    print(f"{chosen.messages} messages, {octets / 1e6:.0f} MB, {chosen.folders} folders")
    data.mkdir()
    for words in (["domain", "add", "example.test"], ["user", "add", ACCOUNT, "--password-stdin"]):
        command = [sys.executable, "-m", "mailsuite", *words, "--data", str(data)]
        subprocess.run(command, input=b"secret\n", check=True, capture_output=True)
    with peer_dovecot.dovecot(folder / "dovecot", home) as port:
        source = [f"imap://{peer_dovecot.USER}@127.0.0.1:{port}", "--tls", "none"]
        source += ["--password-stdin", "--connections", str(chosen.connections)]
        if chosen.maildir:
            source = ["maildir", str(home / "Maildir")]
        for title in ("first run", "second run"):
            told = run(data, source, peer_dovecot.PASSWORD)
            for note in told["notes"]:
                print(f"  {note}")
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            count = told["new"] or told["known"]
            print(
                f"{title}: {told['new']} new, {told['known']} known in {told['seconds']:.1f} s:"
                f" {count / told['seconds']:.0f} messages/s,"
                f" processor {told['processor']:.1f} s, peak memory so far {peak:.0f} MB"
            )


if __name__ == "__main__":
    main()
