"""The real sign-in room for tests of doors, over accounts that are only names and passwords."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mailsuite.accounts import AppPasswordRow, Directory, DirectoryUnavailable
from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.sasl.scram import Hash, Verifier
from mailsuite.signin import Accounts, Ban, Settings, SignIn, Throttle


class NoAppPasswords:
    def find(self, key: str, password: str) -> AppPasswordRow | None:
        return None

    def verifiers(self, key: str, hash: Hash, door: str) -> list[tuple[AppPasswordRow, Verifier]]:
        return []

    def should_note(self, row: AppPasswordRow, now: float) -> bool:
        return False

    def note(self, row: AppPasswordRow, peer: str, door: str, now: float) -> None:
        raise AssertionError("there are none")


class FakeAccounts:
    """Passwords by address. `broken` fails as nothing should."""

    all_have_verifiers = False
    app_passwords = NoAppPasswords()
    local_domains: frozenset[str] = frozenset()

    def __init__(self, passwords: Mapping[str, str], *, secrets: bool = False) -> None:
        self.passwords = dict(passwords)
        self.some_have_secrets = secrets
        self.broken = False
        self.away = False

    def enabled(self, name: str) -> str | None:
        return name if name in self.passwords else None

    async def verify(self, name: str, password: str) -> str | None:
        await asyncio.sleep(0)
        if self.broken:
            raise RuntimeError("the directory is on fire")
        if self.away:
            raise DirectoryUnavailable("a secret of the house")
        return name if self.passwords.get(name) == password else None

    def verifier(self, name: str, hash: Hash) -> Verifier | None:
        return None

    def decoy(self, key: str, hash: Hash) -> Verifier:
        return Verifier(hash, 4096, b"salt", b"-" * hash.octets, b"-" * hash.octets)

    def secret(self, name: str) -> str | None:
        return self.passwords.get(name) if self.some_have_secrets else None


class MemoryBans:
    """Stands for the file."""

    def __init__(self) -> None:
        self.bans: dict[tuple[str, str], Ban] = {}
        self.known: dict[tuple[str, str], float] = {}

    def get(self, kind: str, key: str) -> Ban | None:
        return self.bans.get((kind, key))

    def put(self, ban: Ban, *, forget_before: float = 0.0) -> None:
        self.bans[ban.kind, ban.key] = ban

    def last_use(self, account: str, network: str) -> float:
        return self.known.get((account, network), 0.0)

    def note_use(self, account: str, network: str, now: float, *, forget_before: float) -> None:
        self.known[account, network] = now


class NoThreads(Threads):
    """Here and now."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)  # has no thread as long as nobody asks it

    async def run(self, call: Any, *args: Any, **kwargs: Any) -> Any:
        return call(*args, **kwargs)


def sign_in(accounts: Accounts | Directory, **changes: Any) -> SignIn:
    """A room that does not let clients wait, and announces SCRAM only where it is told to."""
    values: dict[str, Any] = {"hostname": "mail.example.test", "scram": "never", "first_delay": 0.0}
    settings = Settings(**{**values, **changes})
    threads, clock = NoThreads(), SystemClock()
    throttle = Throttle(settings, MemoryBans(), threads, clock)
    return SignIn(accounts, settings, throttle, threads, clock)
