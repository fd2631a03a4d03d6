"""On-demand mail relay: fetchmail brings a domain's mail from one server to another (RFC 2645)."""

import json
import os
import re
import signal
import smtplib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from e2e_harness import (
    Account,
    Listener,
    ProductionServer,
    eventually,
    free_ports,
    message,
    without_trace,
)
from relay_peers import HostThread

from tests.next_hop import NextHop

pytestmark = pytest.mark.client("fetchmail", "openssl")


class Provider(ProductionServer):
    """Has mail for branch.test, and for what is below it, which the account branch fetches."""

    def __init__(self, folder: Path, tls: str = "none", **settings: object) -> None:
        super().__init__(folder)
        self.account = Account("branch@provider.test", "branch's secret")
        (port,) = free_ports(1)
        self.listeners["odmr"] = Listener("odmr", "127.0.0.1", port, tls)
        door = {"protocol": "odmr", "address": "127.0.0.1", "port": port, "tls": tls}
        self._doors.append(door)
        domains = ["branch.test", ".branch.test"]
        self.atrn = [{"account": self.account.address, "domains": domains}]
        self.settings: dict[str, object] = {"relay": {"atrn": self.atrn}} | settings
        self.configure(**self.settings)
        self.manage("domain", "add", "provider.test")
        password = f"{self.account.password}\n".encode()
        self.manage("user", "add", self.account.address, "--password-stdin", stdin=password)
        self.manage(
            *("user", "legacy-auth", self.account.address, "on", "--password-stdin"),
            stdin=password,
        )

    def bring(self, to: str, octets: bytes) -> None:
        """Mail from anybody."""
        with smtplib.SMTP("127.0.0.1", self.port("smtp"), timeout=60) as client:
            client.sendmail("eve@elsewhere.test", [to], octets)

    def queue(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.manage("queue", "list", "--json").stdout)
        return found

    def fetch(self, folder: Path, to: int, *domains: str, expect: int | None = 0) -> str:
        """fetchmail at the branch, whose own server is at the port `to`."""
        config = folder / "fetchmailrc"
        # fetchmail's own TLS stalls when several lines come in one record.
        tls = f"openssl s_client -quiet -verify_return_error -CAfile {self.ca_file}"
        tls += " -verify_hostname %h -connect %h:%p"
        plugin = f'plugin "{tls}"' if self.listeners["odmr"].tls == "implicit" else ""
        config.write_text(
            f"poll localhost protocol ODMR port {self.port('odmr')} {plugin}\n"
            f'  user "{self.account.address}" password "{self.account.password}"\n'
            f"  smtphost 127.0.0.1/{to} fetchdomains {' '.join(domains)}\n"
        )
        config.chmod(0o600)
        done = self.run(
            *("fetchmail", "--fetchmailrc", config, "--nodetach", "--nosyslog", "-v", "-v"),
            *("--pidfile", folder / "pid", "--idfile", folder / "ids"),
            expect=expect,
        )
        return (done.stdout + done.stderr).decode(errors="replace")


Make = Callable[..., Provider]


@pytest.fixture
def make_provider(tmp_path: Path) -> Iterator[Make]:
    made: list[Provider] = []

    def make(**settings: Any) -> Provider:
        made.append(Provider(tmp_path / f"provider{len(made)}", **settings).start())
        return made[-1]

    yield make
    for server in made:
        if server.is_running:
            server.stop(signal.SIGTERM)
        assert "Traceback" not in server.log(), server.log()


def test_from_one_server_to_another(make_provider: Make, tmp_path: Path, token: str) -> None:
    """Over TLS; the other tests do without it."""
    provider = make_provider(tls="implicit")
    branch = ProductionServer(tmp_path / "branch")
    branch.manage("domain", "add", "branch.test")
    ann = Account("ann@branch.test", "ann's secret")
    branch.manage("user", "add", ann.address, "--password-stdin", stdin=b"ann's secret\n")
    branch.start()
    port = branch.port("smtp")
    try:
        assert "You have no mail" in provider.fetch(tmp_path, port, "branch.test")
        sent = message(token, "Dear Ann,\r\n.\r\n..dots\r\nGr\xfc\xdfe\r\n" + "x" * 990 + "\r\n")
        provider.bring(ann.address, sent)
        provider.bring("nobody@branch.test", message(f"{token}-2"))
        provider.bring("b@sub.branch.test", message(f"{token}-3"))
        told = provider.manage("queue", "list").stdout.decode()
        assert "when its host asks, within" in told, told
        assert "Turnaround now" in provider.fetch(tmp_path, port, "branch.test")
        assert without_trace(branch.wait_for(ann, token), sent)
        # Who is not there is told to the sender, as by every server; here nobody takes the notice.
        left = {one["address"] for entry in provider.queue() for one in entry["recipients"]}
        assert left - {"eve@elsewhere.test"} == {"b@sub.branch.test"}
        story = eventually(
            lambda: provider.manage("why", f"{token}@client.test", expect=None).stdout.decode(),
            "the story of the message",
        )
        assert "held until its host asks" in story
        assert re.search(r"sent: ann@branch\.test \(attempt 1, on-demand\): 2\.0\.0 ", story)
        assert "signed in as branch@provider.test (ATRN by branch@" in story
        # All or nothing.
        refused = provider.fetch(tmp_path, port, "sub.branch.test", "far.test", expect=None)
        assert "ATRN request refused" in refused
        assert "refused" in provider.log()
    finally:
        branch.stop(signal.SIGTERM)


def test_killed_while_it_hands_over_nothing_is_lost(
    make_provider: Make, tmp_path: Path, token: str
) -> None:
    """Each arrives; twice only those whose answer was not yet recorded at a kill."""
    count, names = 40, [f"{number}@branch.test" for number in range(40)]
    provider = make_provider()
    with provider.smtp() as client:
        for name in names:
            client.sendmail("eve@elsewhere.test", [name], message(f"{token}-{name}"))
    unrecorded: set[str] = set()
    with HostThread(NextHop(pause=0.01)) as hop, ThreadPoolExecutor(1) as pool:
        for taken in (8, 20):
            fetching = pool.submit(provider.fetch, tmp_path, hop.port, "branch.test", expect=None)
            eventually(lambda: len(hop.messages) >= taken, "some are sent", 60)  # noqa: B023
            provider.kill()
            fetching.result(60)
            left = {one["address"] for entry in provider.queue() for one in entry["recipients"]}
            assert 0 < len(left) < count
            unrecorded |= left & {address_of(each) for each in hop.messages}
            assert len(left) + len(set(map(address_of, hop.messages)) - left) == count
            provider.start()
        assert "Turnaround now" in provider.fetch(tmp_path, hop.port, "branch.test")
        assert not provider.queue(), provider.log()
        found = Counter(map(address_of, hop.messages))
    assert sorted(found) == sorted(names), "lost"
    assert {address for address, times in found.items() if times > 1} <= unrecorded
    assert len(unrecorded) <= 2


def test_the_host_is_killed_while_it_fetches(
    make_provider: Make, tmp_path: Path, token: str
) -> None:
    provider = make_provider()
    names = [f"{number}@branch.test" for number in range(20)]
    with provider.smtp() as client:
        for name in names:
            client.sendmail("eve@elsewhere.test", [name], message(f"{token}-{name}"))
    with HostThread(NextHop(pause=0.01)) as hop, ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(provider.fetch, tmp_path, hop.port, "branch.test", expect=None)
        eventually(lambda: len(hop.messages) >= 6, "some are sent", 60)
        os.kill(int((tmp_path / "pid").read_text().split()[0]), signal.SIGKILL)
        fetching.result(60)
        (tmp_path / "pid").unlink()
        eventually(lambda: "turn ended" in provider.log(), "its end is seen", more=provider.log)
        left = {one["address"] for entry in provider.queue() for one in entry["recipients"]}
        assert not any(one["active"] for entry in provider.queue() for one in entry["recipients"])
        both = left & {address_of(each) for each in hop.messages}
        assert len(both) <= 1
        provider.fetch(tmp_path, hop.port, "branch.test")
        found = Counter(map(address_of, hop.messages))
    assert sorted(found) == sorted(names) and not provider.queue()
    assert {address for address, times in found.items() if times > 1} <= both


def test_sighup_gives_and_takes_domains(make_provider: Make, tmp_path: Path, token: str) -> None:
    with HostThread(NextHop()) as smart, HostThread(NextHop()) as hop:
        host = {"host": "127.0.0.1", "port": smart.port, "tls": "off"}
        provider = make_provider()
        assert provider.process is not None

        def reload(**relay: object) -> None:
            count = provider.log().count("settings reloaded")
            provider.configure(outbound="smarthost", relay=relay)
            provider.process.send_signal(signal.SIGHUP)
            eventually(lambda: provider.log().count("settings reloaded") > count, "the log line")

        reload(atrn=provider.atrn, smarthost=host)
        provider.bring("a@branch.test", message(f"{token}-1"))
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            provider.bring("a@other.test", message(f"{token}-2"))
        both = {"account": provider.account.address, "domains": ["branch.test", "other.test"]}
        reload(atrn=[both], smarthost=host)
        provider.bring("a@other.test", message(f"{token}-2"))
        provider.fetch(tmp_path, hop.port, "other.test")
        assert [address_of(each) for each in hop.messages] == ["a@other.test"]
        # No host fetches it any more: it goes as other mail does.
        assert not smart.messages and len(provider.queue()) == 1
        reload(smarthost=host)
        eventually(lambda: len(smart.messages) == 1, "sent by the smarthost", more=provider.log)
        assert address_of(smart.messages[0]) == "a@branch.test"


def test_turn_on_the_submission_listener(make_provider: Make, token: str) -> None:
    provider = make_provider()
    provider.bring("a@branch.test", message(token))
    with provider.smtp("submission", provider.account) as client:
        assert client.docmd("TURN")[0] == 250
        assert client.sock is not None and client.file is not None
        answers = {b"EHLO": b"250 branch.test\r\n", b"DATA": b"354 go on\r\n"}
        client.sock.sendall(b"220 branch.test ready\r\n")
        lines: list[bytes] = []
        while not lines or lines[-1] != b"QUIT\r\n":
            lines.append(client.file.readline())
            if b"DATA\r\n" in lines and lines[-1] not in (b"DATA\r\n", b".\r\n", b"QUIT\r\n"):
                continue
            client.sock.sendall(answers.get(lines[-1][:4], b"250 ok\r\n"))
        assert b"RCPT TO:<a@branch.test>\r\n" in lines
        assert f"Subject: {token}\r\n".encode() in lines
        assert client.file.readline() == b""
        client.close()
    assert not provider.queue()


def address_of(taken: tuple[str, list[str], bytes]) -> str:
    return taken[1][0].partition("<")[2].partition(">")[0]
