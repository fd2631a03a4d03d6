"""The ESMTP door as a whole: stopping, commits without a client, memory, fuzz, real clients."""

import asyncio
import base64
import contextlib
import smtplib
import socket
import ssl
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest
import trustme
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from smtp_fakes import FakeQueue
from smtp_house import ENVELOPE, MESSAGE, SETTINGS, house, until

from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.mail import Job, Outcome, Sent
from mailsuite.message import decode_body
from mailsuite.queue import Queue
from mailsuite.smtpd.wire import Wire
from tests.sign_in import FakeAccounts, sign_in

# -- pipelining -----------------------------------------------------------------------------------


async def test_what_may_be_answered_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 2920 §3.2 (2), (5), (6): groups of RSET, MAIL and RCPT, and nothing else."""
    sent: list[int] = []
    send = Wire._send

    def counted(wire: Wire) -> None:
        sent.append(len(wire._out))
        send(wire)

    async with house() as opened:
        reader, writer = await opened.connect()
        await until(reader, b"220 ")
        monkeypatch.setattr(Wire, "_send", counted)
        group = (
            b"EHLO c",
            b"RSET",
            b"MAIL FROM:<a@b.test>",
            b"RCPT TO:<x>",
            b"NOOP",
            b"WHAT",
            b"RSET",
        )
        writer.write(b"".join(line + b"\r\n" for line in (*group, b"VRFY x", b"QUIT")))
        assert (await reader.read()).endswith(b"221 2.0.0 mail.example.test Bye\r\n")
        writer.close()
    assert [count for count in sent if count] == [1, 4, 1, 2, 1]


# -- stopping -------------------------------------------------------------------------------------


async def test_idle_clients_are_told_at_the_stop() -> None:
    async with house() as opened:
        clients = [await opened.connect() for _ in range(3)]
        for reader, _ in clients:
            await until(reader, b"220 ")
        await opened.door.stop(1.0)
        for reader, writer in clients:
            assert (await reader.read()).startswith(b"421 4.3.2 ")
            writer.close()
        with pytest.raises(ConnectionRefusedError):
            await opened.connect()


async def test_a_message_half_sent_at_the_stop_is_dropped() -> None:
    queue = FakeQueue()
    async with house(queue=queue) as opened:
        reader, writer = await opened.connect()
        writer.write(ENVELOPE + b"Subject: half")
        await until(reader, b"354 ")
        await opened.door.stop(0.05)
        assert (await reader.read()).startswith(b"421 4.3.2 ")
        writer.close()
    assert queue.accepted == [] and queue.all[0].state == "discarded"


@pytest.mark.parametrize("grace", [5.0, 0.05])
async def test_the_stop_waits_for_a_commit_and_the_client_is_told(grace: float) -> None:
    queue = FakeQueue()
    queue.may_commit.clear()
    async with house(queue=queue) as opened:
        reader, writer = await opened.connect()
        writer.write(ENVELOPE + MESSAGE)
        await until(reader, b"354 ")
        await asyncio.wait_for(queue.committing.wait(), 10)
        stopping = asyncio.create_task(opened.door.stop(grace))
        await asyncio.sleep(0.15)
        assert not stopping.done()
        queue.may_commit.set()
        assert (await until(reader, b"250 ")).startswith(b"250 2.0.0 Ok: queued as Q1")
        assert (await reader.read()).startswith(b"421 4.3.2 ")
        await stopping
        writer.close()
    assert len(queue.accepted) == 1


async def test_a_client_that_goes_after_the_final_dot_does_not_undo_the_commit() -> None:
    queue = FakeQueue()
    queue.may_commit.clear()
    async with house(queue=queue) as opened:
        reader, writer = await opened.connect()
        writer.write(ENVELOPE + MESSAGE)
        await asyncio.wait_for(queue.committing.wait(), 10)
        writer.transport.abort()
        await asyncio.sleep(0.05)
        queue.may_commit.set()
        await asyncio.sleep(0.05)
        assert len(queue.accepted) == 1 and queue.discarded == 0
        assert opened.door.sessions == 0
        del reader


async def test_new_settings_are_for_new_sessions() -> None:
    async with house() as opened:
        old, old_writer = await opened.connect()
        await until(old, b"220 mail.example.test")
        changed = replace(SETTINGS, hostname="new.example.test", max_message_size=7)
        opened.door.apply(replace(changed, kind="submission"))
        new, new_writer = await opened.connect()
        await until(new, b"220 new.example.test")
        for writer in (old_writer, new_writer):
            writer.write(b"EHLO c\r\n")
        assert await until(old, b"250-SIZE") == b"250-SIZE 52428800\r\n"
        assert await until(new, b"250-SIZE") == b"250-SIZE 7\r\n"
        new_writer.write(b"MAIL FROM:<c@elsewhere.test>\r\n")
        await until(new, b"250 2.1.0")
        assert opened.door.sessions == 2 and opened.door.counters.connections == 2
        await opened.door.stop(1.0)
        for reader, writer in ((old, old_writer), (new, new_writer)):
            await until(reader, b"421 4.3.2")
            writer.close()


# -- bounds ---------------------------------------------------------------------------------------


async def test_a_large_message_streams() -> None:
    queue = FakeQueue()
    line = b"0123456789abcdef" * 60 + b"\r\n"
    async with house(queue=queue) as opened:
        reader, writer = await opened.connect()
        writer.write(ENVELOPE + b"Subject: large\r\n\r\n")
        await until(reader, b"354 ")
        for _ in range(20):
            writer.write(line * 1000)
            await writer.drain()
        writer.write(b".\r\n")
        await until(reader, b"250 ")
        writer.close()
    assert len(queue.accepted[0][1]) > 19_000_000
    assert queue.all[0].largest_write < 1 << 20


async def test_a_client_that_reads_nothing_is_not_answered_into_memory() -> None:
    async with house(replace(SETTINGS, max_idle_commands=10**9)) as opened:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", opened.port))
        sent = 0
        try:
            async with asyncio.timeout(1.0):
                while sent < 100_000_000:
                    octets = b"HELP\r\n" * 10_000
                    await asyncio.get_running_loop().sock_sendall(sock, octets)
                    sent += len(octets)
        except TimeoutError:
            pass
        assert sent < 20_000_000
        sock.close()


async def test_a_line_without_end_costs_no_memory_and_one_error() -> None:
    async with house() as opened:
        reader, writer = await opened.connect()
        writer.write(b"NOOP " + b"x" * 3_000_000 + b"\r\nNOOP " + b"x" * 2100 + b"\r\nNOOP\r\n")
        assert await until(reader, b"500 ") == b"500 5.5.2 Line too long\r\n"
        assert await reader.readline() == b"500 5.5.2 Line too long\r\n"
        assert await reader.readline() == b"250 2.0.0 Ok\r\n"
        writer.close()


async def test_long_auth_lines_are_read_and_longer_ones_refused() -> None:
    submission = replace(SETTINGS, kind="submission", allow_plain_auth=True)
    async with house(submission) as opened:
        reader, writer = await opened.connect()
        writer.write(b"EHLO c\r\nAUTH PLAIN " + b"A" * 8000 + b"\r\nAUTH PLAIN\r\n")
        await until(reader, b"250 HELP")
        assert (await reader.readline()).startswith(b"501 5.5.2 ")
        assert await reader.readline() == b"334 \r\n"
        writer.write(b"A" * 13_000 + b"\r\nNOOP\r\n")
        assert (await reader.readline()).startswith(b"500 5.5.6 ")
        assert await reader.readline() == b"250 2.0.0 Ok\r\n"
        writer.close()


async def test_failed_sign_ins_take_longer_and_longer() -> None:
    submission = replace(SETTINGS, kind="submission", allow_plain_auth=True)
    async with house(submission, first_delay=0.05) as opened:
        reader, writer = await opened.connect()
        writer.write(b"EHLO c\r\n" + b"AUTH PLAIN AGFsaWNlAHdyb25n\r\n" * 3)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await until(reader, b"250 HELP")
        for _ in range(3):
            await until(reader, b"535 ")
        assert loop.time() - began >= 0.05 + 0.1 + 0.2
        writer.close()


async def test_refusals_that_pass_are_told_from_a_wrong_password() -> None:
    submission = replace(SETTINGS, kind="submission", allow_plain_auth=True)
    async with house(submission) as opened:
        accounts = FakeAccounts({"alice": "alice"})
        strict = sign_in(accounts, address_failures=1, never_ban=())
        opened.door._context.sign_in = strict
        reader, writer = await opened.connect()
        writer.write(b"EHLO c\r\n")
        await until(reader, b"250 ")
        accounts.away = True
        writer.write(b"AUTH PLAIN AGFsaWNlAGFsaWNl\r\n")
        assert (await reader.readline()).startswith(b"454 4.7.0 ")
        accounts.away = False
        writer.write(b"AUTH PLAIN AGFsaWNlAHdyb25n\r\nAUTH PLAIN AGFsaWNlAGFsaWNl\r\n")
        assert (await reader.readline()).startswith(b"535 5.7.8 ")
        assert (await reader.readline()).startswith(b"421 4.7.0 ")
        assert await reader.read() == b""
        writer.close()


@settings(max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                (
                    *(b"EHLO c\r\n", b"MAIL FROM:<a@b.test>\r\n", b"DATA\r\n", b".\r\n"),
                    *(b"RCPT TO:<alice@example.test>\r\n", b"\r\n.\r\n", b"RSET\r\n", b"HELP\r\n"),
                    *(b"MAIL FROM:", b"RCPT TO:<", b"AUTH PLAIN\r\n", b"*\r\n", b"VRFY ", b"\r\n"),
                )
            ),
            st.binary(max_size=20),
        ),
        max_size=20,
    ),
    st.integers(1, 50),
)
def test_any_octets(pieces: list[bytes], cut: int) -> None:
    """Invariant: only well-formed replies, no failure on our side, and the door lives on."""

    async def run() -> None:
        queue = FakeQueue()
        async with house(queue=queue) as opened:
            reader, writer = await opened.connect()
            stream = b"".join(pieces)
            with contextlib.suppress(ConnectionError):
                for start in range(0, len(stream), cut):
                    writer.write(stream[start : start + cut])
                writer.write_eof()
                async with asyncio.timeout(10):
                    answer = await reader.read()
                for line in answer.split(b"\r\n")[:-1]:
                    assert line[:3].isdigit() and line[3:4] in (b" ", b"-")
                assert answer.endswith(b"\r\n") and b"451" not in answer
            writer.close()
            assert opened.door.counters.failures == 0
            reader, writer = await opened.connect()
            await until(reader, b"220 ")
            writer.close()
        assert all(incoming.state != "open" for incoming in queue.all)

    asyncio.run(run())


# -- real clients ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


class Kept:
    """A courier that only notes what it was given."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Job, bytes]] = []
        self.any = asyncio.Event()

    async def deliver(self, job: Job) -> Sequence[Outcome]:
        octets = Path(job.message.path).read_bytes()
        self.jobs.append((job, octets[job.message.offset :]))
        self.any.set()
        return [Sent("2.0.0", "kept") for _ in job.recipients]


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("implicit", [True, False])
def test_smtplib_over_tls_into_the_real_queue(
    implicit: bool,
    loop: Callable[[], asyncio.AbstractEventLoop],
    tmp_path: Path,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
) -> None:
    submission = replace(SETTINGS, kind="submission", implicit_tls=implicit)
    message = EmailMessage()
    message["From"] = "alice@example.test"
    message["To"] = "Bob <bob@example.test>"
    message["Bcc"] = "friend@elsewhere.test"
    message["Subject"] = "Grüße"
    message.set_content(".\n..\n.dots and Grüße\n" * 20_000, cte="8bit")

    def send(port: int) -> None:
        client = (
            smtplib.SMTP_SSL("127.0.0.1", port, context=client_tls, timeout=20)
            if implicit
            else smtplib.SMTP("127.0.0.1", port, timeout=20)
        )
        with client:
            if not implicit:
                client.starttls(context=client_tls)
            client.login("alice@example.test", "alice")
            recipients = ["bob@example.test", "friend@elsewhere.test"]
            client.send_message(message, "alice@example.test", recipients)
            with pytest.raises(smtplib.SMTPSenderRefused):
                client.send_message(message, "bob@example.test", recipients)

    async def run() -> None:
        kept = Kept()
        threads = Threads("test", 6)
        queue = Queue(
            tmp_path / "queue",
            choose=lambda recipient, envelope: "kept",
            couriers={"kept": kept},
            clock=SystemClock(),
            threads=threads,
        )
        await queue.start()
        async with house(submission, queue, server_tls) as opened:
            await asyncio.to_thread(send, opened.port)
            async with asyncio.timeout(10):
                await kept.any.wait()
        await queue.stop(1.0)
        threads.close()
        job, octets = kept.jobs[0]
        addresses = [recipient.address for recipient in job.envelope.recipients]
        assert addresses == ["bob@example.test", "friend@elsewhere.test"]
        assert job.envelope.submitter == "alice@example.test"
        assert octets.startswith(b"Received: from ") and b"ESMTPSA" in octets[:200]
        assert b"friend@elsewhere.test" not in octets and b"\r\nDate: " in octets
        assert octets.endswith(b"\r\n.\r\n..\r\n.dots and Gr\xc3\xbc\xc3\x9fe\r\n")

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())


@pytest.mark.client("swaks")
@pytest.mark.parametrize(
    ("options", "status"),
    [
        (["--tls", "--auth-user", "alice", "--auth-password", "alice"], 0),
        (["--tls", "--auth", "LOGIN", "--auth-user", "alice", "--auth-password", "alice"], 0),
        (["--tls", "--auth-user", "alice", "--auth-password", "wrong"], 28),
        (["--auth-user", "alice", "--auth-password", "alice"], 28),
        (["--tls"], 23),
    ],
)
async def test_swaks(options: list[str], status: int, server_tls: ssl.SSLContext) -> None:
    queue = FakeQueue()
    async with house(replace(SETTINGS, kind="submission"), queue, server_tls) as opened:
        arguments = ["swaks", "--server", "127.0.0.1", "--port", str(opened.port), *options]
        arguments += ["--from", "alice@example.test", "--to", "bob@example.test", "--pipeline"]
        done = await asyncio.to_thread(subprocess.run, arguments, capture_output=True, timeout=30)
    assert done.returncode == status, done.stdout
    assert len(queue.accepted) == (status == 0)


async def test_submitted_lines_that_are_too_long_are_encoded() -> None:
    queue = FakeQueue()
    submission = replace(SETTINGS, kind="submission", allow_plain_auth=True)
    plain = base64.b64encode(b"\0alice\0alice")
    long = b"word " * 300
    async with house(submission, queue) as opened:
        reader, writer = await opened.connect()
        writer.write(
            b"EHLO c\r\nAUTH PLAIN " + plain + b"\r\nMAIL FROM:<alice@example.test>\r\n"
            b"RCPT TO:<bob@example.test>\r\nDATA\r\n"
        )
        await until(reader, b"354 ")
        for half in (b"From: boss@elsewhere.test\r\n\r\nshort\r\n" + long[:1000], long[1000:]):
            writer.write(half)
            await writer.drain()
        writer.write(b"\r\n.\r\n")
        assert (await reader.readline()).startswith(b"250 ")
        writer.close()
    ((_, octets),) = queue.accepted
    head, _, body = octets.partition(b"\r\n\r\n")
    assert b"\r\nSender: alice@example.test\r\n" in head
    assert b"\r\nContent-Transfer-Encoding: quoted-printable\r\n" in head + b"\r\n"
    assert decode_body(body, "quoted-printable") == b"short\r\n" + long + b"\r\n"
    assert max(map(len, octets.split(b"\r\n"))) <= 78
