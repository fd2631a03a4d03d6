"""250 is a promise: kill -9 in the middle of deliveries, and an index that is lost."""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from e2e_harness import Account, Server, eventually, message, quoted

ALICE = Account("alice@example.test", "alice")
BOB = Account("bob@example.test", "bob")
COUNT = 200
MakeServer = Callable[..., Server]


class Delivery(threading.Thread):
    """One message on a connection of its own; `answered` once its 250 was read."""

    def __init__(self, server: Server, number: int, go: threading.Event) -> None:
        super().__init__(daemon=True)
        self.token = f"crash{number:04d}x"
        self.answered = False
        self._server = server
        self._go = go
        # Large ones are streamed to disk, small ones are not; some have two recipients.
        self._octets = message(self.token, "line\r\n" * (100_000 if number % 40 == 7 else 100))
        self.recipients = [ALICE.address, BOB.address] if number % 3 == 0 else [ALICE.address]

    def run(self) -> None:
        try:
            with self._server.smtp() as client:
                self._go.wait(60)
                refused = client.sendmail("eve@elsewhere.test", self.recipients, self._octets)
                self.answered = not refused
        except OSError:
            pass  # killed meanwhile; smtplib's errors are OSErrors as well


def tokens(server: Server, account: Account) -> Counter[str]:
    """How often each message is in the INBOX."""
    found: Counter[str] = Counter()
    with server.imap(account) as imap:
        imap.select(readonly=True)
        answer, rows = imap.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        assert answer == "OK"
        for row in rows:
            if isinstance(row, tuple):
                found.update(re.findall(r"crash\d{4}x", row[1].decode()))
    return found


def test_kill_in_the_middle_of_200_deliveries(make_server: MakeServer) -> None:
    server = make_server().start()
    go = threading.Event()
    deliveries = [Delivery(server, number, go) for number in range(COUNT)]
    for delivery in deliveries:
        delivery.start()
    time.sleep(1)  # most have their greeting
    go.set()
    deadline = time.monotonic() + 60
    while sum(d.answered for d in deliveries) < COUNT // 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    server.kill()
    for delivery in deliveries:
        delivery.join(60)
        assert not delivery.is_alive()
    answered = [d for d in deliveries if d.answered]
    assert answered, server.log()

    # Once more while it puts things in order.
    server.start()
    server.kill()
    server.start()

    expected = {
        account: {d.token for d in answered if account.address in d.recipients}
        for account in (ALICE, BOB)
    }
    for account, wanted in expected.items():
        eventually(
            lambda account=account, wanted=wanted: wanted <= tokens(server, account).keys(),
            f"{len(wanted)} messages for {account.address}",
            60,
            server.log,
        )
    time.sleep(1)  # a second copy would come late
    for account in (ALICE, BOB):
        found = tokens(server, account)
        assert found.keys() >= expected[account]
        twice = {token: times for token, times in found.items() if times != 1}
        assert not twice, twice
    done = server.mailsuite("queue", "list", "--json", "--data", str(server.data), expect=None)
    assert b"crash" not in done.stdout
    # No half message is left behind: every file in the Maildirs is one that a client sees.
    files = [
        path
        for folder in ("new", "cur")
        for path in server.data.rglob(f"{folder}/*")
        if path.is_file() and b"crash" in path.read_bytes()
    ]
    assert len(files) == sum(sum(tokens(server, account).values()) for account in (ALICE, BOB))


def state(server: Server, account: Account) -> dict[str, Any]:
    """All that a client may remember: names, UIDVALIDITY, UIDs, flags, dates, sizes."""
    kept: dict[str, Any] = {}
    with server.imap(account) as imap:
        _, folders = imap.list()
        _, subscribed = imap.lsub()
        kept["list"] = sorted(str(row) for row in folders)
        kept["lsub"] = sorted(str(row) for row in subscribed)
        for folder in ("INBOX", "Work", "Sent"):
            answer, _ = imap.select(quoted(folder), readonly=True)
            assert answer == "OK"
            kept[f"{folder} validity"] = imap.response("UIDVALIDITY")[1]
            kept[f"{folder} next"] = int(imap.response("UIDNEXT")[1][0])
            _, rows = imap.uid("FETCH", "1:*", "(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)")
            kept[folder] = [without_recent(row) for row in rows if row is not None]
    with server.pop3(account) as pop:
        kept["uidl"] = pop.uidl()[1]
    return kept


def without_recent(row: bytes | tuple[bytes, bytes]) -> tuple[str, ...]:
    """Flags have no order, and \\Recent belongs to a session."""
    text = row if isinstance(row, bytes) else b" ".join(row)
    found = re.search(rb"FLAGS \(([^)]*)\)", text)
    flags = sorted(set((found[1] if found else b"").decode().split()) - {"\\Recent"})
    rest = re.sub(rb"FLAGS \([^)]*\)", b"", text).decode()
    return (rest, *flags)


def index_files(data: Path) -> list[Path]:
    """Every database that is only a cache: those of the accounts' folders."""
    return [
        path
        for path in data.rglob("*")
        if path.is_file() and re.search(r"(^|[.-])index", path.name) and "maildir" not in path.name
    ]


@pytest.mark.parametrize("unclean", [False, True], ids=["stopped", "killed"])
def test_a_lost_index_loses_nothing(make_server: MakeServer, token: str, unclean: bool) -> None:
    server = make_server().start()
    with server.smtp() as client:
        for number in range(12):
            client.sendmail("eve@elsewhere.test", [ALICE.address], message(f"{token}{number}"))
    eventually(lambda: len(server.bodies(ALICE)) == 12, "all messages", more=server.log)
    with server.imap(ALICE) as imap:
        imap.create("Work")
        imap.subscribe("Work")
        imap.unsubscribe("Junk")
        imap.select()
        for flags, which in (
            (r"\Seen", "1:6"),
            (r"\Flagged $Label1", "2"),
            (r"\Answered NonJunk", "3:4"),
            (r"\Draft", "5"),
        ):
            assert imap.store(which, "+FLAGS", f"({flags})")[0] == "OK"
        imap.copy("2:3", "Work")
        imap.append("Sent", r"(\Seen $MDNSent)", None, message(f"{token}-sent"))
        imap.store("8,12", "+FLAGS", r"(\Deleted)")
        imap.expunge()
    before = state(server, ALICE)
    if unclean:
        server.kill()
    else:
        server.stop()
    indexes = index_files(server.data)
    assert indexes, sorted(str(p) for p in server.data.rglob("*") if p.is_file())
    for path in indexes:
        path.unlink()
    server.start()
    after = state(server, ALICE)
    for key in [key for key in before if key.endswith(" next")]:
        # A crash may skip UIDs, but no UID is given twice.
        assert after.pop(key) >= before[key] if unclean else after.pop(key) == before[key]
    assert after == {key: before[key] for key in after}
    # And the next message gets a UID that was never used.
    with server.smtp() as client:
        client.sendmail("eve@elsewhere.test", [ALICE.address], message(f"{token}-after"))
    server.wait_for(ALICE, f"{token}-after")
    with server.imap(ALICE) as imap:
        imap.select(readonly=True)
        _, found = imap.uid("SEARCH", "SUBJECT", f"{token}-after")
        assert int(found[0]) >= before["INBOX next"]


def test_mail_put_into_the_maildir_by_another_program(make_server: MakeServer, token: str) -> None:
    """Files in `new` are mail, with LF ends as local programs write them."""
    server = make_server().start()
    with server.imap(BOB) as imap:
        imap.select()
        (new,) = [
            path
            for path in server.data.rglob("new")
            if path.is_dir()
            and "bob" in str(path)
            and "/." not in str(path.relative_to(server.data))
        ]
        (new / "1700000000.1.elsewhere").write_bytes(message(token).replace(b"\r\n", b"\n"))
        assert server.wait_for(BOB, token) == message(token)
        imap.noop()
        imap.store("1", "+FLAGS", r"(\Seen)")
    assert any(path.name.endswith("S") for path in new.parent.glob("cur/*"))
