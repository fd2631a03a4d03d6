"""The two servers as real processes on loopback, and what they have cost."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from bench import peer_dovecot
from bench.imap import mailboxes
from bench.peer_postfix import Postfix as Peer
from bench.peer_postfix import free_ports
from mailsuite.accounts import Directory
from mailsuite.control import Client

DOMAIN = "example.test"
FAR = "far.test"
PASSWORD = "secret"
LARGEST = 50_000_000
TICK = os.sysconf("SC_CLK_TCK")


class Server:
    """One of the two.

    inbound     where smtp-source brings mail for our users
    outgoing    where it brings mail for FAR, without signing in
    submission  port of the submission service
    far         port to which mail for FAR goes
    """

    name = ""
    inbound = ""
    outgoing = ""
    submission = 0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (self.far,) = free_ports(1)

    def start(self) -> None:
        """Start, and return once it accepts."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop and wait for its end."""
        raise NotImplementedError

    def maildir(self, user: str) -> Path:
        """A user's INBOX."""
        raise NotImplementedError

    def fill(self, user: str, messages: Path) -> None:
        """Messages that the user has had before."""
        raise NotImplementedError

    def retry(self) -> None:
        """Attempt all that waits in the queue."""
        raise NotImplementedError

    def deferred(self) -> int:
        """Messages that wait in the queue for another attempt."""
        raise NotImplementedError

    @property
    def roots(self) -> list[int]:
        """Its first processes."""
        raise NotImplementedError

    def count(self, users: Iterable[str]) -> int:
        """Messages in these users' mailboxes."""
        found = 0
        for user in users:
            for place in ("new", "cur"):
                with contextlib.suppress(FileNotFoundError):
                    found += len(os.listdir(self.maildir(user) / place))
        return found

    def cpu(self) -> float:
        """Seconds of CPU, user and system, of all its processes so far, ended ones too."""
        return sum(map(_cpu, self.roots))

    def settle(self) -> None:
        """Wait until it has nothing more to do."""
        quiet, before = 0, self.cpu()
        while quiet < 4:
            time.sleep(0.25)
            now = self.cpu()
            quiet = quiet + 1 if now - before <= 0.01 else 0
            before = now


class Mailsuite(Server):
    """`mailsuite serve` of this working copy, with its log in a file."""

    name = "mailsuite"

    def __init__(self, folder: Path, users: list[str]) -> None:
        super().__init__(folder)
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        directory = Directory(self.data / "accounts.db")
        directory.add_domain(DOMAIN)
        for user in users:
            directory.add_user(f"{user}@{DOMAIN}", PASSWORD)
        directory.close()
        port, self.submission = free_ports(2)
        self.inbound = f"inet:127.0.0.1:{port}"
        self.outgoing = f"unix:{self.data}/submit.sock"
        doors = [("smtp", port), ("submission", self.submission)]
        self._port = port
        settings = {
            "hostname": f"mail.{DOMAIN}",
            "data": str(self.data),
            "listeners": [
                {"protocol": protocol, "address": "127.0.0.1", "port": number, "tls": "starttls"}
                for protocol, number in doors
            ],
            "outbound": "smarthost",
            "relay": {"smarthost": {"host": "127.0.0.1", "port": self.far, "tls": "opportunistic"}},
            "limits": {"messages_per_connection": 999_999, "max_message_size": LARGEST},
        }
        (folder / "mailsuite.yaml").write_text(json.dumps(settings))

    def start(self) -> None:
        command = [sys.executable, "-m", "mailsuite", "serve", "-c"]
        command.append(str(self.folder / "mailsuite.yaml"))
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self._port), 1).close()
                return
            if self._process.poll() is not None:
                raise SystemExit(f"mailsuite did not start; see {self.folder / 'log'}")
            time.sleep(0.02)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(120)

    def maildir(self, user: str) -> Path:
        return self.data / "mail" / DOMAIN / user / "Maildir"

    def fill(self, user: str, messages: Path) -> None:
        mailboxes.fill(self.maildir(user), messages)

    def retry(self) -> None:
        with Client(self.data) as client:
            client.call("queue.retry", id=None)

    def deferred(self) -> int:
        with Client(self.data) as client:
            counts = client.call("queue.counts")
        return int(counts["due"]) - int(counts["active"])

    @property
    def roots(self) -> list[int]:
        return [self._process.pid]


class Postfix(Server):
    """Debian's, with virtual(8) and Maildir; passwords are checked by Dovecot where it is there."""

    name = "postfix"

    def __init__(self, folder: Path, users: list[str]) -> None:
        super().__init__(folder)
        self._stack = contextlib.ExitStack()
        folder.mkdir(parents=True)
        self._certificate = folder / "tls.pem"
        words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        words += ["-nodes", "-days", "3", "-subj", f"/CN=mail.{DOMAIN}"]
        words += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
        subprocess.run(words, check=True, capture_output=True)
        octets = (folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes()
        self._certificate.write_bytes(octets)
        self._certificate.chmod(0o600)
        self._peer = Peer(
            folder / "postfix",
            DOMAIN,
            users,
            far=(FAR, self.far),
            certificate=self._certificate,
            sign_in=folder / "dovecot" / "auth",
            largest=LARGEST,
        )
        self._user = f"{users[0]}@{DOMAIN}"
        self.inbound = self.outgoing = f"inet:127.0.0.1:{self._peer.port}"
        self.submission = self._peer.submission_port if peer_dovecot.available() else 0

    def start(self) -> None:
        if peer_dovecot.available():
            check = peer_dovecot.sign_in(self.folder / "dovecot", self._user, PASSWORD)
            self._stack.enter_context(check)
        self._peer.start()

    def stop(self) -> None:
        self._peer.stop()
        self._stack.close()

    def maildir(self, user: str) -> Path:
        return self._peer.mail / user

    def fill(self, user: str, messages: Path) -> None:
        owner = self._peer.mail.stat()
        mailboxes.fill(self.maildir(user), messages)
        os.chown(self.maildir(user), owner.st_uid, owner.st_gid)
        for place in ("new", "cur", "tmp"):
            os.chown(self.maildir(user) / place, owner.st_uid, owner.st_gid)

    def retry(self) -> None:
        self._peer.retry()

    def deferred(self) -> int:
        return self._peer.waiting()

    @property
    def roots(self) -> list[int]:
        found = [self._peer.pid]
        with contextlib.suppress(FileNotFoundError):
            found.append(int((self.folder / "dovecot" / "run" / "master.pid").read_text()))
        return found


def _cpu(root: int) -> float:
    """Of a process, all below it, and what they have waited for."""
    parents: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{entry}/stat").read_text()
                fields = text.rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry))
                ticks[int(entry)] = sum(map(int, fields[11:15]))
    family = [root]
    for one in family:
        family.extend(parents.get(one, ()))
    return sum(ticks.get(one, 0) for one in family) / TICK
