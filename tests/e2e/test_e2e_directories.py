"""Accounts from a file and from OpenLDAP: mail arrives, clients sign in, an outage is temporary."""

import imaplib
import poplib
import re
import smtplib
from pathlib import Path

import pytest
from e2e_harness import HOST, Account, ProductionServer, eventually, message

from mailsuite.accounts import Directory
from mailsuite.accounts.passwords import Hasher
from tests.slapd import SEARCHER, SUFFIX, Slapd, person

ANN, BOB = Account("ann@file.test", "ann's"), Account("bob@ldap.test", "bob's")


@pytest.mark.client("slapd", "python:bonsai")
def test_accounts_kept_elsewhere(tmp_path: Path, token: str) -> None:
    (tmp_path / "password").write_text("searcher\n")
    (tmp_path / "users").write_text("")
    people = person("bob", BOB.password, BOB.address)
    with Slapd(tmp_path / "slapd", people) as slapd:
        server = ProductionServer(
            tmp_path / "server",
            sign_in={"first_delay": "0s"},
            users_file={"path": str(tmp_path / "users"), "domains": "file.test"},
            ldap={
                "url": slapd.secure_url,
                "ca": str(slapd.ca),
                "base": SUFFIX,
                "user": SEARCHER,
                "password": str(tmp_path / "password"),
                "domains": ["ldap.test"],
                "refresh": "1s",
            },
        )
        hashed = Hasher(memory=64, passes=1).make(ANN.password.encode())
        (tmp_path / "users").write_text(f"{ANN.address}:{hashed}\n")
        server.start()
        try:
            both_work(server, token)
            slapd.stop()
            outage(server)
            slapd.start()
            eventually(lambda: "accounts are read again" in server.log() or None, "LDAP again", 30)
            with server.imap(BOB):
                pass
        finally:
            server.stop()
        assert "Traceback" not in server.log(), server.log()


def both_work(server: ProductionServer, token: str) -> None:
    for who in (ANN, BOB):
        with server.smtp() as client:
            client.sendmail("eve@elsewhere.test", [who.address], message(token))
        assert token.encode() in server.wait_for(who, token)
        with (
            server.smtp("submissions", who),
            pytest.raises(imaplib.IMAP4.error),
            server.imap(Account(who.address, "wrong")),
        ):
            pass
    with server.smtp() as client, pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        client.sendmail("eve@elsewhere.test", ["nobody@ldap.test"], message(token))
    assert refused.value.recipients["nobody@ldap.test"][0] == 550
    directory = Directory(server.data / "accounts.db")
    _, word = directory.app_passwords.add(BOB.address, "phone")
    directory.close()
    with server.imap(Account(BOB.address, word)):
        pass


def outage(server: ProductionServer) -> None:
    """Nothing is refused for good; what is known stays known."""
    eventually(lambda: "accounts not read" in server.log() or None, "the outage", 30)
    with server.smtp() as client:
        client.ehlo()
        client.mail("eve@elsewhere.test")
        assert client.rcpt(BOB.address)[0] == 250
        assert client.rcpt("nobody@ldap.test") == (
            451,
            b"4.3.0 Cannot look up mailboxes now, try again later",
        )
    with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"), server.imap(BOB):
        pass
    pop = poplib.POP3_SSL(HOST, server.port("pop3s"), context=server.tls(), timeout=30)
    pop.user(BOB.address)
    with pytest.raises(poplib.error_proto, match=re.escape("[SYS/TEMP]")):
        pop.pass_(BOB.password)
    pop.close()
    with server.smtp("submission") as client:
        client.starttls(context=server.tls())
        with pytest.raises(smtplib.SMTPAuthenticationError, match="454"):
            client.login(BOB.address, BOB.password)
    with server.imap(ANN):
        pass
