"""Sign-in by real clients: each mechanism with a program that knows it, app passwords, bans.

One server for all: accounts ann (opted in to CRAM-MD5 and APOP), a listener that asks for client
certificates, an OpenID provider.
"""

import contextlib
import imaplib
import sqlite3
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from e2e_harness import HOST, Account, ProductionServer

from mailsuite.accounts import Directory
from mailsuite.signin import Ban, Bans
from tests.identity_provider import ISSUER, SECRET, Provider

ANN = Account("ann@home.test", "ann's secret")


class House:
    """The server and what its clients need."""

    def __init__(self, folder: Path, identity: Provider) -> None:
        self.identity = identity
        users = trustme.CA()
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        users.cert_pem.write_to_path(folder / "users.pem")
        own = users.issue_cert(ANN.address)
        self.certificate, self.key = folder / "ann.pem", folder / "ann-key.pem"
        own.cert_chain_pems[0].write_to_path(self.certificate)
        own.private_key_pem.write_to_path(self.key)
        (folder / "secret").write_text(SECRET + "\n")
        self.server = ProductionServer(folder / "server")
        doors = {"imaps-users": "imap", "pop3s-users": "pop3", "submissions-users": "submission"}
        for name, protocol in doors.items():
            ca = str(folder / "users.pem")
            self.server.add_door(name, protocol, "implicit", client_ca=ca)
        self.server.configure(
            outbound="capture",
            sign_in={
                "first_delay": "0s",
                "scram_plus": "always",
                "openid": {
                    "issuer": ISSUER,
                    "jwks": f"{identity.url}/jwks",
                    "introspection": f"{identity.url}/introspect",
                    "client_id": "mailsuite",
                    "client_secret": str(folder / "secret"),
                    "audience": "mailsuite",
                },
            },
        )
        self.server.data.mkdir(parents=True)
        self.directory = Directory(self.server.data / "accounts.db")
        self.directory.add_domain("home.test")
        self.directory.add_user(ANN.address, ANN.password)
        self.directory.set_legacy(ANN.address, ANN.password)

    def curl(
        self, url: str, *options: str | Path, expect: int = 0
    ) -> subprocess.CompletedProcess[bytes]:
        command = ["curl", "--silent", "--verbose", "--cacert", self.server.ca_file, "--ssl-reqd"]
        return self.server.run(*command, url, *options, expect=expect)

    def url(self, scheme: str, listener: str) -> str:
        return f"{scheme}://{HOST}:{self.server.port(listener)}/"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with Provider() as identity:
        identity.active["opaque-token"] = {"email": ANN.address, "aud": "mailsuite"}
        opened = House(tmp_path_factory.mktemp("sign-in"), identity)
        opened.server.start()
        yield opened
        opened.server.stop()
        opened.directory.close()
        assert "Traceback" not in opened.server.log(), opened.server.log()


@pytest.mark.client("curl")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("scheme", ["imap", "imaps", "pop3", "pop3s", "smtp"])
def test_curl_with_a_password(house: House, mechanism: str, scheme: str) -> None:
    who = ["--user", f"{ANN.address}:{ANN.password}", "--login-options", f"AUTH={mechanism}"]
    listener = "submission" if scheme == "smtp" else scheme
    more = ["--request", "NOOP"] if scheme == "smtp" else []
    done = house.curl(house.url(scheme, listener), *who, *more)
    assert f"{mechanism}".encode() in done.stderr
    wrong = ["--user", f"{ANN.address}:{mechanism}{scheme}", *who[2:]]
    assert house.curl(house.url(scheme, listener), *wrong, *more, expect=67).returncode == 67


def test_what_the_server_begins_takes_no_first_word(house: House) -> None:
    """RFC 4954 §4: an initial response for CRAM-MD5 is 501 5.7.0."""
    with house.server.smtp("submission") as client:
        client.starttls(context=house.server.tls())
        client.ehlo()
        assert client.docmd("AUTH", "CRAM-MD5 YW5u") == (
            501,
            b"5.7.0 The mechanism takes no initial response",
        )
        assert client.docmd("AUTH", "CRAM-MD5")[0] == 334
        assert client.docmd("*")[0] == 501


@pytest.mark.client("curl")
def test_curl_with_apop(house: House) -> None:
    who = ["--user", f"{ANN.address}:{ANN.password}", "--login-options", "AUTH=+APOP"]
    done = house.curl(house.url("pop3s", "pop3s"), *who)
    assert b"> APOP ann@home.test " in done.stderr and b"> USER" not in done.stderr
    wrong = ["--user", f"{ANN.address}:other", *who[2:]]
    house.curl(house.url("pop3s", "pop3s"), *wrong, expect=67)


@pytest.mark.client("curl")
@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
@pytest.mark.parametrize("scheme", ["imaps", "pop3s", "smtp"])
def test_curl_with_a_token(house: House, mechanism: str, scheme: str) -> None:
    listener = "submission" if scheme == "smtp" else scheme
    url = house.url(scheme, listener)
    who = ["--user", ANN.address, "--login-options", f"AUTH={mechanism}"]
    more = ["--request", "NOOP"] if scheme == "smtp" else []
    for token in (house.identity.token(email=ANN.address), "opaque-token"):
        house.curl(url, *who, *more, "--oauth2-bearer", token)
    done = house.curl(url, *who, *more, "--oauth2-bearer", "other", expect=None)
    assert done.returncode in (67, 8)


@pytest.mark.client("curl")
def test_curl_with_a_certificate(house: House) -> None:
    shown = ["--cert", house.certificate, "--key", house.key]
    who = ["--user", f"{ANN.address}:", "--login-options", "AUTH=EXTERNAL"]
    house.curl(house.url("imaps", "imaps-users"), *shown, *who)
    house.curl(house.url("pop3s", "pop3s-users"), *shown, *who)
    smtp = house.url("smtps", "submissions-users")
    house.curl(smtp, *shown, *who, "--request", "NOOP")
    other = ["--user", "bob@home.test:", *who[2:]]
    house.curl(house.url("imaps", "imaps-users"), *shown, *other, expect=67)
    # Without a certificate EXTERNAL is not offered, and passwords work there as everywhere.
    done = house.curl(house.url("imaps", "imaps-users"), *who, expect=67)
    assert b"AUTH=EXTERNAL" not in done.stderr
    password = ["--user", f"{ANN.address}:{ANN.password}"]
    house.curl(house.url("imaps", "imaps-users"), *password)


@pytest.mark.client("swaks")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_swaks(house: House, token: str, mechanism: str) -> None:
    done = house.server.run(
        *("swaks", "--server", HOST, "--port", str(house.server.port("submission")), "--tls"),
        *("--auth", mechanism, "--auth-user", ANN.address, "--auth-password", ANN.password),
        *("--from", ANN.address, "--to", ANN.address, "--header", f"Subject: {token}"),
    )
    assert b"235 2.7.0" in done.stdout


@pytest.mark.client("gsasl")
@pytest.mark.parametrize(
    ("mechanism", "binding"),
    [
        ("SCRAM-SHA-1", "--no-cb"),
        ("SCRAM-SHA-256", "--no-cb"),
        # It knows tls-unique, which is of TLS 1.2.
        ("SCRAM-SHA-1-PLUS", "--priority=NORMAL:-VERS-TLS1.3"),
        ("SCRAM-SHA-256-PLUS", "--priority=NORMAL:-VERS-TLS1.3"),
    ],
)
@pytest.mark.parametrize("kind", ["imap", "smtp"])
def test_gnu_sasl(house: House, mechanism: str, binding: str, kind: str) -> None:
    listener = "imap" if kind == "imap" else "submission"

    def signed_in(password: str, expect: int) -> bytes:
        done = house.server.run(
            *("gsasl", f"--{kind}", "--starttls", f"--x509-ca-file={house.server.ca_file}"),
            *(binding, f"--mechanism={mechanism}"),
            *(f"--authentication-id={ANN.address}", f"--password={password}"),
            *("--no-client-first", "--quiet", f"--connect={HOST}:{house.server.port(listener)}"),
            stdin=b"",
            expect=expect,
        )
        return done.stdout + done.stderr

    signed_in(ANN.password, 0)
    signed_in(f"wrong {mechanism} {kind}", 1)


@pytest.mark.client("mpop")
@pytest.mark.parametrize("mechanism", ["plain", "cram-md5", "scram-sha-1", "scram-sha-256"])
def test_mpop(house: House, mechanism: str) -> None:
    config = house.folder / "mpoprc"
    config.write_text(
        f"defaults\ntls on\ntls_trust_file {house.server.ca_file}\n"
        f"account a\nhost {HOST}\nport {house.server.port('pop3s')}\ntls_starttls off\n"
        f"auth {mechanism}\nuser {ANN.address}\npassword {ANN.password}\n"
        f"delivery mbox {house.folder}/collected\nkeep on\n"
    )
    config.chmod(0o600)
    house.server.run("mpop", "--file", config, "a")


@pytest.mark.client("fetchmail")
def test_fetchmail_with_cram_md5(house: House) -> None:
    config = house.folder / "fetchmailrc"
    config.write_text(
        f"poll {HOST} protocol imap port {house.server.port('imaps')} auth cram-md5\n"
        f'  user "{ANN.address}" password "{ANN.password}" keep\n'
        f'  ssl sslcertck sslcertfile "{house.server.ca_file}" mda "cat > /dev/null"\n'
    )
    config.chmod(0o600)
    done = house.server.run(
        *("fetchmail", "--fetchmailrc", config, "--nodetach", "--nosyslog", "--verbose"),
        *("--pidfile", house.folder / "pid", "--idfile", house.folder / "ids"),
        expect=None,
    )
    assert done.returncode in (0, 1), done.stdout  # 1: no mail
    assert b"AUTHENTICATE CRAM-MD5" in done.stdout


@pytest.mark.client("mbsync")
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "*"])
def test_mbsync(house: House, mechanism: str) -> None:
    """Cyrus SASL. With "*" it takes the strongest that both know."""
    (house.folder / "m").mkdir(exist_ok=True)
    config = house.folder / "mbsyncrc"
    config.write_text(
        f"IMAPAccount there\nHost {HOST}\nPort {house.server.port('imaps')}\n"
        f'User {ANN.address}\nPass "{ANN.password}"\nSSLType IMAPS\n'
        f"CertificateFile {house.server.ca_file}\nSystemCertificates no\n"
        f"AuthMechs {mechanism}\n\nIMAPStore there\nAccount there\n\n"
        f"MaildirStore here\nPath {house.folder}/m/\nInbox {house.folder}/m/INBOX\n\n"
        "Channel all\nFar :there:\nNear :here:\nPatterns *\n"
    )
    done = house.server.run("mbsync", "-c", config, "--list", "all")
    assert b"INBOX" in done.stdout


@pytest.mark.client("getmail")
def test_getmail_with_an_app_password_of_its_own(house: House) -> None:
    _, word = house.directory.app_passwords.add(ANN.address, "getmail", ["pop3"])
    folder = house.folder / "getmail"
    folder.mkdir()
    (folder / "rc").write_text(
        f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = {HOST}\n"
        f"port = {house.server.port('pop3s')}\nusername = {ANN.address}\npassword = {word}\n"
        f"ca_certs = {house.server.ca_file}\n"
        "[destination]\ntype = MDA_external\npath = /bin/cat\nallow_root_commands = true\n"
        "[options]\ndelete = false\n"
    )
    house.server.run("getmail", "--getmaildir", folder, "--rcfile", "rc")
    (row,) = house.directory.app_passwords.of(ANN.address)
    assert row.used_by == "pop3"
    with (
        pytest.raises(Exception, match="Wrong name or password"),
        house.server.imap(Account(ANN.address, word)),
    ):
        pass
    house.directory.app_passwords.revoke(ANN.address, "getmail")
    done = house.server.run("getmail", "--getmaildir", folder, "--rcfile", "rc", expect=127)
    assert b"[AUTH] wrong name or password" in done.stderr


def test_python(house: House) -> None:
    with imaplib.IMAP4_SSL(
        HOST, house.server.port("imaps"), ssl_context=house.server.tls()
    ) as imap:
        assert "AUTH=SCRAM-SHA-256-PLUS" in imap.capabilities
    with house.server.pop3(ANN) as pop3:
        assert "SCRAM-SHA-256-PLUS" in pop3.capa()["SASL"]
    with house.server.imap(ANN, "imap") as imap:
        assert b" AUTH=" not in imap.capability()[1][0]  # signed in, so no more offered
    with house.server.smtp("submission") as smtp:
        smtp.starttls(context=house.server.tls())
        smtp.ehlo()
        offered = smtp.esmtp_features["auth"].split()
        assert offered[0] == "SCRAM-SHA-256-PLUS" and "CRAM-MD5" in offered
        smtp.user, smtp.password = ANN.address, ANN.password
        assert smtp.auth("CRAM-MD5", smtp.auth_cram_md5)[0] == 235


def test_a_ban_holds_over_a_restart_until_it_is_lifted(house: House) -> None:
    with house.server.imap(ANN):
        pass
    bans, now = Bans(house.server.data / "bans.db"), time.time()
    bans.put(Ban("account", ANN.address, now, now + 3600))
    house.server.stop()
    house.server.start()
    with house.server.imap(ANN):  # from where the account is used, it is not closed
        pass
    bans.put(Ban("account", ANN.address, now, now + 3600))
    with contextlib.closing(sqlite3.connect(bans.path)) as connection, connection:
        connection.execute("DELETE FROM known")
    with pytest.raises(Exception, match="Too many failed sign-ins"), house.server.imap(ANN):
        pass
    with house.server.smtp("submissions") as smtp:
        smtp.ehlo()
        plain = b64encode(f"\0{ANN.address}\0{ANN.password}".encode()).decode()
        assert smtp.docmd("AUTH", f"PLAIN {plain}")[0] == 421
    bans.lift(ANN.address)
    bans.close()
    with house.server.imap(ANN):
        pass
