"""Moving in from Dovecot and out to it again: what a mail client sees stays the same."""

from __future__ import annotations

import imaplib
import poplib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from dovecot_peer import PASSWORD, USER, Dovecot
from e2e_harness import Account, Server

Made = Callable[..., Dovecot]
pytestmark = [pytest.mark.client("dovecot"), pytest.mark.usefixtures("as_root")]
FOLDERS = ("INBOX", "Gesendet", "Work/2024", "Gr&APw-n")
ITEMS = "(UID FLAGS INTERNALDATE BODY.PEEK[])"


def fill(client: imaplib.IMAP4) -> None:
    """Some folders, with flags, keywords and gaps in the UIDs."""
    for name in FOLDERS[1:]:
        assert client.create(name)[0] == "OK"
        client.subscribe(name)
    for number in range(5):
        octets = b"Subject: %d\r\n\r\nhi\r\n" % number
        client.append("INBOX", "($Forwarded work)", None, octets)
        client.append("INBOX", "()", '"07-Jul-2019 10:00:00 +0200"', octets)
    client.append("Gesendet", "(\\Seen \\Answered)", None, b"Subject: sent\r\n\r\n.\r\n")
    client.append("Work/2024", "(\\Flagged \\Draft)", None, b"Subject: w\r\n\r\n" + b"x" * 70_000)
    client.select("INBOX")
    client.store("2:4", "+FLAGS", "(\\Deleted)")
    client.expunge()
    client.store("1", "+FLAGS", "(\\Seen)")
    client.close()


def seen(client: imaplib.IMAP4, folder: str) -> tuple[object, ...]:
    """UIDVALIDITY, UIDNEXT, and of each message UID, flags, date and octets."""
    answer, _ = client.select(folder, readonly=True)
    assert answer == "OK"
    numbers = tuple(client.response(word)[1] for word in ("UIDVALIDITY", "UIDNEXT"))
    rows = client.uid("FETCH", "1:*", ITEMS)[1]
    found = []
    for row in rows:
        if isinstance(row, tuple):
            head = row[0]
            uid = int(re.search(rb"UID (\d+)", head)[1])
            flags = set(re.search(rb"FLAGS \(([^)]*)\)", head)[1].split()) - {rb"\Recent"}
            date = imaplib.Internaldate2tuple(head)
            found.append((uid, flags, date, row[1]))
    client.close()
    return (*numbers, found)


def uidl(client: poplib.POP3) -> list[bytes]:
    """By what a POP3 client knows the messages: it must not download them again."""
    lines = client.uidl()[1]
    client.quit()
    assert len(lines) > 5
    return lines


def test_in_and_out(server: Server, account: Account, make_dovecot: Made) -> None:
    data = ("--data", str(server.data))
    with make_dovecot() as dovecot:
        client = dovecot.imap()
        fill(client)
        before = {name: seen(client, name) for name in FOLDERS}
        client.logout()
        unique_ids = uidl(dovecot.pop3())
    moved = server.mailsuite("import", account.address, "maildir", str(dovecot.maildir), *data)
    assert b"9 messages (" in moved.stdout
    ours = {name: "Sent" if name == "Gesendet" else name for name in FOLDERS}
    with server.imap(account) as client:
        assert {name: seen(client, own) for name, own in ours.items()} == before
        assert b'"/" Gr&APw-n' in b"".join(client.lsub()[1])
    again = server.mailsuite("import", account.address, "maildir", str(dovecot.maildir), *data)
    assert b"0 messages (0 B) brought" in again.stdout

    with server.pop3(account) as pop3:
        assert uidl(pop3) == unique_ids
    new = make_dovecot()
    server.mailsuite("export", account.address, str(new.maildir), *data)
    with new as dovecot:
        client = dovecot.imap()
        assert {name: seen(client, own) for name, own in ours.items()} == before
        assert b"Gr&APw-n" in b"".join(client.lsub()[1])
        client.logout()
        assert uidl(dovecot.pop3()) == unique_ids


def test_unique_ids_of_another_form(
    server: Server, account: Account, make_dovecot: Made, token: str
) -> None:
    """Where Dovecot's owner has chosen one, and what messages had before they came to Dovecot."""
    words = ("import", account.address, "--data", str(server.data))
    with make_dovecot(uidl_format="%v-%u") as dovecot:
        client = dovecot.imap()
        fill(client)
        client.logout()
        dovecot.stop()
        path = dovecot.maildir / "dovecot-uidlist"
        path.write_text(re.sub(r"^(6 )", rf"\1P{token} ", path.read_text(), flags=re.MULTILINE))
        dovecot.start()
        unique_ids = uidl(dovecot.pop3())
        assert sum(token.encode() in line for line in unique_ids) == 1
        source = f"imap://{USER}@127.0.0.1:{dovecot.imap_port}"
    told = server.mailsuite(*words, "maildir", str(dovecot.maildir), "--pop3-uidl", "%v-%u")
    assert b"9 messages (" in told.stdout
    with server.pop3(account) as pop3:
        assert uidl(pop3) == unique_ids
    told = server.mailsuite(*words, source, "--pop3-uidl", "%f", expect=2)
    assert b"--pop3-uidl" in told.stderr


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, tuple[Path, Path]]:
    """An authority, and what it has issued for localhost: PEM files (CA, (chain, key))."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    folder = tmp_path / "tls"
    folder.mkdir()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    return folder / "ca.pem", (folder / "server.pem", folder / "server.pem")


def test_over_imap(
    server: Server,
    account: Account,
    make_dovecot: Made,
    certificate: tuple[Path, tuple[Path, Path]],
) -> None:
    ca, files = certificate
    ours = {name: "Sent" if name == "Gesendet" else name for name in FOLDERS}
    with make_dovecot(certificate=files) as dovecot:
        client = dovecot.imap()
        fill(client)
        before = {name: seen(client, name) for name in FOLDERS}
        unique_ids = uidl(dovecot.pop3())
        words = ["import", account.address, "--password-stdin", "--data", str(server.data)]

        def bring(url: str, *more: str, expect: int = 0) -> str:
            done = server.mailsuite(*words, url, *more, stdin=PASSWORD.encode(), expect=expect)
            return (done.stdout + done.stderr).decode()

        starttls = f"imap://{USER}@localhost:{dovecot.imap_port}"
        implicit = f"imaps://{USER}@localhost:{dovecot.imaps_port}"
        assert "the certificate of localhost" in bring(starttls, expect=1)
        assert "9 messages (" in bring(starttls, "--ca", str(ca))
        with server.imap(account) as own:
            assert {name: seen(own, local) for name, local in ours.items()} == before
            own.select("Work/2024")
            own.store("1", "+FLAGS", "mine")
        with server.pop3(account) as pop3:
            assert uidl(pop3) == unique_ids

        client.select("Work/2024")
        client.store("1", "-FLAGS", "\\Flagged")
        client.append("Work/2024", "()", None, b"Subject: new\r\n\r\n")
        client.select("INBOX")
        client.store("1", "+FLAGS", "\\Deleted")
        client.expunge()
        told = bring(implicit, "--ca", str(ca), "--remove-vanished")
        assert "1 messages (" in told
        assert "1 had other flags" in told
        assert "1 removed" in told
        with server.imap(account) as own:
            assert seen(own, "INBOX") == seen(client, "INBOX")
            (first, second) = seen(own, "Work/2024")[2]
            assert first[1] == {b"\\Draft", b"mine"}
            assert second[3] == b"Subject: new\r\n\r\n"
        client.logout()
