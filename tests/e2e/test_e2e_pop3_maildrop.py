"""A maildrop beside IMAP sessions, and what an operator decides about it: EXPIRE, LOGIN-DELAY."""

import poplib
import re
import signal
from collections.abc import Iterator

import pytest
from e2e_harness import HOST, Account, ProductionServer, Server, eventually, message

from mailsuite.accounts import Directory

ANN = Account("ann@home.test", "ann's secret")
BOB = Account("bob@home.test", "bob's secret")
EVE = Account("eve@home.test", "eve's secret")
POLICY = {
    "expire": 0,
    "login_delay": "1h",
    "exceptions": [{"accounts": BOB.address, "expire": 30, "login_delay": "0s"}],
}


def add(server: Server, account: Account, *messages: bytes) -> None:
    with server.imap(account) as imap:
        for octets in messages:
            assert imap.append("INBOX", None, None, octets)[0] == "OK"


def test_imap_expunges_what_a_pop3_session_shows(
    server: Server, account: Account, token: str
) -> None:
    """Numbers, sizes and unique-ids stay; what is gone is -ERR; a RETR under way is completed."""
    letters = [message(f"{token}-{number}") for number in range(4)]
    letters[0] += b".dotted line\r\n" * 900_000
    add(server, account, *letters)
    with server.pop3(account) as pop, server.imap(account) as imap:
        stat, sizes, names = pop.stat(), pop.list()[1], pop.uidl()[1]
        assert stat == (4, sum(map(len, letters)))
        pop.sock.sendall(b"RETR 1\r\n")
        assert pop.file.readline() == f"+OK {len(letters[0])} octets\r\n".encode()
        begin = pop.file.read(100_000)
        imap.select()
        imap.store("1:3", "+FLAGS.SILENT", r"(\Deleted)")
        assert len(imap.expunge()[1]) == 3
        rest = b"".join(iter(pop.file.readline, b".\r\n"))
        assert (begin + rest).replace(b"\r\n..", b"\r\n.") == letters[0]
        for number in (1, 2, 3):
            with pytest.raises(poplib.error_proto, match=r"-ERR .*removed"):
                pop.retr(number)
            with pytest.raises(poplib.error_proto, match=r"-ERR .*removed"):
                pop.top(number, 0)
        assert b"\r\n".join([*pop.retr(4)[1], b""]) == letters[3]
        assert (pop.stat(), pop.list()[1], pop.uidl()[1]) == (stat, sizes, names)
        assert imap.append("INBOX", None, None, message(f"{token}-new"))[0] == "OK"
        assert pop.stat() == stat
        pop.dele(4)
        assert pop.quit().startswith(b"+OK")
    with server.pop3(account) as pop:
        assert pop.stat()[0] == 1
        assert pop.uidl()[1][0].split()[1] not in {line.split()[1] for line in names}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionServer]:
    server = ProductionServer(tmp_path_factory.mktemp("strict"), pop3=POLICY)
    server.data.mkdir()
    directory = Directory(server.data / "accounts.db")
    directory.add_domain("home.test")
    for account in (ANN, BOB, EVE):
        directory.add_user(account.address, account.password)
    directory.close()
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log(), server.log()


def test_what_was_fetched_expires(strict: ProductionServer) -> None:
    """Told by CAPA (RFC 2449 §6.7) before and after sign-in, and done at QUIT."""
    server = strict
    add(server, ANN, message("fetched"), message("looked at"))
    pop = poplib.POP3_SSL(HOST, server.port("pop3s"), context=server.tls(), timeout=60)
    assert pop.capa()["EXPIRE"] == ["0", "USER"]
    pop.close()
    with server.pop3(ANN) as pop:
        assert pop.capa()["EXPIRE"] == ["0"]
        pop.retr(1)
        pop.top(2, 10)
        assert pop.quit().startswith(b"+OK")
    assert [b"looked at" in body for body in server.bodies(ANN)] == [True]

    add(server, BOB, message("fetched"), message("left"))
    new = next((server.data / "mail").rglob("bob/Maildir/new"))
    for number, subject in enumerate(("old, fetched", "old, left")):
        (new / f"1700000000.{number}.elsewhere").write_bytes(message(subject))

    def fetch(*, quit: bool) -> list[str]:
        """What is there when "fetched" mail has been fetched."""
        with server.pop3(BOB) as pop:
            assert pop.capa()["EXPIRE"] == ["30"]
            for number in range(1, pop.stat()[0] + 1):
                if b"fetched" in b"".join(pop.top(number, 0)[1]):
                    pop.retr(number)
            if quit:
                pop.quit()
        found = [re.search(rb"Subject: (.*?)\r", body) for body in server.bodies(BOB)]
        return sorted(line[1].decode() for line in found if line)

    everything = ["fetched", "left", "old, fetched", "old, left"]
    assert fetch(quit=False) == everything  # a client that hangs up has not fetched
    assert fetch(quit=True) == ["fetched", "left", "old, left"]


def test_a_client_comes_back_too_soon(strict: ProductionServer) -> None:
    """RFC 2449 §6.5, §8.1.1; told only to who knows the password."""
    server = strict
    pop = poplib.POP3_SSL(HOST, server.port("pop3s"), context=server.tls(), timeout=60)
    assert pop.capa()["LOGIN-DELAY"] == ["3600", "USER"]
    pop.close()
    with server.pop3(EVE) as pop:
        assert pop.capa()["LOGIN-DELAY"] == ["3600"]
        pop.quit()
    wrong = Account(EVE.address, "wrong")
    for account, code in ((EVE, r"\[LOGIN-DELAY\] .* 3\d\d\d seconds"), (wrong, r"\[AUTH\]")):
        with pytest.raises(poplib.error_proto, match=code), server.pop3(account):
            pass
    for _ in range(2):
        with server.pop3(BOB) as pop:
            assert pop.capa()["LOGIN-DELAY"] == ["0"]
    # Settings that are read again hold at once.
    assert server.process is not None
    server.configure(pop3={**POLICY, "login_delay": "0s"})
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: "settings reloaded" in server.log(), "the reload")
    with server.pop3(EVE) as pop:
        assert "LOGIN-DELAY" not in pop.capa()
