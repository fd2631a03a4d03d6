"""The real program as a process, and the real clients that talk to it.

A test gets a running `Server`: `python -m mailsuite …` started in an empty folder with an empty
HOME, known only by its ready file. Nothing here looks into the program's memory.
"""

import contextlib
import imaplib
import json
import os
import poplib
import random
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

T = TypeVar("T")
REPOSITORY = Path(__file__).resolve().parents[2]
START_TIMEOUT = 60.0  # how long a start takes is measured, not asserted: others share the machine
STOP_TIMEOUT = 20.0
CLIENT_TIMEOUT = 60.0
HOST = "localhost"  # what the clients are told, so that the certificate's names are checked


@dataclass(frozen=True)
class Listener:
    """One row of the ready file."""

    name: str
    host: str
    port: int
    tls: str


@dataclass(frozen=True)
class Account:
    """Who signs in."""

    address: str
    password: str


def environment(home: Path) -> dict[str, str]:
    """A bare environment, so that no user's settings leak into a test."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    return kept | {
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        "TERM": "xterm",
    }


class Server:
    """A `mailsuite dev` (or another command line) with its data, started and stopped at will."""

    def __init__(self, folder: Path, *options: str) -> None:
        """`folder` gets the data, the ready file, the log; `options` go on the command line."""
        self.folder = folder
        self.data = folder / "data"
        self.ready_file = folder / "ready.json"
        self.log_file = folder / "log.txt"
        self.home = folder / "home"
        self.cwd = folder / "empty"
        for needed in (self.home, self.cwd):
            needed.mkdir(parents=True, exist_ok=True)
        self.command: list[str] = [
            *(sys.executable, "-m", "mailsuite", "dev"),
            *("--data", str(self.data), "--ready-file", str(self.ready_file)),
            *options,
        ]
        if not {"--ports", "--port-base"} & set(options):
            self.command += ["--ports", "auto"]
        self.process: subprocess.Popen[bytes] | None = None
        self.listeners: dict[str, Listener] = {}
        self.accounts: list[Account] = []
        self.ca_file = ""
        self.seconds_to_ready = 0.0

    # -- the process ----------------------------------------------------------------------------

    def start(self) -> Self:
        """Start, and return once it is ready."""
        self.ready_file.unlink(missing_ok=True)
        started = time.monotonic()
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env=environment(self.home),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while not self.is_ready():
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.log()}")
            if time.monotonic() - started > START_TIMEOUT:
                self.kill()
                raise AssertionError(f"not ready after {START_TIMEOUT} s:\n{self.log()}")
            time.sleep(0.01)
        self.seconds_to_ready = time.monotonic() - started
        return self

    def is_ready(self) -> bool:
        """The ready file is there; it is read."""
        if not self.ready_file.exists():
            return False
        ready = json.loads(self.ready_file.read_text())
        self.listeners = {
            row["name"]: Listener(row["name"], row["host"], row["port"], row["tls"])
            for row in ready["listeners"]
        }
        self.accounts = [Account(row["address"], row["password"]) for row in ready["accounts"]]
        self.ca_file = ready["ca_file"]
        assert ready["pid"] == self.pid
        return True

    def stop(self, by: signal.Signals = signal.SIGINT) -> float:
        """Stop as Ctrl-C does; returns the seconds it took. The exit status must be 0."""
        assert self.process is not None
        started = time.monotonic()
        self.process.send_signal(by)
        try:
            status = self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still there {STOP_TIMEOUT} s after {by.name}") from None
        assert status == 0, f"exit status {status}:\n{self.log()}"
        return time.monotonic() - started

    def kill(self) -> None:
        """As a power cut would, for the process."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(STOP_TIMEOUT)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def log(self) -> str:
        """All that it has printed."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    # -- its clients ----------------------------------------------------------------------------

    def port(self, listener: str) -> int:
        return self.listeners[listener].port

    def tls(self) -> ssl.SSLContext:
        """A client's TLS settings: the suite's CA and nothing else."""
        return ssl.create_default_context(cafile=self.ca_file)

    @contextlib.contextmanager
    def smtp(
        self, listener: str = "smtp", account: Account | None = None
    ) -> Iterator[smtplib.SMTP]:
        """An smtplib session, over TLS and signed in when there is an account."""
        client: smtplib.SMTP
        if self.listeners[listener].tls == "implicit":
            client = smtplib.SMTP_SSL(
                HOST, self.port(listener), "client.test", context=self.tls(), timeout=CLIENT_TIMEOUT
            )
        else:
            client = smtplib.SMTP(HOST, self.port(listener), "client.test", timeout=CLIENT_TIMEOUT)
        with client:
            if account is not None:
                if self.listeners[listener].tls == "starttls":
                    client.starttls(context=self.tls())
                client.login(account.address, account.password)
            yield client

    @contextlib.contextmanager
    def imap(self, account: Account, listener: str = "imaps") -> Iterator[imaplib.IMAP4]:
        """An imaplib session, signed in."""
        port = self.port(listener)
        client: imaplib.IMAP4
        if self.listeners[listener].tls == "implicit":
            client = imaplib.IMAP4_SSL(HOST, port, ssl_context=self.tls(), timeout=CLIENT_TIMEOUT)
        else:
            client = imaplib.IMAP4(HOST, port, timeout=CLIENT_TIMEOUT)
            client.starttls(self.tls())
        with client:
            client.login(account.address, account.password)
            yield client

    @contextlib.contextmanager
    def pop3(self, account: Account, listener: str = "pop3s") -> Iterator[poplib.POP3]:
        """A poplib session, signed in."""
        port = self.port(listener)
        client: poplib.POP3
        if self.listeners[listener].tls == "implicit":
            client = poplib.POP3_SSL(HOST, port, context=self.tls(), timeout=CLIENT_TIMEOUT)
        else:
            client = poplib.POP3(HOST, port, timeout=CLIENT_TIMEOUT)
            client.stls(self.tls())
        try:
            client.user(account.address)
            client.pass_(account.password)
            yield client
        finally:
            # Hang up without QUIT: a test that wants its deletions says QUIT itself.
            client.close()

    def connect(self, listener: str) -> socket.socket:
        """A bare TCP connection."""
        return socket.create_connection((HOST, self.port(listener)), CLIENT_TIMEOUT)

    def run(
        self,
        *command: str | Path,
        stdin: bytes = b"",
        expect: int | None = 0,
        timeout: float = CLIENT_TIMEOUT,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a client program; its exit status must be `expect` (None: any)."""
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.folder,
            env=environment(self.home),
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        if expect is not None and done.returncode != expect:
            raise AssertionError(
                f"{command[0]} ended with {done.returncode}\n"
                f"{done.stdout.decode(errors='replace')}\n{done.stderr.decode(errors='replace')}\n"
                f"--- server's log\n{self.log()[-4000:]}"
            )
        return done

    def mailsuite(
        self, *arguments: str, stdin: bytes = b"", expect: int | None = 0
    ) -> subprocess.CompletedProcess[bytes]:
        """Another command of the program itself."""
        return self.run(sys.executable, "-m", "mailsuite", *arguments, stdin=stdin, expect=expect)

    # -- mailboxes ------------------------------------------------------------------------------

    def bodies(self, account: Account, folder: str = "INBOX") -> list[bytes]:
        """Every message of a folder, whole; [] when there is no such folder."""
        with self.imap(account) as client:
            answer, _ = client.select(quoted(folder), readonly=True)
            if answer != "OK":
                return []
            answer, found = client.uid("SEARCH", "ALL")
            assert answer == "OK", found
            uids = found[0].decode().replace(" ", ",") if found[0] else ""
            if not uids:
                return []
            answer, rows = client.uid("FETCH", uids, "(BODY.PEEK[])")
            assert answer == "OK", rows
            return [row[1] for row in rows if isinstance(row, tuple)]

    def wait_for(
        self, account: Account, token: str, folder: str = "INBOX", timeout: float = 20.0
    ) -> bytes:
        """The message that contains `token`, once it has arrived."""

        def arrived() -> bytes | None:
            found = [body for body in self.bodies(account, folder) if token.encode() in body]
            assert len(found) < 2, f"{token} is in {folder} {len(found)} times"
            return found[0] if found else None

        return eventually(arrived, f"{token} in {account.address} {folder}", timeout, self.log)


class ProductionServer(Server):
    """A `mailsuite serve` with a configuration file, on ports that were free a moment ago."""

    def __init__(self, folder: Path, **settings: object) -> None:
        super().__init__(folder)
        self.config_file = folder / "mailsuite.yaml"
        self.command = [
            *(sys.executable, "-m", "mailsuite", "serve", "-c", str(self.config_file)),
        ]
        self.ca_file = str(self.data / "tls" / "ca.pem")
        rows = (
            ("smtp", "smtp", "starttls"),
            ("submission", "submission", "starttls"),
            ("submissions", "submission", "implicit"),
            ("imap", "imap", "starttls"),
            ("imaps", "imap", "implicit"),
            ("pop3", "pop3", "starttls"),
            ("pop3s", "pop3", "implicit"),
        )
        ports = free_ports(len(rows))
        self.listeners = {
            name: Listener(name, "127.0.0.1", port, tls)
            for (name, _, tls), port in zip(rows, ports, strict=True)
        }
        self._doors = [
            {"protocol": protocol, "address": "127.0.0.1", "port": port, "tls": tls}
            for (_, protocol, tls), port in zip(rows, ports, strict=True)
        ]
        self.configure(**settings)

    def add_door(self, name: str, protocol: str, tls: str = "none", **keys: object) -> int:
        """One more listener on loopback, for the next `configure`; gives its port."""
        (port,) = free_ports(1)
        self.listeners[name] = Listener(name, "127.0.0.1", port, tls)
        door = {"name": name, "protocol": protocol, "address": "127.0.0.1", "port": port}
        self._doors.append(door | {"tls": tls} | keys)
        return port

    def add_socket(self, protocol: str, path: Path) -> None:
        """One more listener, on a Unix socket, for the next `configure`."""
        self._doors.append({"protocol": protocol, "address": f"unix:{path}"})

    def configure(self, **settings: object) -> None:
        """Write the configuration file; JSON is YAML as well."""
        base = {"hostname": HOST, "data": str(self.data), "listeners": self._doors}
        self.config_file.write_text(json.dumps(base | settings))

    def is_ready(self) -> bool:
        """Every listener accepts."""
        try:
            for row in self.listeners.values():
                socket.create_connection((row.host, row.port), 1).close()
        except ConnectionError:
            return False
        return True

    def manage(
        self, *arguments: str, stdin: bytes = b"", expect: int | None = 0
    ) -> subprocess.CompletedProcess[bytes]:
        """A command of the program that works on this server's data."""
        return self.mailsuite(*arguments, "-c", str(self.config_file), stdin=stdin, expect=expect)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now.

    Below those that the system gives to outgoing connections, so that none of these has taken one
    when a server comes back to it.
    """
    found: list[int] = []
    for port in random.sample(range(12_000, 32_000), 2_000):
        if len(found) == count:
            break
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
    assert len(found) == count, "no free ports"
    return found


def eventually(
    ask: Callable[[], T | None],
    what: str,
    timeout: float = 20.0,
    more: Callable[[], str] = lambda: "",
) -> T:
    """Ask until the answer is neither None nor False."""
    deadline = time.monotonic() + timeout
    while True:
        answer = ask()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}\n{more()[-4000:]}")
        time.sleep(0.05)


def quoted(name: str) -> str:
    """An IMAP quoted string."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def message(subject: str, body: str = "Hello.\r\n", sender: str = "eve@elsewhere.test") -> bytes:
    """A small message that needs no repair."""
    return (
        f"Date: Mon, 23 Nov 2026 09:00:00 +0000\r\nFrom: <{sender}>\r\nTo: undisclosed:;\r\n"
        f"Message-ID: <{subject}@client.test>\r\nSubject: {subject}\r\n\r\n{body}"
    ).encode()


TRACE = (b"DKIM-Signature:", b"Return-Path:", b"Delivered-To:", b"Received:", b"\t", b" ")


def without_trace(stored: bytes, original: bytes) -> bytes:
    """What was stored after the trace fields that delivery puts on top.

    Fails when anything but trace fields stands before the original.
    """
    extra = len(stored) - len(original)
    assert extra > 0, f"stored {len(stored)} octets of {len(original)}"
    head = stored[:extra]
    assert head.endswith(b"\r\n"), head[-200:]
    for line in head[:-2].split(b"\r\n"):
        assert line.startswith(TRACE), f"not a trace field before the message: {line!r}"
    return stored[extra:]


class AnonymousMemory(threading.Thread):
    """Samples a process's anonymous memory, in octets, while the `with` block runs (Linux)."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._status = Path(f"/proc/{pid}/status")
        self._ended = threading.Event()
        self.before = self.now()
        self.peak = self.before

    def now(self) -> int:
        for line in self._status.read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no RssAnon in /proc")

    def run(self) -> None:
        while not self._ended.wait(0.005):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                self.peak = max(self.peak, self.now())

    def __enter__(self) -> "AnonymousMemory":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    @property
    def growth(self) -> int:
        return self.peak - self.before
