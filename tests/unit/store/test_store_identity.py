"""What a message's file name tells for ever: which message it is, and since when it is here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailsuite.base.clock import SystemClock
from mailsuite.store import EVERY_FLAG, AccountStore, NewMessage, Store, across
from mailsuite.store.filename import (
    FileName,
    delivery_of,
    elsewhere,
    identity,
    parse,
    saved,
    undelivered,
)

ALICE = "alice@example.test"
COLUMNS = ("saved", "identity")
DAY = 86400.0


async def seen(account: AccountStore, name: str) -> list[tuple[int | None, str]]:
    """(saved, identity) of all messages in a mailbox."""
    mailbox = await account.open(name)
    try:
        rows = await mailbox.rows(mailbox.uids.tolist(), columns=COLUMNS)
        return [(row[1], row[2]) for row in rows]
    finally:
        mailbox.release()


class LaterClock(SystemClock):
    """A clock that moves only by hand."""

    def __init__(self) -> None:
        self.at = 1_700_000_000.0
        self.ahead = 0.0

    def monotonic(self) -> float:
        return self.ahead

    def now(self) -> float:
        return self.at


@pytest.fixture
def clock() -> LaterClock:
    return LaterClock()


async def test_copies_and_moves(
    open_store: Callable[[], Awaitable[Store]], clock: LaterClock, maildir: Path
) -> None:
    store = await open_store()
    account = await store.account(ALICE)
    await account.append("INBOX", [NewMessage(b"a\r\n", internal_date=DAY), NewMessage(b"a\r\n")])
    (first, one), (_, other) = await seen(account, "INBOX")
    assert first == 1_700_000_000
    assert one != other

    clock.at += DAY
    inbox = await account.open("INBOX")
    await account.copy(inbox, [1], "Archive")
    await account.move(inbox, [1], "Trash")
    bob = await store.account("bob@example.test")
    await across.copy(inbox, [2], bob, "INBOX", EVERY_FLAG)
    inbox.release()
    later = 1_700_000_000 + int(DAY)
    assert await seen(account, "INBOX") == [(1_700_000_000, other)]
    assert await seen(account, "Archive") == [(later, one)]
    assert await seen(account, "Trash") == [(later, one)]
    assert await seen(bob, "INBOX") == [(later, other)]

    await store.close()
    (maildir.parent / "index.db").unlink()
    clock.at += DAY
    account = await (await open_store()).account(ALICE)
    assert await seen(account, "INBOX") == [(1_700_000_000, other)]
    assert await seen(account, "Archive") == [(later, one)]
    assert await seen(account, "Trash") == [(later, one)]


async def test_flags_change_nothing(store: Store) -> None:
    account = await store.account(ALICE)
    await account.append("INBOX", [NewMessage(b"a\r\n")])
    before = await seen(account, "INBOX")
    mailbox = await account.open("INBOX")
    await mailbox.store_flags([1], "+", (r"\Seen", "label"))
    mailbox.release()
    assert await seen(account, "INBOX") == before


async def test_expunged_and_still_held(store: Store) -> None:
    account = await store.account(ALICE)
    await account.append("INBOX", [NewMessage(b"a\r\n")])
    before = await seen(account, "INBOX")
    mailbox = await account.open("INBOX")
    attachment = mailbox.attach(lambda change: None, claim_recent=True)
    await mailbox.expunge([1], only_deleted=False)
    rows = await mailbox.rows([1], columns=COLUMNS)
    assert [(row[1], row[2]) for row in rows] == before
    attachment.detach()
    mailbox.release()


async def test_files_of_other_programs(store: Store, clock: LaterClock, maildir: Path) -> None:
    account = await store.account(ALICE)
    (maildir / "cur" / "1600000000.x.host:2,").write_bytes(b"a\n")
    (maildir / "cur" / "nonsense:2,S").write_bytes(b"a\n")
    (maildir / "cur" / "1600000000.y.host,U=77,S=2,W=3:2,").write_bytes(b"a\n")
    found = dict(enumerate(await seen(account, "INBOX")))
    # As the name says; when it was found; and what has been elsewhere: when it was found.
    assert sorted(when or 0 for when, _ in found.values()) == [
        1_600_000_000,
        1_700_000_000,
        1_700_000_000,
    ]
    assert len({name for _, name in found.values()}) == 3


def test_names() -> None:
    name = parse("1.M2P3Q4Dabc.host,U=1,S=5,W=6,D=99,Z=x:2,S")
    assert name == FileName("1.M2P3Q4Dabc.host", 1, 5, 6, ("Z=x",), "S", 99)
    assert str(name) == "1.M2P3Q4Dabc.host,U=1,S=5,W=6,D=99,Z=x:2,S"
    assert saved(name) == 99
    assert saved(parse("17.x.host")) == 17
    assert saved(parse("x")) is None
    assert undelivered(name.base) == "1.M2P3Q4.host"
    assert delivery_of(undelivered(name.base)) is None
    assert identity(name) == identity(parse("1.M2P3Q4.host,U=7,S=5,W=6"))
    assert identity(name) != identity(parse("1.M2P3Q4.host,U=1,S=5,W=7"))


async def zones(account: AccountStore, name: str) -> list[int]:
    mailbox = await account.open(name)
    try:
        rows = await mailbox.rows(mailbox.uids.tolist(), columns=("zone", "size"))
        return [row[1] for row in rows]
    finally:
        mailbox.release()


async def test_the_zone_of_the_internal_date(
    open_store: Callable[[], Awaitable[Store]], maildir: Path
) -> None:
    store = await open_store()
    account = await store.account(ALICE)
    messages = [NewMessage(b"a\r\n", internal_date=DAY, zone=zone) for zone in (0, -480, 345)]
    await account.append("INBOX", messages)
    await account.append("INBOX", [NewMessage(b"a\r\n")])
    for name in ("1600000000.x.host,Z=1,S=2:2,", "1600000001.x.host,Z=+0100:2,S"):
        (maildir / "cur" / name).write_bytes(b"a\n")
    (maildir / "new" / "strange name,Z=-0030").write_bytes(b"a\n")
    inbox = await account.open("INBOX")
    assert sorted(await zones(account, "INBOX")) == [-480, -30, 0, 0, 0, 60, 345]
    await account.copy(inbox, [2], "Archive")
    await account.move(inbox, [3], "Archive")
    bob = await store.account("bob@example.test")
    await across.copy(inbox, [2], bob, "INBOX", EVERY_FLAG)
    await inbox.store_flags([2], "+", (r"\Seen", "label"))
    attachment = inbox.attach(lambda change: None, claim_recent=True)
    await inbox.expunge([2], only_deleted=False)
    assert await inbox.rows([2], columns=("zone",)) == [(2, -480)]
    attachment.detach()
    inbox.release()
    assert await zones(account, "Archive") == [-480, 345]
    assert await zones(bob, "INBOX") == [-480]

    await store.close()
    (maildir.parent / "index.db").unlink()
    account = await (await open_store()).account(ALICE)
    assert await zones(account, "Archive") == [-480, 345]


@pytest.mark.parametrize(
    ("field", "zone"),
    [("+0530", 330), ("-1200", -720), ("+0000", 0), ("+9959", 5999), ("+0060", 0), ("0100", 0),
     ("+01000", 0), ("+\u0661\u0661\u0661\u0661", 0)],
)  # fmt: skip
def test_zones_in_names(field: str, zone: int) -> None:
    name = parse(f"1.x.host,U=1,S=2,W=3,Z={field}:2,S")
    assert name.zone == zone
    assert str(name) == f"1.x.host,U=1,S=2,W=3,Z={field}:2,S"
    assert elsewhere(str(name), 9, "F", 77).endswith(f",D=77,Z={field}:2,F")
