"""DKIM over the real process: what the next host gets, by the records that are to be published.

- Mail of an account, and of a program of this machine, verifies; so does what was converted.
- Mail from outside that an alias passes on is not signed, whoever it says it is from.
- Notices of ours that go to other hosts are signed.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import dns.zone
import pytest
from e2e_harness import Account, ProductionServer, eventually, message
from relay_peers import HostThread

from tests.dkim_checks import signatures, verified
from tests.next_hop import NextHop

ANN = Account("ann@one.test", "ann's secret")


@pytest.fixture
def hop() -> Iterator[NextHop]:
    with HostThread(NextHop(offers=("PIPELINING", "SIZE"))) as hop:
        yield hop


@pytest.fixture
def server(tmp_path: Path, hop: NextHop) -> Iterator[ProductionServer]:
    host = {"host": "127.0.0.1", "port": hop.port, "tls": "off"}
    server = ProductionServer(
        tmp_path, hostname="mx.one.test", outbound="smarthost", relay={"smarthost": host}
    )
    server.manage("domain", "add", "one.test")
    server.manage("user", "add", ANN.address, "--password-stdin", stdin=b"ann's secret\n")
    server.manage("alias", "add", "away@one.test", "carl@far.test")
    yield server.start()
    server.stop(signal.SIGTERM)
    assert "Traceback" not in server.log(), server.log()


def published(server: ProductionServer) -> dict[str, str]:
    """The TXT records of the lines that `mailsuite domain records` prints, as a zone has them."""
    lines = server.manage("domain", "records", "one.test").stdout.decode()
    zone = dns.zone.from_text(
        "$TTL 3600\n" + lines, origin="one.test.", relativize=False, check_origin=False
    )
    found = zone.iterate_rdatas("TXT")
    return {
        name.to_text(omit_final_dot=True): b"".join(data.strings).decode("ascii")
        for name, _, data in found
    }


def sent(server: ProductionServer, hop: NextHop, count: int) -> bytes:
    """The last of so many messages that the next host has."""
    eventually(lambda: len(hop.messages) >= count, "the message", 60, server.log)
    assert len(hop.messages) == count
    return hop.octets[-1]


def test_what_is_written_here_is_signed_and_what_came_from_outside_is_not(
    server: ProductionServer, hop: NextHop, token: str
) -> None:
    mine = message(token, sender=ANN.address)
    with server.smtp("submission", ANN) as client:
        client.sendmail(ANN.address, ["x@far.test"], mine)
        octets = sent(server, hop, 1)
        zone = published(server)
        assert verified(octets, zone), octets.decode()
        (tags,) = signatures(octets)
        assert (tags["d"], tags["s"]) == ("one.test", "mailsuite")
        assert f"SIZE={len(octets)}" in hop.messages[0][0]
        told = "dkim=mailsuite._domainkey.one.test"
        eventually(lambda: told in server.log(), "the log line", more=server.log)
        # Beyond ASCII, for a host without 8BITMIME, under another name of the domain.
        text = message(token, "Grüße,  \t \r\n\r\n\r\n", "office@one.test")
        client.sendmail(ANN.address, ["x@far.test"], text, mail_options=["BODY=8BITMIME"])
        octets = sent(server, hop, 2)
        assert octets.isascii() and verified(octets, zone)
        # In the name of somebody elsewhere nothing is signed.
        client.sendmail(ANN.address, ["x@far.test"], message(token, sender="ann@else.test"))
        assert not signatures(sent(server, hop, 3))
    # A program of this machine.
    program = message(token, sender="root@one.test").replace(b"\r\n", b"\n")
    server.mailsuite(
        *("sendmail", "-C", str(server.config_file), "-f", "root@one.test", "x@far.test"),
        stdin=program,
    )
    assert verified(sent(server, hop, 4), zone)
    # From outside, with an author of ours, passed on by an alias; then our notice of its failure.
    with server.smtp() as client:
        client.sendmail("eve@else.test", ["away@one.test"], mine)
        octets = sent(server, hop, 5)
        assert octets.endswith(mine) and not signatures(octets)
        hop.replies["RCPT"] = ["550 5.1.1 nobody here", "250 2.1.5 ok"]
        client.sendmail("eve@else.test", ["away@one.test"], mine)
    octets = sent(server, hop, 6)
    assert b"From: Mail Delivery System <MAILER-DAEMON@mx.one.test>" in octets
    assert hop.messages[-1][1] == ["TO:<eve@else.test>"]
    assert signatures(octets)[0]["d"] == "one.test" and verified(octets, zone)
    # A key that breaks keeps no mail back, and the log tells its file.
    file = server.data / "dkim" / "one.test" / "mailsuite.pem"
    file.write_bytes(b"broken")
    with server.smtp("submission", ANN) as client:

        def goes_unsigned() -> bool:
            before = len(hop.messages)
            client.sendmail(ANN.address, ["x@far.test"], mine)
            return not signatures(sent(server, hop, before + 1))

        eventually(goes_unsigned, "the broken file is seen", more=server.log)
    assert f"{file}: not a private key" in server.log()
