"""Many mailboxes, beside Dovecot in the same run: CREATE, LIST, STATUS, RENAME.

    python bench/mailboxes.py [--mailboxes 10000] [--rounds 3] [--json FILE]

Each server gets an account of its own, makes the mailboxes (fifty levels, the others below them)
and is asked for them; a restart lies before the rows "cold". Prints milliseconds of both and the
ratio. mailsuite makes each mailbox durable before it answers; Dovecot does not. Figures drift with
the machine; the ratios count.
"""

import argparse
import contextlib
import imaplib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import peer_dovecot

USER, PASSWORD = "bob@example.test", "secret"
LEVELS = 50
PIPELINED = 100
Connect = Callable[[], contextlib.AbstractContextManager[imaplib.IMAP4]]


def names(count: int) -> list[str]:
    """Where the mailboxes lie."""
    return [f"Level{number % LEVELS}/Box{number}" for number in range(count)]


def pipelined(client: imaplib.IMAP4, commands: list[str]) -> None:
    """Many commands in one go; each must succeed."""
    for start in range(0, len(commands), PIPELINED):
        some = commands[start : start + PIPELINED]
        client.send("".join(f"P{n} {line}\r\n" for n, line in enumerate(some)).encode())
        left = len(some)
        while left:
            line = client.readline()
            if line[:1] == b"P":
                assert b" OK" in line, line
                left -= 1


def timed(client: imaplib.IMAP4, commands: list[str]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    pipelined(client, commands)
    return (time.perf_counter() - began) * 1000


def measure(connect: Connect, restart: Connect, count: int, rounds: int) -> dict[str, float]:
    """Milliseconds by row."""
    every = names(count)
    found: dict[str, float] = {}
    with connect() as client:
        found[f"CREATE {count}"] = timed(client, [f'CREATE "{name}"' for name in every])
    rows = {
        "LIST *": ['LIST "" *'],
        "LIST %": ['LIST "" %'],
        "200 STATUS": [f'STATUS "{name}" (MESSAGES UNSEEN)' for name in every[:200]],
        "LIST-STATUS of one level": ['LIST "" Level1/* RETURN (STATUS (MESSAGES UNSEEN))'],
        "LIST-STATUS of all": ['LIST "" * RETURN (STATUS (MESSAGES UNSEEN))'],
    }
    with connect() as client:
        for commands in rows.values():
            pipelined(client, commands)
        for row, commands in rows.items():
            found[row] = statistics.median(timed(client, commands) for _ in range(rounds))
    with restart() as client:
        for row, commands in rows.items():
            found[f"{row}, cold"] = timed(client, commands)
        found["RENAME of a level"] = timed(client, ["RENAME Level2 Moved"])
    return found


# -- the two servers -------------------------------------------------------------------------------


@contextlib.contextmanager
def mailsuite(folder: Path) -> Iterator[int]:
    """`mailsuite dev` on `folder`; gives the port of IMAP."""
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "mailsuite", "dev", "--data", str(folder / "data")]
    command += ["--ready-file", str(ready), "--ports", "auto", f"--user={USER}:{PASSWORD}"]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while not ready.exists():
            time.sleep(0.02)
        rows = json.loads(ready.read_text())["listeners"]
        yield next(int(row["port"]) for row in rows if row["name"] == "imap")
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def signed_in(port: int, user: str) -> Iterator[imaplib.IMAP4]:
    """A client."""
    with imaplib.IMAP4("127.0.0.1", port) as client:
        client.login(user, PASSWORD)
        yield client


def of_mailsuite(folder: Path, count: int, rounds: int) -> dict[str, float]:
    """Measure mailsuite."""
    with contextlib.ExitStack() as first:
        port = first.enter_context(mailsuite(folder))

        @contextlib.contextmanager
        def restart() -> Iterator[imaplib.IMAP4]:
            first.close()
            with mailsuite(folder) as again, signed_in(again, USER) as client:
                yield client

        return measure(lambda: signed_in(port, USER), restart, count, rounds)


def of_dovecot(folder: Path, count: int, rounds: int) -> dict[str, float]:
    """Measure Dovecot."""
    home = folder / "home"
    home.mkdir()
    with contextlib.ExitStack() as first:
        port = first.enter_context(peer_dovecot.dovecot(folder / "dovecot", home))

        @contextlib.contextmanager
        def restart() -> Iterator[imaplib.IMAP4]:
            first.close()
            with (
                peer_dovecot.dovecot(folder / "dovecot2", home) as again,
                signed_in(again, peer_dovecot.USER) as client,
            ):
                yield client

        user = peer_dovecot.USER
        return measure(lambda: signed_in(port, user), restart, count, rounds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--mailboxes", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-mailboxes-"))
    try:
        (folder / "ours").mkdir()
        (folder / "theirs").mkdir()
        ours = of_mailsuite(folder / "ours", chosen.mailboxes, chosen.rounds)
        theirs = {}
        if peer_dovecot.available():
            theirs = of_dovecot(folder / "theirs", chosen.mailboxes, chosen.rounds)
    finally:
        shutil.rmtree(folder)
    print(f"{'milliseconds':32}{'mailsuite':>12}{'Dovecot':>12}{'ratio':>8}")
    for row, mine in ours.items():
        peer = theirs.get(row)
        tail = f"{peer:12.1f}{mine / peer:8.2f}" if peer else ""
        print(f"{row:32}{mine:12.1f}{tail}")
    if chosen.json:
        chosen.json.write_text(json.dumps({"mailsuite": ours, "dovecot": theirs}, indent=1))


if __name__ == "__main__":
    main()
