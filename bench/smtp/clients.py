"""Who sends and who takes: Postfix's test programs, and a client with TLS and AUTH of our own."""

import asyncio
import base64
import contextlib
import multiprocessing
import socket
import ssl
import subprocess
import time
from multiprocessing.synchronize import Barrier as Gate
from typing import Self

SESSIONS = 10
PROCESSES = 2
CLIENT_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CLIENT_TLS.check_hostname, CLIENT_TLS.verify_mode = False, ssl.CERT_NONE


def send(
    target: str,
    to: str,
    count: int,
    octets: int,
    *,
    reuse: bool = False,
    recipients: int = 1,
    sessions: int = SESSIONS,
) -> subprocess.Popen[bytes]:
    """smtp-source: `count` messages of `octets` by ten sessions at once; not waited for."""
    words = ["smtp-source", "-s", str(sessions), "-m", str(count), "-l", str(octets)]
    words += ["-f", "sender@far.test", "-M", "client.far.test", "-t", to]
    if reuse:
        words.append("-d")
    if recipients > 1:
        words += ["-r", str(recipients)]
    return subprocess.Popen([*words, target], stdin=subprocess.DEVNULL)


def finish(*processes: subprocess.Popen[bytes]) -> None:
    """Wait for programs, which must end well."""
    for process in processes:
        if process.wait():
            raise RuntimeError(f"{process.args!r} has failed")


class Sink:
    """smtp-sink: takes `count` messages, then it ends."""

    def __init__(self, port: int, count: int) -> None:
        words = ["smtp-sink", "-u", "nobody", "-M", str(count), f"127.0.0.1:{port}", "200"]
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.02)
        raise RuntimeError("smtp-sink does not accept")

    def wait(self, seconds: float) -> None:
        """Wait until it has taken all."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise


# -- submission ------------------------------------------------------------------------------------


async def _reply(reader: asyncio.StreamReader, code: bytes) -> None:
    while True:
        line = await reader.readline()
        if not line.startswith(code):
            raise RuntimeError(f"wanted {code!r}, got {line!r}")
        if line[3:4] == b" ":
            return


async def _submit(port: int, user: str, password: str, to: str, message: bytes) -> None:
    """One message as a mail client sends it: STARTTLS, AUTH, the message, QUIT."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    try:
        await _reply(reader, b"220")
        writer.write(b"EHLO client.far.test\r\n")
        await _reply(reader, b"250")
        writer.write(b"STARTTLS\r\n")
        await _reply(reader, b"220")
        await writer.start_tls(CLIENT_TLS)
        for line, code in (
            ("EHLO client.far.test", b"250"),
            (f"AUTH PLAIN {secret}", b"235"),
            (f"MAIL FROM:<{user}>", b"250"),
            (f"RCPT TO:<{to}>", b"250"),
            ("DATA", b"354"),
        ):
            writer.write(f"{line}\r\n".encode())
            await _reply(reader, code)
        writer.write(message + b"\r\n.\r\n")
        await _reply(reader, b"250")
        writer.write(b"QUIT\r\n")
        await _reply(reader, b"221")
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


def _worker(
    ready: Gate, port: int, user: str, password: str, to: str, message: bytes, count: int
) -> None:
    async def session(number: int) -> None:
        for _ in range(number, count, SESSIONS // PROCESSES):
            await _submit(port, user, password, to, message)

    async def run() -> None:
        await asyncio.gather(*(session(number) for number in range(SESSIONS // PROCESSES)))

    ready.wait()
    asyncio.run(run())


class Submitters:
    """`count` messages, each on a connection of its own with STARTTLS and AUTH.

    As a context it starts the processes, which wait until `run`.
    """

    def __init__(
        self, port: int, user: str, password: str, to: str, count: int, octets: int
    ) -> None:
        lines = b"X" * 78 + b"\r\n"
        message = (
            f"From: <{user}>\r\nTo: <{to}>\r\nSubject: submitted\r\n"
            "Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n"
            "Message-ID: <submitted@client.far.test>\r\n\r\n"
        ).encode() + lines * (octets // len(lines))
        context = multiprocessing.get_context("spawn")
        self._ready = ready = context.Barrier(PROCESSES + 1)
        shares = [len(range(number, count, PROCESSES)) for number in range(PROCESSES)]
        self._workers = [
            context.Process(target=_worker, args=(ready, port, user, password, to, message, share))
            for share in shares
        ]

    def __enter__(self) -> Self:
        for worker in self._workers:
            worker.start()
        while self._ready.n_waiting < PROCESSES:
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.kill()

    def run(self) -> None:
        """Send all. Raises RuntimeError when the server did not take it."""
        self._ready.wait()
        for worker in self._workers:
            worker.join()
            if worker.exitcode:
                raise RuntimeError("a submission has failed")
