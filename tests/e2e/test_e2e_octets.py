"""What came in is what comes out, octet for octet, by POP3 and by IMAP; and memory stays flat."""

import random
import sys
import threading
import time
from collections.abc import Callable

import pytest
from e2e_harness import Account, AnonymousMemory, Server, eventually, message, without_trace

MB = 1 << 20


def large() -> bytes:
    """25 MB in lines of all lengths."""
    source = random.Random(25)
    pool = bytes(source.choices(b"abcdefghijklmnopqrstuvwxyz .=-0123456789", k=4096))
    head = message("large", body="")
    lines = [head]
    size = len(head)
    while size < 25 * MB:
        length = source.randrange(0, 998)
        start = source.randrange(0, len(pool) - length)
        lines.append(pool[start : start + length] + b"\r\n")
        size += length + 2
    return b"".join(lines)


MESSAGES: dict[str, Callable[[], bytes]] = {
    "8-bit": lambda: (
        message("eight", "Grüße, 가나 다, \x00?\r\n".replace("\x00", ""))
        + (bytes(range(128, 256)) + b"\r\n")
    ),
    "998 octets": lambda: message("long", "x" * 998 + "\r\n" + "." + "y" * 997 + "\r\n"),
    "dots": lambda: message("dots", "".join("." * n + "\r\n" for n in range(1, 200))),
    "only dots": lambda: b".\r\n..\r\n...\r\n.\r\n",
    "empty body": lambda: message("nobody", ""),
    "no header": lambda: b"\r\nOnly a body.\r\n",
    "blank lines at the end": lambda: message("blank", "x\r\n\r\n\r\n"),
    "spaces": lambda: message("spaces", " \r\n\t\r\n trailing \t \r\n"),
}


def by_pop3(server: Server, account: Account) -> bytes:
    with server.pop3(account) as pop:
        assert pop.stat()[0] == 1
        _, lines, _ = pop.retr(1)
        return b"".join(line + b"\r\n" for line in lines)


def by_imap(server: Server, account: Account) -> bytes:
    (body,) = server.bodies(account)
    return body


@pytest.mark.parametrize("name", MESSAGES)
def test_octets_come_back(server: Server, account: Account, name: str) -> None:
    original = MESSAGES[name]()
    with server.smtp() as client:
        client.sendmail("eve@elsewhere.test", [account.address], original, ["BODY=8BITMIME"])
    eventually(lambda: bool(server.bodies(account)), "the message", more=server.log)
    stored = by_imap(server, account)
    assert without_trace(stored, original) == original
    assert by_pop3(server, account) == stored


@pytest.mark.parametrize("name", ["8-bit", "998 octets", "dots"])
def test_octets_come_back_from_submission_and_append(
    server: Server, account: Account, friend: Account, name: str
) -> None:
    original = MESSAGES[name]().replace(b"eve@elsewhere.test", account.address.encode())
    with server.smtp("submissions", account) as client:
        client.sendmail(account.address, [friend.address], original, ["BODY=8BITMIME"])
    eventually(lambda: bool(server.bodies(friend)), "the message", more=server.log)
    assert without_trace(by_imap(server, friend), original) == original
    with server.imap(account) as imap:
        assert imap.append("INBOX", "", None, original)[0] == "OK"
    assert by_imap(server, account) == original
    assert by_pop3(server, account) == original


def test_25_megabytes_in_flat_memory(make_server: Callable[..., Server], token: str) -> None:
    """In by SMTP, out by POP3 and IMAP: never the whole message in memory."""
    server = make_server().start()
    alice = Account("alice@example.test", "alice")
    bob = Account("bob@example.test", "bob")
    original = large()
    # Warm up: what a first message and a first session need stays afterwards.
    with server.smtp() as client:
        client.sendmail("eve@elsewhere.test", [bob.address], message(token))
    server.wait_for(bob, token)
    by_pop3(server, bob)

    growth = {}
    neighbour = Neighbour(server, bob)

    def measured(name: str, work: Callable[[], bytes]) -> bytes:
        if not sys.platform.startswith("linux"):
            return work()
        with AnonymousMemory(server.pid) as memory:
            result = work()
        growth[name] = memory.growth / MB
        return result

    def send() -> bytes:
        with server.smtp() as client:
            client.sendmail("eve@elsewhere.test", [alice.address, bob.address], original)
        eventually(lambda: count(server, alice) == 1, "the message", 60, server.log)
        eventually(lambda: count(server, bob) == 2, "the message", 60, server.log)
        return b""

    neighbour.start()
    measured("smtp", send)
    stored = measured("pop3", lambda: by_pop3(server, alice))
    assert without_trace(stored, original) == original
    assert measured("imap", lambda: by_imap(server, alice)) == stored

    def append() -> bytes:
        with server.imap(alice) as imap:
            assert imap.append("Archive", "", None, original)[0] == "OK"
        return b""

    measured("append", append)
    assert server.bodies(alice, "Archive") == [original]
    print("growth in MB:", growth, "longest NOOP in s:", neighbour.stop())
    assert all(megabytes < 12 for megabytes in growth.values()), growth
    # Nothing holds up the loop for long; the bound is wide, since other tests share the machine.
    assert neighbour.longest < 2


class Neighbour(threading.Thread):
    """Another session that says NOOP all the time, and notes the longest wait."""

    def __init__(self, server: Server, account: Account) -> None:
        super().__init__(daemon=True)
        self.longest = 0.0
        self._server = server
        self._account = account
        self._ended = threading.Event()

    def run(self) -> None:
        with self._server.imap(self._account) as imap:
            imap.select()
            while not self._ended.wait(0.01):
                asked = time.monotonic()
                imap.noop()
                self.longest = max(self.longest, time.monotonic() - asked)

    def stop(self) -> float:
        self._ended.set()
        self.join(30)
        assert not self.is_alive()
        assert self.longest > 0
        return self.longest


def count(server: Server, account: Account) -> int:
    with server.imap(account) as imap:
        answer, rows = imap.status("INBOX", "(MESSAGES)")
        assert answer == "OK"
        return int(rows[0].split()[-1].rstrip(b")"))


def test_too_large_is_refused_early(server: Server, account: Account) -> None:
    """By SIZE at MAIL, and, where the client has not said it, without keeping the octets."""
    with server.smtp() as client:
        client.ehlo()
        limit = int(client.esmtp_features["size"])
        assert limit >= 25 * MB
        code, text = client.mail("eve@elsewhere.test", [f"SIZE={limit + 1}"])
        assert (code, text[:5]) == (552, b"5.3.4"), text
        assert client.mail("eve@elsewhere.test", [])[0] == 250
        assert client.rcpt(account.address)[0] == 250
        code, text = client.data(b"x" * 998 + (b"\r\n" + b"y" * 998) * (limit // 1000 + 1000))
        assert (code, text[:5]) == (552, b"5.3.4"), text
        assert client.noop()[0] == 250
    assert server.bodies(account) == []
