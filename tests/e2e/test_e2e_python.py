"""Python's smtplib, imaplib and poplib, and bare sockets where a client would be too polite."""

import imaplib
import poplib
import smtplib
import socket
import ssl

import pytest
from e2e_harness import HOST, Account, Server, eventually, message, without_trace


@pytest.mark.parametrize("listener", ["submission", "submissions"])
def test_submission_repairs_what_is_missing(
    server: Server, account: Account, friend: Account, token: str, listener: str
) -> None:
    with server.smtp(listener, account) as client:
        for extension in ("size", "8bitmime", "smtputf8", "pipelining", "enhancedstatuscodes"):
            assert client.has_extn(extension), extension
        client.sendmail(
            account.address,
            [friend.address],
            f"From: <{account.address}>\r\nTo: <{friend.address}>\r\nBcc: hidden@example.test\r\n"
            f"Subject: {token}\r\n\r\nHello.\r\n".encode(),
        )
    stored = server.wait_for(friend, token)
    header = stored.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in header.split(b"\r\n") if line[:1] not in b" \t"]
    assert names[0] == b"Return-Path"
    assert b"Date" in names
    assert b"Message-ID" in names
    assert b"Bcc" not in names
    assert b"hidden" not in stored
    assert f"Return-Path: <{account.address}>".encode() in header
    assert b"Received:" in header


def test_submission_wants_sign_in_and_ones_own_address(
    server: Server, account: Account, friend: Account
) -> None:
    with server.smtp("submission") as client:
        client.ehlo()
        client.starttls(context=server.tls())
        client.ehlo()
        assert client.mail(account.address)[0] == 530
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login(account.address, "wrong")
        assert refused.value.smtp_code == 535
        client.login(account.address, account.password)
        code, text = client.mail(friend.address)
        if code == 250:
            code, text = client.rcpt(friend.address)
        assert code in (550, 553), text


def test_no_password_is_taken_without_tls_from_outside_loopback_rules(server: Server) -> None:
    """On loopback dev allows it; what matters here is that TLS is offered beside it."""
    with server.smtp("submission") as client:
        client.ehlo()
        assert client.has_extn("starttls")


@pytest.mark.parametrize("listener", ["imap", "imaps"])
def test_imaplib(server: Server, account: Account, token: str, listener: str) -> None:
    with server.smtp() as client:
        client.sendmail("eve@elsewhere.test", [account.address], message(token))
    server.wait_for(account, token)
    with server.imap(account, listener) as imap:
        answer, folders = imap.list()
        assert answer == "OK"
        listed = b"\n".join(row for row in folders if isinstance(row, bytes))
        for use in (b"\\Drafts", b"\\Sent", b"\\Junk", b"\\Trash", b"\\Archive"):
            assert use in listed
        assert imap.select("INBOX")[0] == "OK"
        answer, found = imap.search(None, "UNSEEN", "SUBJECT", token)
        assert answer == "OK"
        (number,) = found[0].split()
        answer, rows = imap.fetch(number.decode(), "(FLAGS RFC822.SIZE BODY[TEXT])")
        assert answer == "OK"
        assert rows[0][1] == b"Hello.\r\n"
        assert imap.store(number.decode(), "+FLAGS", r"(\Flagged $Label1)")[0] == "OK"
        assert imap.create("Work/2026")[0] == "OK"
        assert imap.copy(number.decode(), "Work/2026")[0] == "OK"
        assert imap.append("Drafts", r"(\Draft)", None, message(f"{token}-draft"))[0] == "OK"
        assert imap.store(number.decode(), "+FLAGS", r"(\Deleted)")[0] == "OK"
        answer, gone = imap.expunge()
        assert (answer, gone) == ("OK", [number])
        imap.close()
        imap.select('"Work/2026"')
        answer, rows = imap.uid("FETCH", "1", "(FLAGS)")
        assert answer == "OK"
        assert all(flag in rows[0] for flag in (rb"\Flagged", rb"\Seen", b"$Label1"))


def test_imap_wrong_password(server: Server, account: Account) -> None:
    with imaplib.IMAP4_SSL(HOST, server.port("imaps"), ssl_context=server.tls()) as imap:
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            imap.login(account.address, "wrong")
        imap.login(account.address, account.password)


@pytest.mark.parametrize("listener", ["pop3", "pop3s"])
def test_poplib(server: Server, account: Account, token: str, listener: str) -> None:
    with server.smtp() as client:
        for number in range(3):
            client.sendmail("eve@elsewhere.test", [account.address], message(f"{token}-{number}"))
    eventually(lambda: len(server.bodies(account)) == 3, "three messages", more=server.log)
    with server.pop3(account, listener) as pop:
        count, size = pop.stat()
        assert count == 3
        sizes = [int(row.split()[1]) for row in pop.list()[1]]
        assert sum(sizes) == size
        ids = [row.split()[1] for row in pop.uidl()[1]]
        assert len(set(ids)) == 3
        _, lines, _ = pop.retr(2)
        assert len(b"".join(line + b"\r\n" for line in lines)) == sizes[1]
        subjects = [
            next(line for line in pop.top(n, 0)[1] if line.startswith(b"Subject:"))
            for n in (1, 2, 3)
        ]
        assert sorted(subjects) == [f"Subject: {token}-{n}".encode() for n in range(3)]
        pop.dele(2)
        with pytest.raises(poplib.error_proto, match="IN-USE"), server.pop3(account):
            pass
    # Hung up without QUIT: nothing is deleted. With QUIT it is, and the ids of the others stay.
    with server.pop3(account, listener) as pop:
        assert [row.split()[1] for row in pop.uidl()[1]] == ids
        pop.dele(2)
        pop.quit()
    with server.pop3(account, listener) as pop:
        assert [row.split()[1] for row in pop.uidl()[1]] == [ids[0], ids[2]]
        assert "USER" in pop.capa()


def test_pop3_wrong_password(server: Server, account: Account) -> None:
    with (
        pytest.raises(poplib.error_proto, match=r"\[AUTH\]"),
        server.pop3(Account(account.address, "wrong")),
    ):
        pass


def test_pop3_and_imap_on_one_inbox(server: Server, account: Account, token: str) -> None:
    """A message that IMAP expunges is gone for POP3, and the numbering stays."""
    with server.smtp() as client:
        for number in range(2):
            client.sendmail("eve@elsewhere.test", [account.address], message(f"{token}{number}"))
    eventually(lambda: len(server.bodies(account)) == 2, "two messages", more=server.log)
    with server.pop3(account) as pop, server.imap(account) as imap:
        imap.select()
        imap.store("1", "+FLAGS", r"(\Deleted)")
        imap.expunge()
        with pytest.raises(poplib.error_proto, match="removed"):
            pop.retr(1)
        assert pop.retr(2)
        assert pop.stat()[0] == 2


def test_idle_sees_a_delivery(server: Server, account: Account, token: str) -> None:
    with server.imap(account) as imap:
        imap.select()
        imap.send(b"i1 IDLE\r\n")
        assert imap.readline().startswith(b"+")
        with server.smtp() as client:
            client.sendmail("eve@elsewhere.test", [account.address], message(token))
        while b" EXISTS" not in (line := imap.readline()):
            assert line
        assert line == b"* 1 EXISTS\r\n"
        imap.send(b"DONE\r\n")
        while not imap.readline().startswith(b"i1 OK"):
            pass
        _, rows = imap.fetch("1", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        assert rows[0][1] == f"Subject: {token}\r\n\r\n".encode()


def read_until(stream: socket.socket, end: bytes) -> bytes:
    got = b""
    while not got.endswith(end):
        part = stream.recv(1)
        assert part, got
        got += part
    return got


@pytest.mark.parametrize(
    ("listener", "before", "starttls", "injected", "after", "expected"),
    [
        ("submission", b"EHLO c.test\r\n", b"STARTTLS\r\n", b"RSET\r\n", b"NOOP x\r\n", b"250"),
        ("smtp", b"EHLO c.test\r\n", b"STARTTLS\r\n", b"HELP\r\n", b"NOOP x\r\n", b"250"),
        ("imap", b"", b"a STARTTLS\r\n", b"b NOOP\r\n", b"c NOOP\r\n", b"c OK"),
        ("pop3", b"", b"STLS\r\n", b"CAPA\r\n", b"QUIT\r\n", b"+OK bye"),
    ],
)
def test_commands_before_the_handshake_are_discarded(
    server: Server,
    listener: str,
    before: bytes,
    starttls: bytes,
    injected: bytes,
    after: bytes,
    expected: bytes,
) -> None:
    with server.connect(listener) as plain:
        read_until(plain, b"\r\n")
        if before:
            plain.sendall(before)
            while read_until(plain, b"\r\n")[3:4] == b"-":
                pass
        plain.sendall(starttls + injected)
        read_until(plain, b"\r\n")
        with server.tls().wrap_socket(plain, server_hostname=HOST) as secure:
            secure.sendall(after)
            assert secure.recv(4096).startswith(expected)
            secure.settimeout(0.3)
            with pytest.raises((TimeoutError, ssl.SSLError, AssertionError)):
                # Nothing more may come, unless it is the end after QUIT.
                assert secure.recv(4096)


def test_old_tls_is_refused(server: Server) -> None:
    context = server.tls()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with (
        server.connect("imaps") as plain,
        context.wrap_socket(plain, server_hostname=HOST) as secure,
    ):
        assert secure.version() in ("TLSv1.2", "TLSv1.3")
    for name in (HOST, "127.0.0.1", "::1"):
        with (
            server.connect("imaps") as plain,
            server.tls().wrap_socket(plain, server_hostname=name),
        ):
            pass  # the certificate is good for the name


def test_relaying_is_refused_without_sign_in(server: Server, account: Account) -> None:
    with server.smtp() as client:
        client.ehlo()
        for sender in ("eve@elsewhere.test", account.address, ""):
            assert client.mail(sender)[0] in (250, 550, 553)
            assert client.rcpt("victim@world.example")[0] in (550, 551, 554, 503)
            client.rset()


@pytest.mark.parametrize("ending", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r"])
def test_smuggling_is_refused(server: Server, account: Account, token: str, ending: bytes) -> None:
    """A bare CR or LF in the data never ends it, and such a message is not taken."""
    smuggled = message(token)[:-2] + ending + b"MAIL FROM:<x@elsewhere.test>\r\n"
    with server.connect("smtp") as stream:
        read_until(stream, b"\r\n")
        stream.sendall(b"HELO c.test\r\n")
        read_until(stream, b"\r\n")
        for line in (
            b"MAIL FROM:<e@elsewhere.test>",
            b"RCPT TO:<" + account.address.encode() + b">",
        ):
            stream.sendall(line + b"\r\n")
            assert read_until(stream, b"\r\n").startswith(b"250")
        stream.sendall(b"DATA\r\n")
        assert read_until(stream, b"\r\n").startswith(b"354")
        stream.sendall(smuggled + b"\r\n.\r\n")
        assert read_until(stream, b"\r\n").startswith(b"554 5.6.")
        stream.sendall(b"NOOP\r\n")
        assert read_until(stream, b"\r\n").startswith(b"250")
    assert not any(token.encode() in body for body in server.bodies(account))


def test_utf8_addresses_and_headers(server: Server, account: Account, token: str) -> None:
    body = message(token).replace(b"Subject: ", "Subject: Grüße ".encode())
    with server.smtp() as client:
        client.ehlo()
        client.command_encoding = "utf-8"
        assert client.mail("jürgen@bücher.test", ["SMTPUTF8", "BODY=8BITMIME"])[0] == 250
        assert client.rcpt(account.address)[0] == 250
        assert client.data(body)[0] == 250
    stored = server.wait_for(account, token)
    assert without_trace(stored, body) == body
    assert "Return-Path: <jürgen@".encode() in stored
