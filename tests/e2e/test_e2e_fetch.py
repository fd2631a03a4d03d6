"""Mail collected from Dovecot over IMAP and POP3: once each, at once, and through crashes."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable

import pytest
from dovecot_peer import PASSWORD, USER, Dovecot
from e2e_harness import Account, Server, eventually

Made = Callable[..., Dovecot]
pytestmark = [pytest.mark.client("dovecot"), pytest.mark.usefixtures("as_root")]


def fetch(server: Server, *words: str, stdin: str = "") -> str:
    done = server.mailsuite("fetch", *words, "--data", str(server.data), stdin=stdin.encode())
    return done.stdout.decode()


def put(dovecot: Dovecot, *texts: str) -> None:
    client = dovecot.imap()
    for text in texts:
        octets = f"Return-Path: <eve@far.test>\r\nSubject: {text}\r\n\r\nhi\r\n.dot\r\n"
        client.append("INBOX", None, None, octets.encode())
    client.logout()


def left(dovecot: Dovecot) -> int:
    client = dovecot.imap()
    count = int(client.select("INBOX", readonly=True)[1][0])
    client.logout()
    return count


def arrived(server: Server, account: Account, *texts: str) -> None:
    """Each of them is there, once."""

    def all_there() -> bool:
        bodies = server.bodies(account)
        counts = [sum(f"Subject: {text}\r\n".encode() in body for body in bodies) for text in texts]
        assert max(counts) <= 1, counts
        return min(counts) == 1

    eventually(all_there, f"{texts} in {account.address}", more=server.log)


def test_over_imap_told_at_once(server: Server, account: Account, make_dovecot: Made) -> None:
    with make_dovecot() as dovecot:
        put(dovecot, "old one", "old two")
        url = f"imap://{USER}@127.0.0.1:{dovecot.imap_port}"
        words = ("--tls", "none", "--password-stdin", "--only-new", "--every", "1h")
        told = fetch(server, "add", account.address, url, *words, stdin=PASSWORD)
        number = told.rpartition("number ")[2].partition(")")[0]

        def idling() -> bool:
            rows = json.loads(fetch(server, "list", "--json"))
            return any(row["id"] == int(number) and row["idling"] for row in rows)

        eventually(idling, "it waits for news", more=server.log)
        put(dovecot, "new one", "large " + "x" * 300_000)
        arrived(server, account, "new one")
        eventually(lambda: len(server.bodies(account)) == 2, "both", more=server.log)
        first, _ = server.bodies(account)
        assert first.startswith(b"Return-Path: <eve@far.test>\r\nDelivered-To: ")
        assert first.count(b"Return-Path") == 1, "and no longer that of the delivery over there"
        assert b"\r\nReceived: from 127.0.0.1\r\n\tby mail.example.test with IMAP\r\n" in first
        assert first.endswith(b"\r\n\r\nhi\r\n.dot\r\n")
        assert left(dovecot) == 4
        assert "is fetched no more" in fetch(server, "remove", number)


def test_over_pop3_and_away(server: Server, account: Account, make_dovecot: Made) -> None:
    with make_dovecot() as dovecot:
        put(dovecot, "one", "two")
        url = f"pop3://{USER}@127.0.0.1:{dovecot.pop3_port}"
        words = ("--tls", "none", "--password-stdin", "--delete", "--every", "1h", "--no-check")
        told = fetch(server, "add", account.address, url, *words, stdin=PASSWORD)
        number = told.rpartition("number ")[2].partition(")")[0]
        arrived(server, account, "one", "two")
        eventually(lambda: left(dovecot) == 0, "they are gone over there", more=server.log)
        put(dovecot, "three")
        assert f"{number}: 1 messages" in fetch(server, "run", number)
        arrived(server, account, "one", "two", "three")
        dovecot.stop()
        done = server.mailsuite("fetch", "run", number, "--data", str(server.data), expect=1)
        assert b"can't connect to 127.0.0.1" in done.stdout
        assert "failed 1 times, again in" in fetch(server, "list")
        fetch(server, "remove", number)


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_away_after_some_days(
    make_server: Callable[..., Server], make_dovecot: Made, protocol: str
) -> None:
    """What has been here for longer goes over there at the next visit, the rest stays."""
    server = make_server("--user=bob@example.test:secret").start()
    (account,) = server.accounts
    with make_dovecot() as dovecot:
        put(dovecot, "old")
        port = dovecot.imap_port if protocol == "imap" else dovecot.pop3_port
        url = f"{protocol}://{USER}@127.0.0.1:{port}"
        words = ("--tls", "none", "--password-stdin", "--delete-after", "2", "--every", "1h")
        told = fetch(server, "add", account.address, url, *words, "--no-check", stdin=PASSWORD)
        number = told.rpartition("number ")[2].partition(")")[0]
        arrived(server, account, "old")
        server.stop()
        with contextlib.closing(sqlite3.connect(server.data / "fetch.db")) as db, db:
            assert db.execute("UPDATE seen SET at = at - 3 * 86400").rowcount == 1
        put(dovecot, "new")
        server.start()
        fetch(server, "run", number)
        arrived(server, account, "old", "new")
        eventually(lambda: left(dovecot) == 1, "the old one is gone", more=server.log)


def test_killed_while_it_fetches(make_server: Callable[..., Server], make_dovecot: Made) -> None:
    """Nothing is lost and nothing comes twice, whenever the server dies."""
    server = make_server("--user=bob@example.test:secret").start()
    (account,) = server.accounts
    texts = [f"number {number}" for number in range(60)]
    with make_dovecot() as dovecot:
        put(dovecot, *texts)
        for words in (
            (f"imap://{USER}@127.0.0.1:{dovecot.imap_port}", "--no-idle"),
            (f"pop3://{USER}@127.0.0.1:{dovecot.pop3_port}", "--delete"),
        ):
            fixed = ("--tls", "none", "--password-stdin", "--no-check")
            before = files(server)
            fetch(server, "add", account.address, *words, *fixed, stdin=PASSWORD)
            eventually(lambda before=before: files(server) > before, "some have come")
            server.kill()
            server.start()
        eventually(lambda: left(dovecot) == 0, "all have been fetched", more=server.log)
        # By each of the two ways, once.
        eventually(lambda: len(server.bodies(account)) >= 2 * len(texts), "all", more=server.log)
        bodies = server.bodies(account)
        counts = {sum(f"Subject: {text}\r\n".encode() in body for body in bodies) for text in texts}
        assert counts == {2}


def files(server: Server) -> int:
    """Messages in bob's INBOX."""
    return len(list(server.data.glob("mail/*/bob/Maildir/*/*,U=*")))
