"""`mailsuite send` and `mailsuite sendmail` as processes, and programs that send by the latter."""

import contextlib
import email
import email.policy
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest
from e2e_harness import Account, ProductionServer, Server, environment, eventually

ALICE = Account("alice@example.test", "alice")
BOB = Account("bob@example.test", "bob")
EVERYONE = Account("everyone@example.test", "everyone")
PROGRAM = [sys.executable, "-m", "mailsuite"]


def run(
    server: Server, *arguments: str, stdin: bytes = b"", **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run `mailsuite …` with the server's data folder in its environment."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        input=stdin,
        capture_output=True,
        cwd=server.cwd,
        env=environment(server.home) | {"MAILSUITE_DATA": str(server.data), **variables},
        timeout=60,
    )


def done(result: subprocess.CompletedProcess[bytes]) -> subprocess.CompletedProcess[bytes]:
    assert result.returncode == 0, result.stderr.decode()
    return result


def inbox(server: Server, account: Account, count: int) -> list[EmailMessage]:
    """The messages of an INBOX, as soon as there are `count`."""

    def fetch() -> list[bytes] | None:
        found = server.bodies(account)
        return found if len(found) >= count else None

    octets = eventually(fetch, f"{count} messages for {account.address}", more=server.log)
    messages = [email.message_from_bytes(each, policy=email.policy.default) for each in octets]
    return [each for each in messages if isinstance(each, EmailMessage)]


@pytest.fixture
def running(make_server: Callable[..., Server]) -> Server:
    return make_server().start()


def test_send_with_everything(running: Server, tmp_path: Path) -> None:
    blob = os.urandom(300_000)
    (tmp_path / "Anhang für Bob.bin").write_bytes(blob)
    (tmp_path / "page.html").write_text('<img src="cid:dot.png"> schön')
    (tmp_path / "dot.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "old.eml").write_bytes(b"Subject: old\r\n\r\nold text\r\n")
    sent = done(
        run(
            running,
            *("send", "--from", "Alice Äöü <alice@example.test>", "--to", "Bob <bob@example.test>"),
            *("--cc", "everyone", "--bcc", "alice", "-s", "Grüße an alle"),
            *("--html", str(tmp_path / "page.html"), "--inline", str(tmp_path / "dot.png")),
            *("--attach", str(tmp_path / "Anhang für Bob.bin"), "-a", str(tmp_path / "old.eml")),
            *("--header", "X-Mine: ja, schön"),
            stdin="Hallo,\nschöne Grüße\n".encode(),
        )
    )
    assert b"bob@example.test, everyone@example.test, alice@example.test: 250 " in sent.stdout
    for account in (BOB, EVERYONE, ALICE):
        (message,) = inbox(running, account, 1)
    assert message["From"].addresses[0].display_name == "Alice Äöü"
    assert message["Subject"] == "Grüße an alle"
    assert message["X-Mine"] == "ja, schön"
    assert message["Cc"].addresses[0].addr_spec == "everyone@example.test"
    assert message["Bcc"] is None
    kinds = [part.get_content_type() for part in message.walk()]
    assert kinds == [
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html",
        "image/png", "application/octet-stream", "message/rfc822", "text/plain",
    ]  # fmt: skip
    parts = list(message.walk())
    assert parts[2].get_content() == "Hallo,\r\nschöne Grüße\r\n"
    content_id = parts[5]["Content-ID"].strip("<>")
    assert "@" in content_id
    assert parts[4].get_content() == f'<img src="cid:{content_id}"> schön\r\n'
    assert parts[6].get_content() == blob
    assert parts[6].get_filename() == "Anhang für Bob.bin"


def test_send_finds_the_server_of_this_folder_and_shows_its_progress(running: Server) -> None:
    """Without options beside a `mailsuite dev` with its standard folder `data`, at a terminal."""
    (running.folder / "large.bin").write_bytes(bytes(3_000_000))
    ours, theirs = pty.openpty()
    command = [*PROGRAM, "send", "--to", "bob", "--body", "x", "-a", "large.bin"]
    with subprocess.Popen(
        command,
        cwd=running.folder,
        env=environment(running.home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # what Linux says at the end
            while octets := os.read(ours, 1000):
                shown += octets
        os.close(ours)
        assert process.stdout is not None
        assert process.stdout.read().startswith(b"sent to bob@example.test: 250 ")
    assert process.returncode == 0
    assert b"sending" in shown and b"4.1 MB" in shown
    (message,) = inbox(running, BOB, 1)
    assert list(message.walk())[2].get_content() == bytes(3_000_000)


def test_send_to_addresses_beyond_ascii(running: Server) -> None:
    done(run(running, "send", "--bcc", "jörg@example.test", "-s", "Grüße", "--body", "x " * 100))
    done(run(running, "send", "--to", "Jörg <jörg@example.test>", "-s", "Grüße", "--flowed",
             "--body", "x " * 100))  # fmt: skip
    first, second = inbox(running, EVERYONE, 2)
    assert first["Subject"] == "Grüße"
    assert first["To"] == "undisclosed-recipients:;"
    field = '\r\nTo: "Jörg" <jörg@example.test>\r\n'.encode()
    assert any(field in octets for octets in running.bodies(EVERYONE))
    assert second.get_content_type() == "text/plain"
    assert second.get_param("format") == "flowed"


def test_send_by_a_submission_server(running: Server) -> None:
    for listener, tls in (("submissions", "implicit"), ("submission", "starttls")):
        done(
            run(
                running,
                *("send", "--to", "bob@example.test", "-s", tls, "--body", "text"),
                *("--server", f"localhost:{running.listeners[listener].port}", "--tls", tls),
                *("--user", "alice@example.test", "--ca", running.ca_file),
                MAILSUITE_PASSWORD="alice",
            )
        )
    found = inbox(running, BOB, 2)
    assert [message["Subject"] for message in found] == ["implicit", "starttls"]
    assert found[0]["From"] == "alice@example.test"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--to", "nobody@-no-.test"], 65, "is not an address"),
        (["--to", "bob@@example.test"], 65, "more than one @"),
        (["--from", "a@example.test", "--to", "x@example.test", "--attach", "/no"], 66, "/no: No"),
        (["--subject", "x"], 64, "to whom?"),
        (["--to", "a@example.test", "--user", "a"], 64, "need --server"),
        (["--to", "a@example.test", "--server", "localhost:1"], 75, "can't connect to localhost:1"),
        (["--to", "a@example.test", "--data", "/nowhere"], 75, "no data folder"),
        (["--to", "a@example.test", "--config", "/nowhere"], 78, "/nowhere"),
    ],
)
def test_send_says_what_is_wrong(
    server: Server, arguments: list[str], code: int, words: str
) -> None:
    result = run(server, "send", *arguments)
    assert (result.returncode, result.stdout) == (code, b"")
    assert words in result.stderr.decode()


def test_a_refused_recipient_and_password_send_nothing(
    make_server: Callable[..., Server],
) -> None:
    server = make_server("--user", "a@example.test:secret").start()
    result = run(server, "send", "--to", "a@example.test,b@example.test", "--body", "x")
    assert result.returncode == 67
    assert "b@example.test was refused: 550" in result.stderr.decode()
    port = server.listeners["submission"].port
    result = run(
        server,
        *("send", "--to", "a@example.test", "--body", "x", "--server", f"localhost:{port}"),
        *("--user", "a@example.test", "--ca", server.ca_file),
        MAILSUITE_PASSWORD="wrong",
    )
    assert result.returncode == 77
    assert not list(server.data.glob("mail/*/*/Maildir/new/*"))


def test_send_prints_what_it_would_send(tmp_path: Path) -> None:
    server = Server(tmp_path)
    result = done(
        run(server, "send", "--to", "b@example.test", "--dry-run", "--body", "가나다",
            "--charset", "euc-kr", "--from", "a@example.test")
    )  # fmt: skip
    assert result.stdout.endswith(b"\r\n\r\nsKGzqrTZDQo=\r\n")


# -- sendmail ------------------------------------------------------------------------------------

CRON = b"""From: root (Cron Daemon)
To: root
Subject: Cron <root@vm> job
Content-Type: text/plain; charset=UTF-8

a line
.
.after a dot, \xc3\xa4
"""


def test_sendmail_as_cron_calls_it(running: Server) -> None:
    done(run(running, "sendmail", "-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root", stdin=CRON))
    (message,) = inbox(running, EVERYONE, 1)
    assert message["From"].addresses[0].addr_spec == "root@example.test"
    assert message["To"] == "root@example.test"
    assert message.get_content() == "a line\r\n.\r\n.after a dot, ä\r\n"


def test_sendmail_takes_recipients_from_the_header(running: Server) -> None:
    text = b"To: bob\nCc: Alice <alice@example.test>,\n everyone\nBcc: bob\n\none\n.\ntwo\n"
    done(run(running, "sendmail", "-t", "-f", "alice", "-F", "Alice Ä", stdin=text))
    for account in (BOB, ALICE, EVERYONE):
        (message,) = inbox(running, account, 1)
    assert message.get_content() == "one\r\n"
    assert message["Return-Path"] == "<alice@example.test>"
    assert message["From"].addresses[0].display_name == "Alice Ä"
    assert message["To"] == "bob@example.test"
    assert message["Bcc"] is None


def test_sendmail_speaks_smtp(running: Server) -> None:
    dialogue = b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"
    result = done(run(running, "sendmail", "-bs", stdin=dialogue + b"\r\nx\r\n.\r\nQUIT\r\n"))
    assert b"\r\n250 2.0.0 Ok: queued as" in result.stdout
    inbox(running, BOB, 1)


def test_the_link_that_programs_know(running: Server, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("mailsuite")
    for name in ("sendmail", "mailq"):
        (tmp_path / name).symlink_to(program)
    variables = environment(running.home) | {"MAILSUITE_DATA": str(running.data)}
    subprocess.run(
        [tmp_path / "sendmail", "bob"], input=b"Subject: x\n\ntext\n", check=True, env=variables
    )
    inbox(running, BOB, 1)
    listed = subprocess.run([tmp_path / "mailq"], capture_output=True, check=True, env=variables)
    assert listed.stdout == b"the queue is empty\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-t"], 64, "no recipients"),
        (["-bv", "bob"], 64, "-bv is not offered"),
        (["--wrong", "bob"], 64, "--wrong is not known"),
        (["a b@example.test@"], 65, "is not an address"),
        (["-f"], 64, "needs a value"),
    ],
)
def test_sendmail_says_what_is_wrong(
    server: Server, arguments: list[str], code: int, words: str
) -> None:
    result = run(server, "sendmail", *arguments)
    assert (result.returncode, result.stdout) == (code, b"")
    assert words in result.stderr.decode()


def test_sendmail_without_a_server_queues_for_its_start(
    make_server: Callable[..., Server],
) -> None:
    server = make_server()
    assert run(server, "sendmail", "bob", stdin=b"x\n").returncode == 75  # there is no data folder
    server.start()
    server.stop()
    for number in range(3):
        text = f"Subject: {number}\nBcc: secret@example.test\n\nwaits\n".encode()
        done(run(server, "sendmail", "bob", stdin=text))
    server.start()
    found = inbox(server, BOB, 3)
    assert sorted(message["Subject"] for message in found) == ["0", "1", "2"]
    for message in found:
        assert message["From"] == message["Return-Path"].strip("<>")
        assert message["Bcc"] is None
        assert message["Message-ID"] and message["Date"] and message["Received"]


def test_the_socket_for_every_user(tmp_path: Path) -> None:
    path = tmp_path / "submit.sock"
    server = ProductionServer(tmp_path / "server", local_socket=str(path))
    server.manage("domain", "add", "localhost")
    server.manage("user", "add", "bob@localhost", "--password-stdin", stdin=b"some password 1\n")
    server.start()
    try:
        # Made after the listeners, whose acceptance is what `start` has waited for.
        eventually(lambda: path.exists() and path.stat().st_mode & 0o777 == 0o666, "the socket")
        arguments = ("-C", str(server.config_file), "-f", "shop", "bob")
        done(run(server, "sendmail", *arguments, stdin=b"x\n"))
        (message,) = inbox(server, Account("bob@localhost", "some password 1"), 1)
        assert message["From"] == "shop@localhost"
    finally:
        server.stop()
    assert not path.exists()


@pytest.mark.client("mutt")
def test_mutt_sends_by_it(running: Server, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("Notiz: äöü\n")
    subprocess.run(
        ["mutt", "-n", "-F", "/dev/null",
         "-e", f'set sendmail="{Path(sys.executable).with_name("mailsuite")} sendmail -oi"',
         "-e", "set use_envelope_from",
         "-e", "set from=alice@example.test", "-e", "set copy=no",
         "-s", "Grüße", "-a", str(tmp_path / "note.txt"), "--", "bob@example.test"],
        input="von mutt, schön\n".encode(),
        check=True,
        cwd=running.cwd,
        env=environment(running.home) | {"MAILSUITE_DATA": str(running.data)},
        timeout=60,
    )  # fmt: skip
    (message,) = inbox(running, BOB, 1)
    assert message["Subject"] == "Grüße"
    assert message["Return-Path"] == "<alice@example.test>"
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed", "text/plain", "text/plain"
    ]  # fmt: skip
