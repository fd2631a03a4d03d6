"""Guessing gets slower with each failure, and ends in a ban. Shared by all doors.

Two bans. An address (IPv6: a /64) that has failed too often may not try any more, whomever it
means. An account that was guessed at too often, from however many addresses, is closed to addresses
that it was not used from lately: its owner, at home or with the phone's usual network, goes on. A
further ban of the same is twice as long.
"""

import asyncio
import contextlib
import hashlib
import ipaddress
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from typing import Protocol

from mailsuite.base.clock import Clock
from mailsuite.base.errors import UserError
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Threads
from mailsuite.net import network_key
from mailsuite.signin.bans import Ban
from mailsuite.signin.ledger import Ledger
from mailsuite.signin.settings import Settings

log = get_logger("signin")
ADDRESS = "address"
ACCOUNT = "account"
AT_ONCE = 2  # checks for one address
REMEMBERED = 86_400.0  # seconds: a ban that ended longer ago does not make the next one longer
NOTED_EVERY = 86_400.0  # seconds between two notes of an account's use from one network


class BanStore(Protocol):
    """`bans.Bans`."""

    def get(self, kind: str, key: str) -> Ban | None: ...
    def put(self, ban: Ban, *, forget_before: float = 0.0) -> None: ...
    def last_use(self, account: str, network: str) -> float: ...
    def note_use(self, account: str, network: str, now: float, *, forget_before: float) -> None: ...


class Throttle:
    """On the event loop; what blocks runs in `threads`."""

    def __init__(self, settings: Settings, bans: BanStore, threads: Threads, clock: Clock) -> None:
        self.settings = settings
        self._bans = bans
        self._threads = threads
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._by_address = Ledger()
        self._by_account = Ledger()
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._waiting: Counter[str] = Counter()
        self._counter = 0

    def address_barred(self, peer: str) -> bool:
        """The address may not try now."""
        return not self._exempt(peer) and self._in_force(ADDRESS, network_key(peer))

    @contextlib.asynccontextmanager
    async def turn(self, peer: str) -> AsyncIterator[None]:
        """Few checks at once for one address.

        Else somebody with many connections could have many guesses checked before the first has
        failed, and take all the time there is for hashing.
        """
        if self._exempt(peer):
            yield
            return
        key = network_key(peer)
        turns = self._turns.setdefault(key, asyncio.Semaphore(AT_ONCE))
        self._waiting[key] += 1
        try:
            async with turns:
                yield
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key], self._turns[key]

    def account_barred(self, peer: str, account: str) -> bool:
        """The account's password may not be tried from there now."""
        if not self._in_force(ACCOUNT, account):
            return False
        since = self._clock.now() - self.settings.known_for
        return self._bans.last_use(account, network_key(peer)) < since

    def _in_force(self, kind: str, key: str) -> bool:
        ban = self._bans.get(kind, key)
        return ban is not None and ban.until > self._clock.now()

    def _exempt(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return True  # a program of this machine, by a Unix socket
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self.settings.never_ban)

    async def failed(self, peer: str, account: str, guess: str | None) -> float:
        """Note a failure; gives the seconds to wait before it is told.

        account  the name as accounts are compared, whether there is such a one or not
        guess    the password; None where none was shown (SCRAM)
        """
        settings, now, network = self.settings, self._clock.now(), network_key(peer)
        digest = self._digest(account, guess)
        tried, count = self._by_address.add(network, account, digest, now, settings.window)
        guessed, _ = self._by_account.add(account, account, digest, now, settings.window)
        if tried >= settings.address_failures and not self._exempt(peer):
            self._by_address.clear(network)
            await self._ban(ADDRESS, network, tried)
        if guessed >= settings.account_failures:
            self._by_account.clear(account)
            await self._ban(ACCOUNT, account, guessed)
        delay = settings.first_delay * 2.0 ** min(count - 1, 30)
        return float(min(delay, settings.longest_delay))

    def _digest(self, account: str, guess: str | None) -> bytes:
        if guess is None:
            self._counter += 1
            return self._counter.to_bytes(8, "big")
        text = f"{account}\0{guess}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=16).digest()

    async def _ban(self, kind: str, key: str, failures: int) -> None:
        now, before = self._clock.now(), self._bans.get(kind, key)
        if before is not None and before.until > now:
            return  # another connection's failure has just done it
        recent = before is not None and now - before.until < REMEMBERED
        level = before.level + 1 if before is not None and recent else 0
        length = min(self.settings.ban * 2.0 ** min(level, 30), self.settings.longest_ban)
        ban = Ban(kind, key, now, now + length, level)
        log.warning("banned", **{kind: key}, failures=failures, seconds=round(length))
        await self._threads.run(self._put, ban, now - REMEMBERED)

    def _put(self, ban: Ban, forget_before: float) -> None:
        try:
            self._bans.put(ban, forget_before=forget_before)
        except UserError as error:
            log.error("ban not written down", why=str(error))  # it is in force all the same

    async def succeeded(self, peer: str, account: str) -> None:
        """Forgive the failures of this account from there, and remember that it is used there."""
        network, now = network_key(peer), self._clock.now()
        self._by_address.forgive(network, account)
        if now - self._bans.last_use(account, network) >= NOTED_EVERY:
            await self._threads.run(self._note_use, account, network, now)

    def _note_use(self, account: str, network: str, now: float) -> None:
        try:
            forget_before = now - self.settings.known_for
            self._bans.note_use(account, network, now, forget_before=forget_before)
        except UserError as error:
            log.error("use of an account not written down", why=str(error))
