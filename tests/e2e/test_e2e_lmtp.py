"""LMTP (RFC 2033): Postfix, swaks and our own relay hand mail over, by TCP and a Unix socket."""

import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_harness import Account, ProductionServer, eventually, message, without_trace
from relay_peers import Postfix

ANN = Account("ann@one.test", "ann's secret")
FULL = Account("full@one.test", "full's secret")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where Postfix, which gives up root, finds the socket."""
    made = Path(tempfile.mkdtemp(prefix="mailsuite-lmtp-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[ProductionServer]:
    server = ProductionServer(tmp_path_factory.mktemp("lmtp"))
    server.add_door("lmtp", "lmtp", "starttls")
    server.add_socket("lmtp", folder / "lmtp.sock")
    server.configure(hostname="mx.one.test")
    server.manage("domain", "add", "one.test")
    for each in (ANN, FULL):
        add_user(server, each)
    server.manage("user", "quota", FULL.address, "--storage", "1KiB")
    server.start()
    yield server
    server.stop(signal.SIGTERM)
    assert "Traceback" not in server.log(), server.log()
    assert not (folder / "lmtp.sock").exists()


def add_user(server: ProductionServer, account: Account) -> None:
    password = f"{account.password}\n".encode()
    server.manage("user", "add", account.address, "--password-stdin", stdin=password)


@pytest.mark.client("postfix")
@pytest.mark.parametrize("way", ["tcp", "socket"])
def test_postfix_hands_over(
    one: ProductionServer, folder: Path, way: str, token: str, as_root: None
) -> None:
    port = one.port("lmtp")
    route = f"lmtp:inet:127.0.0.1:{port}" if way == "tcp" else f"lmtp:unix:{folder}/lmtp.sock"
    postfix = Postfix("post.test", ["pat"], routes={"one.test": route})
    try:
        postfix.start()
        sent = message(token, "Dear Ann,\r\n..\r\n" + "x" * 70 + "\r\n.\r\n" + "y" * 998 + "\r\n")
        with postfix.client() as client:
            client.sendmail("pat@post.test", [ANN.address, FULL.address, "no@one.test"], sent)
        found = one.wait_for(ANN, token, timeout=60)
        assert without_trace(found, sent)
        # Each recipient's own end, in Postfix's words.
        log = postfix.log
        for name, end in (
            ("ann", r"status=sent \(250 2\.0\.0 <ann@one\.test> Ok: queued as "),
            ("full", r"status=deferred .*452 4\.2\.2 <full@one\.test>"),
            ("no", r"status=bounced .*550 5\.1\.1 <no@one\.test>"),
        ):
            line = rf"to=<{name}@one\.test>.*{end}"
            eventually(lambda: re.search(line, log()), f"{name}: {end}", 60, log)  # noqa: B023
        received = re.search(rb"with (LMTPS?)\s", found)
        assert received and received[1] == (b"LMTPS" if way == "tcp" else b"LMTP"), found[:900]
        assert one.bodies(FULL) == []
    finally:
        postfix.stop()


@pytest.mark.client("swaks")
def test_swaks(one: ProductionServer, folder: Path, token: str) -> None:
    where = ("--server", "127.0.0.1", "--port", str(one.port("lmtp")))
    for number, place in enumerate([where, ("--socket", str(folder / "lmtp.sock"))]):
        words = ("--from", "eve@elsewhere.test", "--header", f"Subject: {token}-{number}")
        words += ("--body", "x" * 990 + "\\n" + "y" * 990)
        to = f"{ANN.address},{FULL.address}"
        done = one.run("swaks", "--protocol", "LMTP", *place, *words, "--to", to)
        assert b"LHLO" in done.stdout and b"250 2.0.0 <ann@one.test> Ok: queued" in done.stdout
        assert b"452 4.2.2 <full@one.test> The mailbox is full" in done.stdout
        one.wait_for(ANN, f"{token}-{number}", timeout=60)
    done = one.run("swaks", "--protocol", "LMTP", *where, "--to", "x@far.test", expect=24)
    assert b"550 5.7.1 Relaying denied" in done.stdout


def test_our_relay_as_the_client(one: ProductionServer, tmp_path: Path, token: str) -> None:
    host = {"host": "127.0.0.1", "port": one.port("lmtp"), "tls": "require", "protocol": "lmtp"}
    front = ProductionServer(tmp_path / "front", hostname="mx.front.test")
    front.configure(
        hostname="mx.front.test",
        outbound="smarthost",
        relay={"smarthost": host},
        queue={"first_retry": "1s", "longest_retry": "2s"},
    )
    front.manage("domain", "add", "front.test")
    fred = Account("fred@front.test", "fred's secret")
    add_user(front, fred)
    front.start()
    try:
        sent = message(token, "Dear Ann\r\n" + "z" * 998 + "\r\n", fred.address)
        with front.smtp("submission", fred) as client:
            client.sendmail(fred.address, [ANN.address, FULL.address, "no@one.test"], sent)
        assert b"with LMTPS" in one.wait_for(ANN, token, timeout=60)
        # Who does not exist comes back; who is full waits, and gets it when there is room.
        bounce = front.wait_for(fred, token, timeout=60)
        assert b"no@one.test" in bounce and b"full@one.test" not in bounce.partition(b"Subject")[0]
        one.manage("user", "quota", FULL.address, "--none")
        assert without_trace(one.wait_for(FULL, token, timeout=60), sent)
    finally:
        front.stop(signal.SIGTERM)
