"""PROXY protocol: HAProxy before every door, in both versions; swaks and curl as proxies."""

import imaplib
import json
import poplib
import re
import signal
import smtplib
import socket
import subprocess
from collections.abc import Iterator

import pytest
from e2e_harness import Account, ProductionServer, eventually, free_ports, message
from relay_peers import accepts

ANN = Account("ann@one.test", "ann's secret")
CLIENT = "127.0.0.5"  # where clients come from; the proxies come from 127.0.0.1
DOORS = (
    # name, protocol, TLS, what HAProxy sends
    ("p-smtp", "smtp", "starttls", "send-proxy"),
    ("p-submissions", "submission", "implicit", "send-proxy-v2"),
    ("p-lmtp", "lmtp", "none", "send-proxy-v2 proxy-v2-options crc32c"),
    ("p-imaps", "imap", "implicit", "send-proxy-v2 proxy-v2-options crc32c,authority"),
    ("p-imap", "imap", "starttls", "send-proxy-v2 check inter 200ms"),
    ("p-pop3s", "pop3", "implicit", "send-proxy"),
    ("p-pop3", "pop3", "starttls", "send-proxy-v2"),
)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionServer]:
    server = ProductionServer(tmp_path_factory.mktemp("proxied"))
    for name, protocol, tls, _ in DOORS:
        server.add_door(name, protocol, tls, proxy_protocol=True, proxy_from="127.0.0.1")
    server.configure(hostname="localhost")
    server.manage("domain", "add", "one.test")
    password = f"{ANN.password}\n".encode()
    server.manage("user", "add", ANN.address, "--password-stdin", stdin=password)
    server.start()
    yield server
    server.stop(signal.SIGTERM)
    assert "Traceback" not in server.log(), server.log()


@pytest.fixture(scope="module")
def proxy(one: ProductionServer) -> Iterator[dict[str, int]]:
    """HAProxy's port before each door."""
    ports = dict(zip([row[0] for row in DOORS], free_ports(len(DOORS)), strict=True))
    text = "defaults\n mode tcp\n timeout connect 10s\n timeout client 60s\n timeout server 60s\n"
    for name, _, _, sends in DOORS:
        text += f"listen {name}\n bind 127.0.0.1:{ports[name]}\n"
        text += f" server {name} 127.0.0.1:{one.port(name)} source 127.0.0.1 {sends}\n"
    file = one.folder / "haproxy.cfg"
    file.write_text(text)
    process = subprocess.Popen(["haproxy", "-db", "-f", str(file)], stdin=subprocess.DEVNULL)
    try:
        eventually(lambda: all(map(accepts, ports.values())), "haproxy accepts", 30)
        yield ports
    finally:
        process.terminate()
        process.wait(20)


def proxied(server: ProductionServer) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = json.loads(server.manage("status", "--json").stdout)[
        "proxied"
    ]
    return found


@pytest.mark.client("haproxy")
def test_mail_by_haproxy(one: ProductionServer, proxy: dict[str, int], token: str) -> None:
    source = (CLIENT, 0)
    with smtplib.SMTP("127.0.0.1", proxy["p-smtp"], "c.test", 60, source) as smtp:
        smtp.sendmail("eve@elsewhere.test", [ANN.address], message(f"{token}-smtp"))
    tls = one.tls()
    port = proxy["p-submissions"]
    with smtplib.SMTP_SSL("localhost", port, "c.test", timeout=60, context=tls) as direct:
        assert direct.noop()[0] == 250
    with smtplib.SMTP_SSL(
        "localhost", port, "c.test", timeout=60, source_address=source, context=tls
    ) as smtps:
        smtps.login(ANN.address, ANN.password)
        smtps.sendmail(ANN.address, [ANN.address], message(f"{token}-tls", sender=ANN.address))
    with smtplib.LMTP("127.0.0.1", proxy["p-lmtp"], "c.test", source) as lmtp:
        lmtp.sendmail("eve@elsewhere.test", [ANN.address], message(f"{token}-lmtp"))
    for door, by in (("smtp", rb"E?SMTP"), ("tls", rb"ESMTPSA"), ("lmtp", rb"LMTP")):
        found = one.wait_for(ANN, f"{token}-{door}", timeout=60)
        trace = rb"Received: from c\.test \(\[127\.0\.0\.5\]\)\s+by localhost\s+with " + by
        assert re.search(trace, found), found[:600]


@pytest.mark.client("haproxy")
def test_mailboxes_by_haproxy(one: ProductionServer, proxy: dict[str, int]) -> None:
    with imaplib.IMAP4_SSL("localhost", proxy["p-imaps"], ssl_context=one.tls()) as imap:
        assert imap.login(ANN.address, ANN.password)[0] == "OK"
    with imaplib.IMAP4("localhost", proxy["p-imap"]) as plain:
        plain.starttls(one.tls())
        assert plain.login(ANN.address, ANN.password)[0] == "OK"
    secure = poplib.POP3_SSL("localhost", proxy["p-pop3s"], context=one.tls(), timeout=60)
    pop3 = poplib.POP3("localhost", proxy["p-pop3"], timeout=60)
    pop3.stls(one.tls())
    for client in (secure, pop3):
        client.user(ANN.address)
        client.pass_(ANN.password)
        assert client.quit().startswith(b"+OK")
    with socket.create_connection(("127.0.0.1", proxy["p-imaps"]), 60, (CLIENT, 0)) as wrong:
        wrong.sendall(b"no handshake\r\n")
        assert b"OK" not in wrong.recv(1000)
    eventually(lambda: f"peer={CLIENT}" in one.log(), "the client in the log", more=one.log)
    eventually(lambda: proxied(one)["p-imap"]["own"] > 2, "health checks", more=one.log)
    counted = proxied(one)
    assert all(counted[name]["connections"] for name in ("p-imaps", "p-imap", "p-pop3s", "p-pop3"))
    assert counted["p-imap"]["bad_headers"] == 0


@pytest.mark.client("swaks")
def test_swaks_as_a_proxy(one: ProductionServer, token: str) -> None:
    words = ["--server", "127.0.0.1", "--port", str(one.port("p-smtp")), "--helo", "c.test"]
    words += ["--from", "eve@elsewhere.test", "--to", ANN.address, "--timeout", "60"]
    ends = ["--proxy-source-port", "1234", "--proxy-dest-port", "25"]
    four = ["--proxy-source", "192.0.2.7", "--proxy-dest", "198.51.100.1", *ends]
    six = ["--proxy-source", "2001:db8::7", "--proxy-dest", "2001:db8::1", *ends]
    for number, (version, family, more, literal) in enumerate(
        [
            ("1", "TCP4", four, rb"\[192\.0\.2\.7\]"),
            ("1", "TCP6", six, rb"\[IPv6:2001:db8::7\]"),
            ("2", "AF_INET", four, rb"\[192\.0\.2\.7\]"),
            ("2", "AF_INET6", six, rb"\[IPv6:2001:db8::7\]"),
        ]
    ):
        subject = ["--header", f"Subject: {token}-{number}"]
        proxy = ["--proxy-version", version, "--proxy-family", family, *more]
        one.run("swaks", *words, *subject, *proxy)
        found = one.wait_for(ANN, f"{token}-{number}", timeout=60)
        assert re.search(rb"from c\.test \(" + literal + rb"\)", found), found[:500]
    bad = proxied(one)["p-smtp"]["bad_headers"]
    one.run("swaks", *words, "--proxy", "TCP4 nonsense 1 2 3", expect=None)
    assert "bad proxy header" in one.log()
    assert proxied(one)["p-smtp"]["bad_headers"] == bad + 1


@pytest.mark.client("curl")
def test_curl_as_a_proxy(one: ProductionServer) -> None:
    login = ("--user", f"{ANN.address}:{ANN.password}", "--cacert", one.ca_file)
    for scheme, door in (("imaps", "p-imaps"), ("pop3s", "p-pop3s")):
        url = f"{scheme}://localhost:{one.port(door)}/"
        one.run("curl", "-sS", "-4", "--haproxy-protocol", *login, url)
        # Without the header it is nobody.
        one.run("curl", "-sS", "-4", "--max-time", "20", *login, url, expect=None)
    assert proxied(one)["p-imaps"]["bad_headers"] >= 1


def test_who_is_no_proxy_is_refused(one: ProductionServer) -> None:
    for name, *_ in DOORS:
        with socket.create_connection(("127.0.0.1", one.port(name)), 60, (CLIENT, 0)) as client:
            try:
                client.sendall(b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n")
                assert client.recv(100) == b""
            except ConnectionError:
                continue
    assert all(counts["untrusted"] == 1 for counts in proxied(one).values())
    told = one.manage("status").stdout.decode()
    assert re.search(r"p-smtp behind a proxy: \d+ connections, refused 1 from elsewhere", told)
