"""The two servers as real processes on loopback: started, stopped, started again, weighed."""

import contextlib
import json
import os
import pwd
import subprocess
import sys
import time
from pathlib import Path

from bench import peer_dovecot
from bench.imap import mailboxes
from bench.imap.client import Client


class Server:
    """One of the two. `maildir` is its account's; `start` gives it a port.

    Names of mailboxes below INBOX: `folder` says how a mailbox's name is on disk.
    """

    name = ""
    user = ""
    password = "secret"
    has_smtp = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder
        self.port = 0
        self.smtp_port = 0

    @property
    def maildir(self) -> Path:
        """INBOX on disk."""
        return self.home / "Maildir"

    def adopt(self) -> None:
        """The mail is there: give it to whom the server runs as."""

    def adopt_folder(self, folder: Path) -> None:
        """The same for a mailbox that came later."""

    def start(self) -> None:
        """Start, and return once it accepts."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop and wait for its end."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """Its first process."""
        raise NotImplementedError

    def client(self) -> Client:
        """A session, signed in."""
        return Client(self.port, self.user, self.password)

    def selected(self, mailbox: str = "INBOX") -> Client:
        """A session on a mailbox."""
        client = self.client()
        client.time(f"SELECT {mailbox}")
        return client

    def memory(self) -> int:
        """Octets of it and of all its children (shared pages by their share)."""
        return sum(_pss(pid) for pid in _family(self.pid))

    def processor(self) -> float:
        """Seconds of processor time so far, of it and of all its children, also those that ended.

        What a child has used counts once its parent has taken note of its end: a moment later.
        """
        return sum(map(_processor, _family(self.pid)))


class Mailsuite(Server):
    """`mailsuite dev` of this working copy."""

    name = "mailsuite"
    user = "bob@example.test"
    has_smtp = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.home = folder / "mail" / "example.test" / "bob"
        self.users: tuple[str, ...] = (self.user,)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "mailsuite", "dev", "--data", str(self.folder)]
        command += ["--ports", "auto", "--ready-file", str(ready)]
        for user in self.users:
            command += ["--user", f"{user}:{self.password}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        while not ready.exists():
            if self._process.poll() is not None:
                raise SystemExit(f"mailsuite did not start; see {self.folder / 'log'}")
            time.sleep(0.02)
        ports = {row["name"]: row["port"] for row in json.loads(ready.read_text())["listeners"]}
        self.port, self.smtp_port = ports["imap"], ports["smtp"]

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(120)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid


class Dovecot(Server):
    """Debian's, with Maildir."""

    name = "dovecot"
    user = peer_dovecot.USER
    password = peer_dovecot.PASSWORD

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.home = folder / "home"
        self._stack = contextlib.ExitStack()

    def adopt(self) -> None:
        self.adopt_folder(self.home)

    def adopt_folder(self, folder: Path) -> None:
        owner = pwd.getpwnam(peer_dovecot.OWNER)
        mailboxes.give(folder, owner.pw_uid, owner.pw_gid)

    def start(self) -> None:
        self.port = self._stack.enter_context(peer_dovecot.dovecot(self.folder, self.home))

    def stop(self) -> None:
        self._stack.close()

    @property
    def pid(self) -> int:
        return int((self.folder / "run" / "master.pid").read_text())


def _family(pid: int) -> list[int]:
    """A process and all below it."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{entry}/stat").read_text()
                parents.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(entry))
    found = [pid]
    for one in found:
        found.extend(parents.get(one, ()))
    return found


def _processor(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _pss(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
