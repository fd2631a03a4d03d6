"""Guessing gets slower and ends in bans; who belongs to an account is not locked out by others."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailsuite.base.errors import UserError
from mailsuite.signin import Ban, Bans, Settings, Throttle
from mailsuite.signin.ledger import Ledger
from tests.sign_in import NoThreads

ALICE, BOB = "alice@example.test", "bob@example.test"
HOME, EVIL = "192.0.2.1", "198.51.100.9"


class Clock:
    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class House:
    """A throttle over a real file, with a clock of its own."""

    def __init__(self, path: Path, **changes: Any) -> None:
        self.path = path
        self.clock = Clock()
        self.settings = replace(
            Settings("mail.example.test", address_failures=4, account_failures=6), **changes
        )
        self.open()

    def open(self) -> None:
        self.bans = Bans(self.path)
        self.throttle = Throttle(self.settings, self.bans, NoThreads(), self.clock)

    def restart(self) -> None:
        self.bans.close()
        self.open()

    async def guess(self, peer: str, account: str, *guesses: str | None) -> list[float]:
        return [await self.throttle.failed(peer, account, guess) for guess in guesses]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = House(tmp_path / "bans.db")
    yield opened
    opened.bans.close()


async def test_each_failure_takes_longer_to_be_told(house: House) -> None:
    house.throttle.settings = replace(house.settings, address_failures=100)
    assert await house.guess(EVIL, ALICE, "a", "a", "b", None, "c", "d") == [1, 2, 4, 8, 15, 15]
    house.clock.time += 600
    assert await house.guess(EVIL, ALICE, "e") == [1]


async def test_an_address_is_banned_at_all_accounts(house: House) -> None:
    await house.guess(EVIL, ALICE, "a", "b", "c")
    assert not house.throttle.address_barred(EVIL)
    await house.guess(EVIL, BOB, "a")
    assert house.throttle.address_barred(EVIL)
    assert not house.throttle.address_barred(HOME)
    house.clock.time += 600
    assert not house.throttle.address_barred(EVIL)


async def test_ipv6_is_counted_by_64(house: House) -> None:
    for last in "1234":
        await house.guess(f"2001:db8:1:2::{last}", ALICE, last)
    assert house.throttle.address_barred("2001:db8:1:2:ffff::1")
    assert not house.throttle.address_barred("2001:db8:1:3::1")
    await house.guess("::ffff:198.51.100.9", ALICE, "a", "b", "c", "d")
    assert house.throttle.address_barred(EVIL)


async def test_a_forgotten_device_with_the_old_password_is_slowed_but_not_banned(
    house: House,
) -> None:
    assert (await house.guess(HOME, ALICE, *["old"] * 30))[-1] == 15
    assert not house.throttle.address_barred(HOME)
    assert not house.throttle.account_barred(EVIL, ALICE)


async def test_challenge_response_shows_no_guess_so_each_counts(house: House) -> None:
    await house.guess(HOME, ALICE, None, None, None, None)
    assert house.throttle.address_barred(HOME)


async def test_bans_double_up_to_a_limit_and_are_forgotten_after_a_day(house: House) -> None:
    lengths = []
    for number in range(9):
        await house.guess(EVIL, ALICE, *(f"{number}{guess}" for guess in "abcd"))
        ban = house.bans.get("address", EVIL)
        assert ban
        lengths.append(ban.until - ban.since)
        house.clock.time = ban.until + 1
    assert lengths == [600, 1200, 2400, 4800, 9600, 19200, 38400, 76800, 86400]
    house.clock.time += 86_401
    await house.guess(EVIL, ALICE, "a", "b", "c", "d")
    ban = house.bans.get("address", EVIL)
    assert ban and ban.until - ban.since == 600


async def test_an_account_is_closed_to_strangers_only(house: House) -> None:
    await house.throttle.succeeded(HOME, ALICE)
    for number in range(6):
        await house.guess(f"203.0.113.{number}", ALICE, f"guess {number}")
    assert house.throttle.account_barred(EVIL, ALICE)
    assert not house.throttle.account_barred(HOME, ALICE)  # the owner goes on
    assert not house.throttle.account_barred(EVIL, BOB)
    house.clock.time += 31 * 86_400
    for number in range(6):
        await house.guess(f"203.0.113.{number}", ALICE, f"guess {number}")
    assert house.throttle.account_barred(HOME, ALICE)  # not used from there for a month


async def test_success_forgives_only_what_concerns_the_account(house: House) -> None:
    """Else whoever has an account could guess at the others' for ever."""
    await house.guess(EVIL, ALICE, "a", "b")
    await house.guess(EVIL, BOB, "a")
    await house.throttle.succeeded(EVIL, BOB)
    await house.guess(EVIL, ALICE, "c")
    assert not house.throttle.address_barred(EVIL)
    await house.guess(EVIL, ALICE, "d")
    assert house.throttle.address_barred(EVIL)


async def test_loopback_is_never_banned_but_slowed(house: House) -> None:
    for peer in ("127.0.0.1", "::1", "127.8.8.8"):
        delays = await house.guess(peer, f"x{peer}", *"abcdefgh")
        assert delays[-1] == 15
        assert not house.throttle.address_barred(peer)


async def test_the_gateway_of_a_container_network_is_an_address_like_any_other(
    house: House,
) -> None:
    await house.guess("172.17.0.1", ALICE, "a", "b", "c", "d")
    assert house.throttle.address_barred("172.17.0.1")


async def test_bans_and_known_networks_outlive_a_restart(house: House) -> None:
    await house.throttle.succeeded(HOME, ALICE)
    await house.guess(EVIL, ALICE, "a", "b", "c", "d")
    house.restart()
    assert house.throttle.address_barred(EVIL)
    assert house.bans.last_use(ALICE, HOME) == house.clock.time
    assert house.path.stat().st_mode & 0o777 == 0o600


async def test_another_process_lifts_a_ban_at_once(house: House) -> None:
    await house.guess(EVIL, ALICE, "a", "b", "c", "d")
    other = Bans(house.path)
    (ban,) = other.all(house.clock.time)
    assert (ban.kind, ban.key) == ("address", EVIL)
    assert other.lift(EVIL) == [ban]
    assert other.lift(EVIL) == []
    assert not house.throttle.address_barred(EVIL)
    other.put(Ban("address", HOME, house.clock.time, house.clock.time + 60))
    assert house.throttle.address_barred(HOME)
    assert len(other.lift(None)) == 1
    other.close()


async def test_a_disk_that_fails_does_not_stop_a_ban(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    house.bans._connection.pragma("query_only", True)
    await house.guess(EVIL, ALICE, "a", "b", "c", "d")
    await house.throttle.succeeded(HOME, ALICE)
    assert house.throttle.address_barred(EVIL)
    out = capsys.readouterr().out
    assert "ban not written down" in out and "use of an account not written down" in out


def test_a_file_that_is_none_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "bans.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(UserError, match=r"bans\.db: "):
        Bans(tmp_path / "bans.db")


def test_the_ledger_is_bounded() -> None:
    ledger = Ledger(keys=3)
    for number in range(10):
        assert ledger.add(str(number), "a", b"g", 0.0, 10.0) == (1, 1)
    assert ledger.add("9", "a", b"g", 1.0, 10.0) == (1, 2)
    assert ledger.add("0", "a", b"g", 1.0, 10.0) == (1, 1)
    assert len(ledger._failures) == 3
