"""Programs that collect by POP3: getmail, mpop, mutt, curl, poplib; APOP, STLS, UTF-8."""

import poplib
from collections.abc import Iterator
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from email.policy import SMTP
from pathlib import Path

import pytest
from e2e_harness import HOST, Account, Server, eventually, message
from e2e_terminal import in_a_terminal

OLD = Account("old@example.test", "tanstaaf 1")
BODY = ".\r\n..dots\r\n" + "long line " * 60 + "\r\n"


def deliver(server: Server, account: Account, *subjects: str) -> None:
    """By SMTP, one after the other, until they are there."""
    with server.smtp() as client:
        for subject in subjects:
            client.sendmail("eve@elsewhere.test", [account.address], message(subject, BODY))
    eventually(lambda: len(server.bodies(account)) == len(subjects), "mail", more=server.log)


def as_unix(octets: bytes) -> bytes:
    return octets.replace(b"\r\n", b"\n")


@pytest.fixture(scope="module")
def old_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One on which an account has opted in to APOP."""
    server = Server(tmp_path_factory.mktemp("old"), f"--user={OLD.address}:{OLD.password}").start()
    words = ("user", "legacy-auth", OLD.address, "on", "--data", str(server.data))
    server.mailsuite(*words, "--password-stdin", stdin=OLD.password.encode() + b"\n")
    yield server
    server.stop()


@pytest.mark.client("getmail")
def test_getmail(server: Server, account: Account, token: str, tmp_path: Path) -> None:
    deliver(server, account, f"{token}-0", f"{token}-1")
    collected = tmp_path / "collected"
    config = tmp_path / "getmailrc"

    def collect(*, delete: bool) -> bytes:
        config.write_text(
            f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = {HOST}\n"
            f"port = {server.port('pop3s')}\n"
            f"username = {account.address}\npassword = {account.password}\n"
            f"ca_certs = {server.ca_file}\n"
            "[destination]\ntype = MDA_external\npath = /bin/sh\nallow_root_commands = true\n"
            # It waits in vain for a program that has ended before it begins to wait.
            f'arguments = ("-c", "cat >> {collected}; sleep 0.2")\n'
            f"[options]\nread_all = false\ndelete = {str(delete).lower()}\n"
            "delivered_to = false\nreceived = false\n"
        )
        server.run("getmail", "--getmaildir", tmp_path, "--rcfile", config)
        return collected.read_bytes()

    got = collect(delete=False)
    assert as_unix(got).count(as_unix(b"\r\n\r\n" + BODY.encode())) == 2
    assert all(f"Subject: {token}-{number}\n".encode() in as_unix(got) for number in (0, 1))
    assert collect(delete=True) == got  # nothing is new: it knows them by their unique ids
    assert server.bodies(account) == []


@pytest.mark.client("mpop")
@pytest.mark.parametrize("listener", ["pop3", "pop3s"])
def test_mpop(server: Server, account: Account, token: str, tmp_path: Path, listener: str) -> None:
    """It sends its commands in pipelines, where CAPA allows that."""
    deliver(server, account, *(f"{token}-{number}" for number in range(5)))
    mbox = tmp_path / "mbox"
    config = tmp_path / "mpoprc"

    def collect(keep: str) -> list[bytes]:
        config.write_text(
            f"account default\nhost {HOST}\nport {server.port(listener)}\ntls on\n"
            f"tls_starttls {'off' if listener == 'pop3s' else 'on'}\n"
            f"tls_trust_file {server.ca_file}\nuser {account.address}\n"
            f"password {account.password}\nauth on\npipelining auto\nkeep {keep}\n"
            f"received_header off\nuidls_file {tmp_path}/uidls\ndelivery mbox {mbox}\n"
        )
        config.chmod(0o600)
        server.run("mpop", "--file", config, "--all-accounts")
        return mbox.read_bytes().split(f"Subject: {token}".encode())[1:]

    assert len(collect("on")) == 5
    assert len(collect("off")) == 5
    assert server.bodies(account) == []


@pytest.mark.client("mutt")
def test_mutt(server: Server, account: Account, token: str, tmp_path: Path) -> None:
    """TOP for the list, RETR for the message, DELE at the end; signs in by SCRAM, over TLS 1.2."""
    deliver(server, account, f"{token}-0", f"{token}-1")
    muttrc = tmp_path / "muttrc"
    copy = tmp_path / "copy"
    muttrc.write_text(
        f'set folder = "{tmp_path}"\n'
        f'set ssl_ca_certificates_file = "{server.ca_file}"\nset ssl_starttls = yes\n'
        f'set ssl_force_tls = yes\nset ssl_use_tlsv1_3 = no\nset pop_user = "{account.address}"\n'
        f'set pop_pass = "{account.password}"\nset pop_delete = yes\nset delete = yes\n'
        "set wait_key = no\nset quit = yes\nset pop_checkinterval = 1\n"
        "unset confirmappend\nunset confirmcreate\n"
        f'set spoolfile = "pops://{HOST}:{server.port("pop3s")}/"\nset mbox_type = mbox\n'
        f"push '<tag-pattern>~A<enter><tag-prefix><copy-message>{copy}<enter>"
        "<tag-prefix><delete-message><quit>'\n"
    )
    in_a_terminal(server, "mutt", "-n", "-F", str(muttrc))
    assert copy.read_bytes().count(f"Subject: {token}-".encode()) == 2
    assert server.bodies(account) == []


@pytest.mark.client("fetchmail")
def test_fetchmail_apop(old_server: Server, token: str, tmp_path: Path) -> None:
    server, account = old_server, OLD
    deliver(server, account, token)
    mbox = tmp_path / "collected"
    config = tmp_path / "fetchmailrc"
    config.write_text(
        f"poll {HOST} protocol apop port {server.port('pop3s')}\n"
        f'  user "{account.address}" password "{account.password}" nokeep ssl\n'
        f'  sslcertck sslcertfile "{server.ca_file}" mda "cat >> {mbox}"\n'
    )
    config.chmod(0o600)
    server.run("fetchmail", "-f", config, "-N", "--nosyslog", "--pidfile", tmp_path / "pid")
    assert token.encode() in mbox.read_bytes()
    assert server.bodies(account) == []


@pytest.mark.client("curl")
def test_apop(old_server: Server, token: str) -> None:
    server, account = old_server, OLD
    deliver(server, account, token)
    port = server.port("pop3s")
    done = server.run(
        *("curl", "--silent", "--show-error", "--cacert", server.ca_file),
        *("--user", f"{account.address}:{account.password}", "--login-options", "AUTH=+APOP"),
        f"pop3s://{HOST}:{port}/1",
    )
    assert token.encode() in done.stdout
    for password in (account.password, "wrong"):
        client = poplib.POP3_SSL(HOST, port, context=server.tls(), timeout=30)
        try:
            if password == "wrong":
                with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
                    client.apop(account.address, password)
            else:
                client.apop(account.address, password)
                client.dele(1)
                client.quit()
        finally:
            client.close()


def test_utf8(server: Server, account: Account, token: str) -> None:
    """A header in UTF-8 for a client that says UTF8; else one in ASCII that reads the same."""
    letter = message(token, BODY).replace(b"Subject: ", "Subject: Grüße ".encode())
    with server.smtp() as client:
        client.sendmail("eve@elsewhere.test", [account.address], letter, ["SMTPUTF8"])
    eventually(lambda: len(server.bodies(account)) == 1, "mail", more=server.log)
    with server.pop3(account) as pop:
        shown = b"\r\n".join(pop.retr(1)[1])
        assert shown.isascii()
        subject = BytesHeaderParser(policy=SMTP).parsebytes(shown)["subject"]
        assert str(make_header(decode_header(str(subject)))) == f"Grüße {token}"
        assert pop.top(1, 0)[1] == [*shown.split(b"\r\n\r\n")[0].split(b"\r\n"), b""]
    pop = poplib.POP3_SSL(HOST, server.port("pop3s"), context=server.tls(), timeout=30)
    assert pop.capa()["UTF8"] == ["USER"]
    pop.utf8()
    pop.user(account.address)
    pop.pass_(account.password)
    assert b"\r\n".join([*pop.retr(1)[1], b""]) == server.bodies(account)[0]
    pop.close()
