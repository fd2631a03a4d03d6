"""Mail that an alias forwards to another host: long senders, bounces, trace fields."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_harness import Account, ProductionServer, eventually, message
from relay_peers import HostThread

from tests.next_hop import NextHop

VERP = "news-bounces+list-2026-11-28-0001-alice=example.test-and-some-more-words-of-it-0@lists.test"
ANN = Account("ann@one.test", "a long one")


@pytest.fixture
def hop() -> Iterator[NextHop]:
    with HostThread(NextHop()) as host:
        yield host


@pytest.fixture
def server(tmp_path: Path, hop: NextHop) -> Iterator[ProductionServer]:
    relay = {"smarthost": {"host": "127.0.0.1", "port": hop.port, "tls": "off"}}
    made = ProductionServer(tmp_path / "one", outbound="smarthost", relay=relay)
    made.manage("domain", "add", "one.test")
    made.manage("user", "add", ANN.address, "--password-stdin", stdin=b"a long one\n")
    made.manage("alias", "add", "list@one.test", "far@far.test")
    made.start()
    yield made
    if made.is_running:
        made.stop(signal.SIGTERM)
    assert "Traceback" not in made.log(), made.log()


def path(argument: str) -> str:
    return argument.partition("<")[2].partition(">")[0]


def test_a_bounce_to_a_long_sender_comes_back(
    server: ProductionServer, hop: NextHop, token: str
) -> None:
    assert len(VERP.partition("@")[0]) == 80
    with server.smtp() as client:
        client.sendmail(VERP, ["list@one.test"], message(token))
    eventually(lambda: len(hop.messages) == 1, "forwarded", more=server.log)
    sender = path(hop.messages[0][0])
    local, _, domain = sender.partition("@")
    assert domain == "one.test" and local.startswith("SRS0=") and len(local) <= 64
    assert path(hop.messages[0][1][0]) == "far@far.test"
    # What the next host knows is good after a crash; it bounces what it took.
    server.kill()
    server.start()
    with server.smtp() as client:
        client.sendmail("", [sender.upper()], message(f"{token}-bounce"))
        # Nobody else can make such an address.
        client.ehlo()
        client.mail("x@far.test")
        assert client.rcpt(f"{local[:-1]}{'a' if local[-1] != 'a' else 'b'}@one.test")[0] == 550
    eventually(lambda: len(hop.messages) == 2, "the bounce", more=server.log)
    assert [path(hop.messages[1][0]), path(hop.messages[1][1][0])] == ["", VERP]
    assert f"{token}-bounce".encode() in hop.messages[1][2]
    # What the next host refuses at once is our bounce, and goes the same way.
    hop.replies["RCPT"] = ["550 5.1.1 nobody", "250 2.1.5 good"]
    with server.smtp() as client:
        client.sendmail(VERP, ["list@one.test"], message(f"{token}-refused"))
    eventually(lambda: len(hop.messages) == 3, "our notice", more=server.log)
    assert [path(hop.messages[2][0]), path(hop.messages[2][1][0])] == ["", VERP]
    assert b"Status: 5.1.1" in hop.messages[2][2]


def test_the_return_path_of_others_is_no_trace_of_our_delivery(
    server: ProductionServer, hop: NextHop, token: str
) -> None:
    """RFC 5321 §4.4: final delivery leaves exactly one; what goes on is not touched."""
    foreign = b"Return-Path: <somebody@else.test>\r\n"
    with server.smtp() as client:
        client.sendmail(VERP, [ANN.address, "list@one.test"], foreign + message(token))
    found = server.wait_for(ANN, token)
    assert found.startswith(f"Return-Path: <{VERP}>\r\n".encode())
    assert found.count(b"Return-Path:") == 1 and found.endswith(b"\r\n" + message(token))
    eventually(lambda: len(hop.messages) == 1, "forwarded", more=server.log)
    assert hop.octets[0].endswith(b"\r\n" + foreign + message(token))
    assert hop.octets[0].count(b"Return-Path:") == 1
