"""`mailsuite serve`, the production form, and the commands beside it."""

import json
import os
import pwd
import shutil
import signal
import smtplib
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from e2e_harness import HOST, Account, ProductionServer, eventually, message

DOMAIN = "home.test"
ANN = Account(f"ann@{DOMAIN}", "ann's secret")
MakeProduction = Callable[..., ProductionServer]


@pytest.fixture
def make_production(tmp_path: Path) -> Iterator[MakeProduction]:
    made: list[ProductionServer] = []

    def make(folder: Path | None = None, **settings: object) -> ProductionServer:
        made.append(ProductionServer(folder or tmp_path / f"production{len(made)}", **settings))
        return made[-1]

    yield make
    for server in made:
        if server.is_running:
            server.stop(signal.SIGTERM)
        assert "Traceback" not in server.log(), server.log()


def add_ann(server: ProductionServer) -> None:
    server.manage("domain", "add", DOMAIN)
    server.manage(
        "user", "add", ANN.address, "--password-stdin", stdin=f"{ANN.password}\n".encode()
    )


def test_accounts_before_and_while_it_runs(make_production: MakeProduction, token: str) -> None:
    server = make_production()
    add_ann(server)
    server.start()
    with server.smtp() as client:
        client.sendmail("eve@elsewhere.test", [ANN.address], message(token))
    server.wait_for(ANN, token)
    # Nobody else may read what the server writes, whatever the rights of the data folder.
    written = [path.stat().st_mode for path in (server.data / "mail").rglob("*")]
    assert written and not any(mode & 0o077 for mode in written)

    # An alias, a user and a password take effect at once.
    with server.smtp() as client:
        client.ehlo()
        client.mail("eve@elsewhere.test")
        assert client.rcpt(f"info@{DOMAIN}")[0] == 550
        server.manage("alias", "add", f"info@{DOMAIN}", ANN.address)
        assert client.rcpt(f"info@{DOMAIN}")[0] == 250
        ben = Account(f"ben@{DOMAIN}", "b")
        assert client.rcpt(ben.address)[0] == 550
        server.manage("user", "add", ben.address, "--password-stdin", stdin=b"b\n")
        assert client.rcpt(ben.address)[0] == 250
        assert client.data(message(f"{token}-2"))[0] == 250
    server.wait_for(ANN, f"{token}-2")
    server.wait_for(ben, f"{token}-2")
    listed = json.loads(server.manage("user", "list", "--json").stdout)
    assert {ANN.address, ben.address} <= {row["address"] for row in listed}
    server.manage("user", "remove", ben.address)
    with pytest.raises(Exception, match="AUTHENTICATIONFAILED"), server.imap(ben):
        pass
    server.stop(signal.SIGTERM)


def test_status_and_queue(make_production: MakeProduction) -> None:
    server = make_production()
    add_ann(server)
    done = server.manage("status", expect=None)
    assert done.returncode != 0, "status of a server that does not run"
    server.start()
    status = json.loads(server.manage("status", "--json").stdout)
    assert {row["port"] for row in status["listeners"]} == {
        row.port for row in server.listeners.values()
    }
    assert json.loads(server.manage("queue", "list", "--json").stdout) == []
    for wrong in (["queue", "show", "nosuchid"], ["user", "remove", f"nobody@{DOMAIN}"]):
        done = server.manage(*wrong, expect=None)
        assert done.returncode != 0
        assert b"Traceback" not in done.stderr
        assert wrong[-1].encode() in done.stderr + done.stdout


def test_no_password_without_tls(make_production: MakeProduction) -> None:
    server = make_production()
    add_ann(server)
    server.start()
    with server.smtp("submission") as client:
        client.ehlo()
        assert not client.has_extn("auth")
        with pytest.raises(smtplib.SMTPException):
            client.login(ANN.address, ANN.password)
    with server.connect("imap") as stream:
        assert b"LOGINDISABLED" in capability(stream)
    with server.connect("pop3") as stream:
        stream.recv(1000)
        stream.sendall(b"USER x\r\n")
        assert stream.recv(1000).startswith(b"-ERR")


def capability(stream: socket.socket) -> bytes:
    stream.sendall(b"a CAPABILITY\r\n")
    got = b""
    while b"a OK" not in got:
        got += stream.recv(4096)
    return got


def test_sigterm_says_goodbye(make_production: MakeProduction) -> None:
    """Clients are told; a message that was answered with 250 is not lost."""
    server = make_production()
    add_ann(server)
    server.start()
    with server.smtp() as smtp, server.imap(ANN) as imap:
        smtp.ehlo()
        imap.select()
        imap.send(b"i IDLE\r\n")
        assert imap.readline().startswith(b"+")
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)  # timeout(1) sends it twice
        server.stop(signal.SIGTERM)
        assert smtp.getreply()[0] == 421
        assert imap.readline().startswith(b"* BYE")
        smtp.close()
        imap.sock.close()
        imap.state = "LOGOUT"
        imap.logout = lambda: None  # type: ignore[method-assign]


def shown_certificate(server: ProductionServer, context: ssl.SSLContext) -> bytes:
    with (
        server.connect("imaps") as plain,
        context.wrap_socket(plain, server_hostname=HOST) as secure,
    ):
        certificate = secure.getpeercert(binary_form=True)
        assert certificate
        return certificate


def test_sighup_takes_new_settings_and_certificates(
    make_production: MakeProduction, tmp_path: Path
) -> None:
    ca = trustme.CA()
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def issue() -> None:
        leaf = ca.issue_cert(HOST)
        key.write_bytes(leaf.private_key_pem.bytes())
        certificate.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))

    issue()
    context = ssl.create_default_context()
    ca.configure_trust(context)
    tls = {"certificate": str(certificate), "key": str(key)}
    server = make_production(tls=tls, limits={"max_message_size": 1_000_000}).start()
    first = shown_certificate(server, context)

    issue()
    server.configure(tls=tls, limits={"max_message_size": 2_000_000})
    server.process.send_signal(signal.SIGHUP)

    def size() -> bool:
        with server.smtp() as client:
            client.ehlo()
            return client.esmtp_features["size"] == "2000000"

    eventually(size, "the new limit", more=server.log)
    assert shown_certificate(server, context) != first

    # A mistake leaves everything as it was.
    second = shown_certificate(server, context)
    server.config_file.write_text("limits: {max_message_size: much}\n")
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: "not reloaded" in server.log(), "the log line", more=server.log)
    assert shown_certificate(server, context) == second
    assert size()


def test_root_is_given_up(make_production: MakeProduction, token: str, as_root: None) -> None:
    folder = Path(tempfile.mkdtemp(prefix="mailsuite-test-"))
    folder.chmod(0o755)
    try:
        server = make_production(folder, user="nobody")
        server.start()
        uid = pwd.getpwnam("nobody").pw_uid
        status = Path(f"/proc/{server.pid}/status").read_text()
        ids = next(line.split()[1:] for line in status.splitlines() if line.startswith("Uid:"))
        assert ids == [str(uid)] * 4
        add_ann(server)
        with server.smtp() as client:
            client.sendmail("eve@elsewhere.test", [ANN.address], message(token))
        server.wait_for(ANN, token)
        owners = {path.stat().st_uid for path in (server.data / "mail").rglob("*")}
        assert owners == {uid}
        # And again, with accounts that root has made meanwhile.
        server.stop(signal.SIGTERM)
        server.start()
        server.wait_for(ANN, token)
    finally:
        if server.is_running:
            server.stop(signal.SIGTERM)
        shutil.rmtree(folder, ignore_errors=True)
    assert os.geteuid() == 0


def test_config_check_tells_every_mistake(make_production: MakeProduction, tmp_path: Path) -> None:
    server = make_production()
    path = tmp_path / "wrong.yaml"
    path.write_text(
        "hostnam: mail.home.test\n"
        "limits:\n"
        "  max_message_size: much\n"
        "listeners:\n"
        "  - {protocol: imap, port: 99999}\n"
    )
    done = server.mailsuite("config", "check", "-c", str(path), expect=None)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode != 0
    assert f"{path}:1: hostnam:" in text.replace("\n", " ") or "wrong.yaml:1: hostnam" in text
    assert "did you mean" in text
    assert "wrong.yaml:3:" in text
    assert "wrong.yaml:5:" in text


def test_config_sample_is_right(make_production: MakeProduction, tmp_path: Path) -> None:
    server = make_production()
    path = tmp_path / "sample.yaml"
    path.write_bytes(server.mailsuite("config", "sample").stdout)
    server.mailsuite("config", "check", "-c", str(path))
    server.mailsuite("config", "check", "-c", str(server.config_file))
