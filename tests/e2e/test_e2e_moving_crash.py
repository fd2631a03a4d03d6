"""Imports that are killed, or stopped, and begun again: nothing is lost and nothing comes twice."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from e2e_harness import Account, Server, environment

COUNT = 800
Made = Callable[..., Server]


def maildir(root: Path) -> Path:
    """Messages with numbers of their own, Maildir's UIDs not yet given."""
    (root / "cur").mkdir(parents=True)
    (root / ".Work/cur").mkdir(parents=True)
    for number in range(COUNT):
        place = root if number % 4 else root / ".Work"
        (place / f"cur/{1_500_000_000 + number}.M{number}.h:2,S").write_bytes(
            b"Subject: %d\n\nhi\n" % number
        )
    return root


def files(data: Path) -> int:
    """Messages on the disk."""
    return sum(1 for _ in data.glob("mail/*/*/Maildir/**/cur/*"))


def start(server: Server, *words: str, password: str = "") -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "mailsuite", *words, "--data", str(server.data)],
        cwd=server.folder,
        env=environment(server.home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(password.encode())
    process.stdin.close()
    process.stdin = None
    return process


def when_some_have_come(data: Path, process: subprocess.Popen[bytes]) -> None:
    while files(data) < COUNT // 8 and process.poll() is None:
        time.sleep(0.001)


def subjects(server: Server, account: Account) -> list[int]:
    bodies = server.bodies(account) + server.bodies(account, "Work")
    return sorted(int(re.match(rb"Subject: (\d+)\r\n\r\nhi", body)[1]) for body in bodies)


def test_killed_without_a_server(make_server: Made, tmp_path: Path) -> None:
    server = make_server("--user=bob@example.test:secret").start()
    (account,) = server.accounts
    server.stop()
    source = maildir(tmp_path / "source")
    process = start(server, "import", account.address, "maildir", str(source))
    when_some_have_come(server.data, process)
    process.kill()
    process.communicate()
    server.mailsuite("import", account.address, "maildir", str(source), "--data", str(server.data))
    server.start()
    assert subjects(server, account) == list(range(COUNT))


def test_the_server_is_killed_while_it_reads_another(
    make_server: Made, server: Server, account: Account, tmp_path: Path
) -> None:
    """The source is a second mailsuite, over IMAP."""
    source = maildir(tmp_path / "source")
    data = ("--data", str(server.data))
    server.mailsuite("import", account.address, "maildir", str(source), *data)
    target = make_server("--user=bob@example.test:secret").start()
    (bob,) = target.accounts
    url = f"imaps://{account.address}@localhost:{server.port('imaps')}"
    words = ("import", bob.address, url, "--ca", server.ca_file, "--password-stdin")
    process = start(target, *words, password=account.password)
    when_some_have_come(target.data, process)
    target.kill()
    process.communicate()
    assert process.returncode == 1
    target.start()
    target.mailsuite(*words, "--data", str(target.data), stdin=account.password.encode())
    assert subjects(target, bob) == list(range(COUNT))


def test_the_command_is_killed(make_server: Made, tmp_path: Path) -> None:
    """The server stops at once what nobody waits for, and the same command goes on from there."""
    server = make_server("--user=bob@example.test:secret").start()
    (account,) = server.accounts
    source = maildir(tmp_path / "source")
    process = start(server, "import", account.address, "maildir", str(source))
    when_some_have_come(server.data, process)
    process.kill()
    process.communicate()
    server.mailsuite("import", account.address, "maildir", str(source), "--data", str(server.data))
    assert subjects(server, account) == list(range(COUNT))


def test_stopped_by_the_keyboard(make_server: Made, tmp_path: Path) -> None:
    server = make_server("--user=bob@example.test:secret").start()
    (account,) = server.accounts
    source = maildir(tmp_path / "source")
    process = start(server, "import", account.address, "maildir", str(source))
    when_some_have_come(server.data, process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate()
    if process.returncode:  # else it was faster than the keyboard
        assert b"the same command goes on from there" in told
    server.mailsuite("import", account.address, "maildir", str(source), "--data", str(server.data))
    assert subjects(server, account) == list(range(COUNT))
