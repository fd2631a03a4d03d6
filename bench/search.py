"""SEARCH on large mailboxes, beside Dovecot over the same messages in the same run.

    python bench/search.py [--messages 1000 50000] [--rounds 3] [--json FILE]

Builds a Maildir (mail of about 4 kB, some of it in base64 or quoted-printable, headers as they are
seen in the wild), serves it with mailsuite and, where it is installed, with Dovecot, and times
searches from the command's line to its tagged answer. Prints milliseconds of both and the ratio;
besides, how long the full-text index took to fill, what it takes on the disk, and how long searches
take without it. Figures drift with the machine; the ratios count.
"""

import argparse
import base64
import contextlib
import imaplib
import itertools
import json
import os
import quopri
import random
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import peer_dovecot

imaplib._MAXLINE = 1 << 26  # a SEARCH of everything is one line
USER, PASSWORD = "bob@example.test", "secret"
SYLLABLES = re.findall("..", "bacedifoguhajekilomunapequrosutavewixoyuzach")
RARE, SOME, OFTEN, EVERY = "xylophonist", "qwertzuiop", "jabberwocky", "undersigned"
"""Words of 5 messages, of 1 in 100, of 1 in 10, of all; what is left out occurs in none."""
SEARCHES = {
    "TEXT, in none": "TEXT heliotropic",
    "BODY, in none": "BODY heliotropic",
    "BODY, in 5": f"BODY {RARE}",
    "TEXT, in 5": f"TEXT {RARE}",
    "BODY, in 1 of 100": f"BODY {SOME}",
    "BODY, in 1 of 10": f"BODY {OFTEN}",
    "BODY, in all": f"BODY {EVERY}",
    "BODY, 2 letters": 'BODY "qx"',
    "BODY, 2 letters, in all": "BODY lo",
    "TEXT two words": f"TEXT {SOME} TEXT {OFTEN}",
    "SUBJECT, in 5": f"SUBJECT {RARE}",
    "FROM, in 1 of 100": "FROM writer7@",
    "UNSEEN": "UNSEEN",
    "UNSEEN UNDELETED": "UNSEEN UNDELETED",
    "UNDELETED TEXT, in 5": f"UNDELETED TEXT {RARE}",
    "ALL": "ALL",
    "LARGER": "LARGER 5000",
    "SINCE": "SINCE 1-Nov-2026",
}


def vocabulary(rng: random.Random) -> tuple[list[str], list[float]]:
    """Words, and how often they are, in running sums (Zipf)."""
    words = {
        "".join(rng.choices(SYLLABLES, k=rng.choice((1, 2, 2, 3, 3, 4)))) for _ in range(30_000)
    }
    ordered = sorted(words)
    rng.shuffle(ordered)
    return ordered, list(itertools.accumulate(1 / (rank + 10) for rank in range(len(ordered))))


def messages(count: int) -> Iterator[bytes]:
    """The mailbox."""
    rng = random.Random(count)
    words, sums = vocabulary(rng)
    rare = set(rng.sample(range(count), 5))
    for number in range(count):
        text = rng.choices(words, cum_weights=sums, k=rng.randint(100, 900))
        text.insert(rng.randrange(len(text)), EVERY)
        if number in rare:
            text.insert(rng.randrange(len(text)), RARE)
        if number % 100 == 7:
            text.insert(rng.randrange(len(text)), SOME)
        if number % 10 == 3:
            text.insert(rng.randrange(len(text)), OFTEN)
        lines = [" ".join(text[at : at + 11]) for at in range(0, len(text), 11)]
        body = "\r\n".join([*lines, ""]).encode()
        subject = " ".join([*rng.choices(words, cum_weights=sums, k=5), *[RARE] * (number in rare)])
        yield _head(rng, number, subject) + _encoded(rng, body)


def _head(rng: random.Random, number: int, subject: str) -> bytes:
    token = rng.randbytes(96)
    return (
        f"Return-Path: <writer{number % 100}@example.org>\r\n"
        f"Received: from mx.example.org (mx.example.org [192.0.2.{number % 250}])\r\n"
        f"\tby mail.example.test with ESMTPS id {token[:8].hex()}\r\n"
        "\tfor <bob@example.test>; Mon, 23 Nov 2026 09:00:00 +0000\r\n"
        "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=mail; h=from:to:subject;\r\n"
        f"\tb={base64.b64encode(token).decode()}\r\n"
        f"Date: Mon, 23 Nov 2026 09:{number % 60:02}:00 +0000\r\n"
        f"From: Writer {number % 100} <writer{number % 100}@example.org>\r\n"
        "To: Bob <bob@example.test>\r\n"
        f"Subject: {subject}\r\n"
        f"Message-ID: <{number}.{token[8:16].hex()}@example.org>\r\n"
        "MIME-Version: 1.0\r\n"
    ).encode()


def _encoded(rng: random.Random, body: bytes) -> bytes:
    match rng.choices(("7bit", "base64", "quoted-printable", "alternative"), (6, 1, 1, 2))[0]:
        case "base64":
            body, encoding = base64.encodebytes(body).replace(b"\n", b"\r\n"), b"base64"
        case "quoted-printable":
            body, encoding = quopri.encodestring(body), b"quoted-printable"
        case "alternative":
            part = b"--b\r\nContent-Type: text/%b; charset=utf-8\r\n\r\n%b\r\n"
            half = body[: len(body) // 2]
            return (
                b"Content-Type: multipart/alternative; boundary=b\r\n\r\n"
                + part % (b"plain", half)
                + part % (b"html", b"<p>" + body + b"</p>")
                + b"--b--\r\n"
            )
        case _:
            encoding = b"7bit"
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n"
    return head % encoding + body


def build(folder: Path, count: int) -> tuple[Path, Path, int]:
    """Two homes with the same messages in their Maildirs (as links), and the octets of them."""
    homes = folder / "mail" / "example.test" / "bob", folder / "dovecot-home"
    for home in homes:
        for name in ("cur", "new", "tmp"):
            (home / "Maildir" / name).mkdir(parents=True)
    octets = 0
    for number, data in enumerate(messages(count)):
        flags = "S" if number % 4 else ""
        name = f"{1795424400 + number}.M{number}P1.bench:2,{flags}"
        path = homes[0] / "Maildir" / "cur" / name
        path.write_bytes(data)
        os.utime(path, (1795424400 - number * 60,) * 2)
        os.link(path, homes[1] / "Maildir" / "cur" / name)
        octets += len(data)
    return *homes, octets


@contextlib.contextmanager
def mailsuite(folder: Path) -> Iterator[int]:
    """Serve the data folder; gives the port of IMAP."""
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "mailsuite", "dev", "--data", str(folder), "--ports", "auto"]
    command += ["--user", f"{USER}:{PASSWORD}", "--ready-file", str(ready)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not ready.exists():
            time.sleep(0.05)
        listeners = json.loads(ready.read_text())["listeners"]
        yield next(row["port"] for row in listeners if row["name"] == "imap")
    finally:
        process.terminate()
        process.wait(60)
        ready.unlink(missing_ok=True)


def selected(port: int, user: str) -> imaplib.IMAP4:
    """A session on INBOX."""
    client = imaplib.IMAP4("127.0.0.1", port, timeout=3600)
    client.login(user, PASSWORD)
    client.select()
    return client


def timed(client: imaplib.IMAP4, program: str, rounds: int) -> tuple[float, int]:
    """(median milliseconds, number of results)."""
    times, found = [], 0
    for _ in range(rounds):
        began = time.perf_counter()
        kind, data = client.search(None, program)
        times.append((time.perf_counter() - began) * 1000)
        if kind != "OK":
            raise SystemExit(f"{program}: {data!r}")
        found = len(data[0].split())
    return statistics.median(times), found


@contextlib.contextmanager
def other_session(port: int) -> Iterator[list[float]]:
    """Beside the block, another session sends NOOP all the time; how many ms each took."""
    waits: list[float] = []
    client = imaplib.IMAP4("127.0.0.1", port, timeout=3600)
    client.login(USER, PASSWORD)
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(0.002):
            began = time.perf_counter()
            client.noop()
            waits.append((time.perf_counter() - began) * 1000)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield waits
    finally:
        ended.set()
        thread.join()
        client.logout()


def wait_until_filled(home: Path, count: int) -> float:
    """Seconds until the full-text index covers so many messages."""
    began = time.perf_counter()
    covered = 0
    while covered < count:
        time.sleep(0.2)
        with contextlib.suppress(sqlite3.Error):
            db = sqlite3.connect(f"file:{home}/fulltext.db?mode=ro", uri=True)
            with contextlib.closing(db):
                covered = db.execute("SELECT max(last) FROM covered").fetchone()[0] or 0
    return time.perf_counter() - began


def run(count: int, rounds: int) -> dict[str, object]:
    """Measure one size of mailbox."""
    folder = Path(tempfile.mkdtemp(prefix="bench-search-"))
    try:
        home, dovecot_home, octets = build(folder, count)
        result: dict[str, object] = {"messages": count, "octets": octets}
        with mailsuite(folder) as port:
            client = selected(port, USER)
            result["without index, TEXT in none, ms"] = timed(client, "TEXT heliotropic", 1)[0]
            with other_session(port) as waits:
                result["fill, s"] = wait_until_filled(home, count)
            result["another session meanwhile waits at most, ms"] = max(waits)
            ours = {name: timed(client, program, rounds) for name, program in SEARCHES.items()}
            with other_session(port) as waits:
                for program in SEARCHES.values():
                    timed(client, program, 1)
            result["during searches, ms"] = max(waits)
            client.logout()
        size = sum(path.stat().st_size for path in home.glob("fulltext.db*"))
        result["disk, share of the messages"] = size / octets
        theirs = dict.fromkeys(SEARCHES, (float("nan"), -1))
        if peer_dovecot.available():
            with peer_dovecot.dovecot(folder / "dovecot", dovecot_home) as port:
                client = selected(port, peer_dovecot.USER)
                theirs = {name: timed(client, each, rounds) for name, each in SEARCHES.items()}
                client.logout()
        result["searches"] = {
            name: {
                "mailsuite, ms": ours[name][0],
                "dovecot, ms": theirs[name][0],
                "ratio": ours[name][0] / theirs[name][0],
                "found": ours[name][1],
                "dovecot found": theirs[name][1],
            }
            for name in SEARCHES
        }
        return result
    finally:
        shutil.rmtree(folder)


def show(result: dict[str, object], write: Callable[[str], object] = print) -> None:
    """As a table."""
    rows = result.pop("searches")
    write("  ".join(f"{name}: {value:,.3g}" for name, value in result.items()))  # type: ignore[str-bytes-safe]
    write(f"{'':24}{'mailsuite':>12}{'dovecot':>12}{'ratio':>9}{'found':>9}")
    for name, row in rows.items():  # type: ignore[attr-defined]
        found = f"{row['found']:9}" + ("" if row["found"] == row["dovecot found"] else " *")
        write(
            f"{name:24}{row['mailsuite, ms']:10.1f} ms{row['dovecot, ms']:9.1f} ms"
            f"{row['ratio']:9.3f}{found}"
        )
    write("")
    result["searches"] = rows


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, nargs="+", default=[1000, 50_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    results = []
    for count in arguments.messages:
        results.append(run(count, arguments.rounds))
        show(results[-1])
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
