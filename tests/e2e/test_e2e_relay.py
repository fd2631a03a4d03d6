"""Mail to other hosts: a real DNS server, real mail servers, and one that is killed on the way."""

import hashlib
import json
import re
import signal
import smtplib
import ssl
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e_harness import (
    Account,
    AnonymousMemory,
    Listener,
    ProductionServer,
    eventually,
    free_ports,
    message,
    without_trace,
)
from relay_peers import Dnsmasq, HostThread, Postfix, Unbound, accepts

from mailsuite.relay.dane import key_of
from tests.next_hop import NextHop

Make = Callable[..., "Mta"]


class Mta(ProductionServer):
    """A server for one domain, whose SMTP door is at `address`, with one user."""

    def __init__(self, folder: Path, domain: str, user: str, **settings: object) -> None:
        self.domain = domain
        self.account = Account(f"{user}@{domain}", f"{user}'s secret")
        self.address = str(settings.pop("address", "127.0.0.1"))
        smtp_port = settings.pop("smtp_port", None)
        super().__init__(folder)
        if smtp_port is not None:
            door = self._doors[0] | {"port": smtp_port, "address": self.address}
            self._doors[0] = door
            self.listeners["smtp"] = Listener("smtp", self.address, int(str(smtp_port)), "starttls")
        self.settings = {"hostname": f"mx.{domain}"} | settings
        self.configure(**self.settings)
        self.manage("domain", "add", domain)
        password = f"{self.account.password}\n".encode()
        self.manage("user", "add", self.account.address, "--password-stdin", stdin=password)

    def submit(self, to: list[str], octets: bytes, **options: list[str]) -> None:
        with self.smtp("submission", self.account) as client:
            client.sendmail(self.account.address, to, octets, **options)

    def queue(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.manage("queue", "list", "--json").stdout)
        return found

    def wait_until_sent(self) -> None:
        eventually(lambda: not self.queue(), "the queue is empty", 60, self.log)


@pytest.fixture
def make_mta(tmp_path: Path) -> Iterator[Make]:
    made: list[Mta] = []

    def make(domain: str, user: str, *, folder: str = "", **settings: object) -> Mta:
        made.append(Mta(tmp_path / (folder or domain), domain, user, **settings))
        return made[-1]

    yield make
    for server in made:
        if server.is_running:
            server.stop(signal.SIGTERM)
        assert "Traceback" not in server.log(), server.log()


@pytest.fixture
def make_dns(tmp_path: Path) -> Iterator[Callable[..., Dnsmasq]]:
    made: list[Dnsmasq] = []

    def make(**hosts: str) -> Dnsmasq:
        """one="127.0.0.1": mail for one.test goes to mx.one.test, which is there."""
        domains = {
            f"{name}.test": [(10, f"mx.{name}.test", address)] for name, address in hosts.items()
        }
        made.append(Dnsmasq(tmp_path, domains))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.mark.client("dnsmasq")
def test_two_servers_find_each_other_by_mx(
    make_mta: Make, make_dns: Callable[..., Dnsmasq], token: str
) -> None:
    (port,) = free_ports(1)
    where = {"dns": make_dns(one="127.0.0.1", two="127.0.0.2").setting, "relay": {"port": port}}
    one = make_mta("one.test", "ann", smtp_port=port, address="127.0.0.1", **where).start()
    two = make_mta("two.test", "ben", smtp_port=port, address="127.0.0.2", **where).start()
    sent = message(token, "Dear Ben,\r\n.\r\n..dots\r\nAnn\r\n", one.account.address)
    one.submit([two.account.address], sent)
    found = two.wait_for(two.account, token, timeout=60)
    assert without_trace(found, sent)
    assert b"\r\nReceived: from mx.one.test " in b"\r\n" + found
    assert re.search(rb"with (UTF8SMTP|ESMTP)S", found), "opportunistic TLS"
    # And the answer.
    answer = message(f"{token}-re", "Dear Ann\r\n", two.account.address)
    two.submit([one.account.address], answer)
    one.wait_for(one.account, f"{token}-re", timeout=60)
    # A bounce finds its way back: nobody there by that name.
    one.submit([f"nobody@{two.domain}"], message(f"{token}-lost", sender=one.account.address))
    bounce = one.wait_for(one.account, f"{token}-lost", timeout=60)
    assert b"multipart/report" in bounce and b"Status: 5.1.1" in bounce
    one.wait_until_sent()
    two.wait_until_sent()
    # And the whole story can be asked for, the other server's words and the notice included.
    (about,) = re.findall(rb"^In-Reply-To: (<[^>]+>)", bounce, re.MULTILINE)
    story = eventually(
        lambda: one.manage("why", about.decode(), expect=None).stdout.decode(),
        "the story of the message",
    )
    assert f"signed in as {one.account.address}" in story
    assert re.search(r"at mx\.two\.test \[127\.0\.0\.2\]: 550 5\.1\.1 ", story), story
    assert f"sent: {one.account.address}" in story


@pytest.mark.client("unbound")
def test_dane_by_a_resolver_that_validates(make_mta: Make, tmp_path: Path, token: str) -> None:
    (port,) = free_ports(1)
    two = make_mta("two.test", "ben", smtp_port=port, address="127.0.0.2").start()
    two.manage("alias", "add", f"@{two.domain}", two.account.address)
    two.manage("domain", "add", "bad.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.2", port, timeout=60) as client:
        client.starttls(context=context)
        assert client.sock is not None
        certificate = client.sock.getpeercert(True)
    print_of_key = hashlib.sha256(key_of(certificate)).hexdigest()
    records = []
    for name, digest in (("two", print_of_key), ("bad", "ab" * 32)):
        records += [f"{name} MX 10 mx.{name}", f"mx.{name} A 127.0.0.2"]
        records.append(f"_{port}._tcp.mx.{name} TLSA 3 1 1 {digest}")
    unbound = Unbound(tmp_path, records)
    try:
        one = make_mta(
            "one.test",
            "ann",
            dns={"nameservers": f"127.0.0.1:{unbound.port}"},
            relay={"port": port},
        ).start()
        one.submit([two.account.address], message(token, sender=one.account.address))
        two.wait_for(two.account, token, timeout=60)
        one.wait_until_sent()
        assert "certificate valid by DANE" in one.log()
        # Somebody in the middle: another certificate than the one the DNS tells of.
        one.submit(["ben@bad.test"], message(f"{token}-bad", sender=one.account.address))
        eventually(lambda: one.queue()[0]["recipients"][0]["attempts"] == 1, "tried", 60, one.log)
        (entry,) = one.queue()
        shown = one.manage("queue", "show", entry["id"]).stdout.decode()
        assert "4.7.5 mx.bad.test: the certificate does not match the TLSA records" in shown
        assert "TLS is required here (DANE)" in shown
    finally:
        unbound.stop()


@pytest.mark.client("dnsmasq", "postfix")
def test_postfix_as_next_hop_and_as_source_with_starttls(
    make_mta: Make, make_dns: Callable[..., Dnsmasq], token: str, as_root: None
) -> None:
    (port,) = free_ports(1)
    postfix = Postfix("post.test", ["pat"], routes={"one.test": port})
    try:
        postfix.start()
        # By MX, and the certificate has to be right.
        rule = {"domains": "post.test", "tls": "verify"}
        one = make_mta(
            "one.test",
            "ann",
            smtp_port=port,
            dns=make_dns(post="127.0.0.1").setting,
            relay={
                "port": postfix.port,
                "destinations": [rule],
                "ca_file": str(postfix.ca_file),
            },
        ).start()
        sent = message(token, "x" * 900 + "\r\n.\r\nfrom here\r\n", one.account.address)
        one.submit(["pat@post.test"], sent)
        found = postfix.wait_for("pat", token)
        assert found.endswith(sent)
        assert re.search(rb"using TLSv1\.\d", found), found
        # Postfix to us, over TLS as well.
        with postfix_client(postfix) as client:
            client.sendmail("pat@post.test", [one.account.address], message(f"{token}-back"))
        back = one.wait_for(one.account, f"{token}-back", timeout=60)
        assert re.search(rb"with ESMTPS\s", back), back
        # What Postfix refuses comes back with its words.
        one.submit(["nobody@post.test"], message(f"{token}-none", sender=one.account.address))
        bounce = one.wait_for(one.account, f"{token}-none", timeout=60)
        assert b"5.1.1" in bounce and b"mx.post.test" in bounce
        one.wait_until_sent()
        assert "certificate valid" in one.log()
    finally:
        postfix.stop()


@pytest.mark.client("postfix")
def test_a_next_hop_that_takes_seven_bits_only(make_mta: Make, token: str, as_root: None) -> None:
    postfix = Postfix("post.test", ["pat"])
    try:
        postfix.start()
        host = {"host": "127.0.0.1", "port": postfix.plain_port, "tls": "opportunistic"}
        one = make_mta("one.test", "ann", outbound="smarthost", relay={"smarthost": host}).start()
        text = "Grüße aus Köln, und noch viel mehr Text, der in ASCII steht.\r\n"
        head = message(token, "", one.account.address).removesuffix(b"\r\n")
        mime = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        mime += "Content-Transfer-Encoding: 8bit\r\n\r\n"
        one.submit(["pat@post.test"], head + (mime + text).encode(), mail_options=["BODY=8BITMIME"])
        found = postfix.wait_for("pat", token)
        assert found.isascii() and b"\r\nContent-Transfer-Encoding: quoted-printable\r\n" in found
        assert b"\r\n\r\nGr=C3=BC=C3=9Fe aus K=C3=B6ln, und noch viel mehr Text" in found
        # Signed: not touched, and told to the sender.
        signed = (
            "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b; micalg=x;"
            " protocol=a/b\r\n\r\n--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n--b"
            "\r\nContent-Type: a/b\r\n\r\nx\r\n--b--\r\n"
        ).encode()
        head = message(f"{token}-signed", "", one.account.address).removesuffix(b"\r\n")
        one.submit(["pat@post.test"], head + signed, mail_options=["BODY=8BITMIME"])
        assert b"Status: 5.6.3" in one.wait_for(one.account, f"{token}-signed", timeout=60)
    finally:
        postfix.stop()


def postfix_client(postfix: Postfix) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", postfix.port, "client.test", timeout=60)


@pytest.mark.client("smtp-sink")
def test_a_next_hop_that_says_later_for_a_while(make_mta: Make, tmp_path: Path, token: str) -> None:
    (port,) = free_ports(1)
    host = {"host": "127.0.0.1", "port": port, "tls": "off"}
    one = make_mta(
        "one.test",
        "ann",
        outbound="smarthost",
        relay={"smarthost": host},
        queue={"first_retry": "1s", "longest_retry": "2s"},
    ).start()

    def sink(*options: str) -> subprocess.Popen[bytes]:
        user = ["-u", "nobody"] if Path("/root").stat().st_uid == 0 else []
        process = subprocess.Popen(["smtp-sink", *user, *options, f"127.0.0.1:{port}", "10"])
        eventually(lambda: accepts(port), "smtp-sink accepts", 20)
        return process

    busy = sink("-r", "RCPT")
    try:
        one.submit(["x@far.test"], message(token, sender=one.account.address))

        def tried() -> bool:
            (entry,) = one.queue()
            (recipient,) = entry["recipients"]
            return bool(recipient["attempts"] >= 2)

        eventually(tried, "two attempts", 60, one.log)
        (entry,) = one.queue()
        shown = one.manage("queue", "show", str(entry["id"])).stdout.decode()
        assert "deferred: 4.3.0 127.0.0.1 answered: 450 4.3.0 Error: command failed" in shown
        assert "Reply   450 4.3.0 Error: command failed" in shown
        assert "TLS     none (setting: off)" in shown
    finally:
        busy.terminate()
        busy.wait(20)
    ready = sink()
    try:
        one.wait_until_sent()
        assert re.search(r"sent +.*attempt=[3-9]", one.log()), one.log()
    finally:
        ready.terminate()
        ready.wait(20)


@pytest.mark.parametrize(("door", "tls"), [("submission", "verify"), ("submissions", "implicit")])
def test_a_smarthost_with_sign_in(
    make_mta: Make, tmp_path: Path, token: str, door: str, tls: str
) -> None:
    """One of our servers hands its mail to another one's submission door."""
    big = make_mta("big.test", "ben", folder="big", outbound="capture").start()
    file = tmp_path / "credentials"
    file.write_text(f"127.0.0.1 {big.account.address} {big.account.password}\n")
    file.chmod(0o600)
    host = {"host": "127.0.0.1", "port": big.port(door), "tls": tls}
    relay = {"smarthost": host, "credentials": str(file), "ca_file": big.ca_file}
    small = make_mta("big.test", "ben", folder="small", outbound="smarthost", relay=relay).start()
    small.submit(["x@far.test"], message(token, sender=big.account.address))
    found = big.wait_for(big.account, token, "Outbound", timeout=60)
    assert re.search(rb"with ESMTPSA\s", found)
    small.wait_until_sent()


@pytest.mark.parametrize("offers", [(), ("PIPELINING", "CHUNKING")], ids=["data", "bdat"])
def test_a_large_message_costs_no_memory(
    make_mta: Make, token: str, offers: tuple[str, ...]
) -> None:
    with HostThread(NextHop(offers)) as hop:
        host = {"host": "127.0.0.1", "port": hop.port, "tls": "off"}
        one = make_mta("one.test", "ann", outbound="smarthost", relay={"smarthost": host}).start()
        one.submit(["x@far.test"], message(f"{token}-small", sender=one.account.address))
        one.wait_until_sent()
        large = message(token, ("x" * 70 + "\r\n.\r\n") * 400_000, one.account.address)
        with AnonymousMemory(one.pid) as memory:
            one.submit(["x@far.test"], large)
            one.wait_until_sent()
        assert hop.octets[-1].endswith(large)
        assert memory.growth < len(large) // 2, memory.growth


def test_sighup_sends_by_another_host(make_mta: Make, token: str) -> None:
    with HostThread(NextHop()) as before, HostThread(NextHop()) as after:

        def relay(hop: NextHop) -> dict[str, object]:
            return {"smarthost": {"host": "127.0.0.1", "port": hop.port, "tls": "off"}}

        one = make_mta("one.test", "ann", outbound="smarthost", relay=relay(before)).start()
        one.submit(["x@far.test"], message(f"{token}-1", sender=one.account.address))
        eventually(lambda: len(before.messages) == 1, "by the first host", more=one.log)
        one.configure(**(one.settings | {"relay": relay(after)}))
        one.process.send_signal(signal.SIGHUP)
        eventually(lambda: "settings reloaded" in one.log(), "the log line", more=one.log)
        one.submit(["x@far.test"], message(f"{token}-2", sender=one.account.address))
        eventually(lambda: len(after.messages) == 1, "by the second host", more=one.log)
        assert len(before.messages) == 1
        # What is wrong changes nothing.
        one.configure(**(one.settings | {"relay": relay(before) | {"credentials": "none"}}))
        one.process.send_signal(signal.SIGHUP)
        eventually(lambda: "not reloaded" in one.log(), "the log line", more=one.log)
        one.submit(["x@far.test"], message(f"{token}-3", sender=one.account.address))
        eventually(lambda: len(after.messages) == 2, "by the second host still", more=one.log)


def test_etrn_sends_what_waits_for_a_host_that_was_away(make_mta: Make, token: str) -> None:
    (port,) = free_ports(1)
    host = {"host": "127.0.0.1", "port": port, "tls": "off"}
    one = make_mta(
        "one.test",
        "ann",
        relay={
            "destinations": [{"domains": ["far.test", "away.test"], "smarthost": host}],
            "etrn": "far.test",
        },
    ).start()
    for name in ("far", "away"):
        text = message(f"{token}-{name}", sender=one.account.address)
        one.submit([f"x@{name}.test"], text)

    def tried() -> bool:
        return all(row["recipients"][0]["attempts"] >= 1 for row in one.queue())

    eventually(tried, "tried", 60, one.log)
    with HostThread(NextHop(port=port)) as hop:
        with one.smtp() as client:
            client.ehlo()
            assert client.docmd("ETRN", "away.test")[0] == 459
            assert client.docmd("ETRN", "far.test") == (
                253,
                b"2.0.0 OK, 1 pending messages for node far.test started",
            )
        eventually(lambda: len(hop.messages) == 1, "the message", 60, one.log)
        (sent,) = hop.messages
        assert address_of(sent) == "x@far.test" and len(one.queue()) == 1
        with one.smtp() as client:
            client.ehlo()
            assert client.docmd("ETRN", "far.test")[0] == 251


def test_only_what_is_allowed_is_sent(make_mta: Make, token: str) -> None:
    with HostThread(NextHop()) as hop:
        host = {"host": "127.0.0.1", "port": hop.port, "tls": "off"}
        one = make_mta(
            "one.test",
            "ann",
            outbound="allowlist",
            relay={"smarthost": host, "allow": ["good.test", ".sub.test", "one@other.test"]},
        ).start()
        good = ["a@good.test", "b@x.sub.test", "one@other.test"]
        bad = ["a@bad.test", "a@sub.test", "two@other.test", "a@x.good.test"]
        one.submit([*good, *bad], message(token, sender=one.account.address))
        one.wait_until_sent()
        kept = one.wait_for(one.account, token, "Outbound")
        assert [each in kept.decode() for each in (*good, *bad)] == [False] * 3 + [True] * 4
        assert [each[1] for each in hop.messages] == [[f"TO:<{each}>" for each in good]]


def test_killed_while_it_sends_nothing_is_lost(make_mta: Make, token: str) -> None:
    """Each of 500 arrives; twice only those whose answer was not yet recorded at a kill."""
    count = 500
    with HostThread(NextHop(pause=0.5)) as hop:
        host = {"host": "127.0.0.1", "port": hop.port, "tls": "off"}
        relay = {"smarthost": host, "connections_per_destination": 5}
        one = make_mta("one.test", "ann", outbound="smarthost", relay=relay).start()
        with one.smtp("submission", one.account) as client:
            for number in range(count):
                text = message(f"{token}-{number}", sender=one.account.address)
                client.sendmail(one.account.address, [f"{number}@far.test"], text)
        hop.pause = 0.01
        already = len(hop.messages)
        stops = [already + (count - already) * part // 4 for part in (1, 2, 3)]
        unrecorded: set[str] = set()
        for taken in stops:
            eventually(lambda: len(hop.messages) >= taken, "some are sent", 60)  # noqa: B023
            one.kill()
            left = {each["address"] for entry in one.queue() for each in entry["recipients"]}
            assert 0 < len(left) < count
            unrecorded |= left & {address_of(each) for each in list(hop.messages)}
            one.start()
        one.wait_until_sent()
        found = Counter(map(address_of, list(hop.messages)))
    assert len(found) == count, "lost"
    assert {address for address, times in found.items() if times > 1} <= unrecorded


def address_of(taken: tuple[str, list[str], bytes]) -> str:
    return taken[1][0].partition("<")[2].partition(">")[0]


@pytest.mark.client("dnsmasq")
def test_captured_mail_is_sent_when_it_is_moved_to_release(
    make_mta: Make, make_dns: Callable[..., Dnsmasq], token: str
) -> None:
    (port,) = free_ports(1)
    where = {"dns": make_dns(two="127.0.0.2").setting, "relay": {"port": port}}
    one = make_mta("one.test", "ann", outbound="capture", **where).start()
    two = make_mta("two.test", "ben", smtp_port=port, address="127.0.0.2").start()
    sent = message(token, "Held back.\r\n", one.account.address)
    one.submit([two.account.address], sent)
    one.wait_for(one.account, token, "Outbound")
    assert two.bodies(two.account) == []
    with one.imap(one.account) as client:
        assert client.create("Outbound/Release")[0] == "OK"
        assert client.select("Outbound")[0] == "OK"
        answer, _ = client.uid("MOVE", "1:*", "Outbound/Release")
        assert answer == "OK"
    assert without_trace(two.wait_for(two.account, token, timeout=60), sent)
    eventually(lambda: not one.bodies(one.account, "Outbound/Release"), "the folder is empty")
    one.wait_until_sent()
