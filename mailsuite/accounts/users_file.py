"""Accounts in a file of the operator's: one a line, the address and an argon2id hash.

    # made by `mailsuite user hash`
    alice@example.org:$argon2id$v=19$m=19456,t=2,p=1$…
    bob@example.org:!$argon2id$…        # may not sign in; mail is still taken

Promises: a change is in force within seconds; a file with a mistake leaves what was in force, and
the log says `file:line: what is wrong`. Never writes it.
"""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mailsuite.accounts import names
from mailsuite.accounts.mirror import Entry, Mirror
from mailsuite.accounts.passwords import MAX_PASSWORD, Hasher, Remembered, prepare
from mailsuite.accounts.rows import AccountRow
from mailsuite.base.errors import UserError
from mailsuite.base.tasks import Threads

MAX_FILE = 64 << 20  # octets
LOOK = 2.0  # seconds
_HASH = re.compile(
    r"\$argon2(?:id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+\Z"
)


class UsersFile(Mirror):
    """The accounts of one file."""

    def __init__(
        self,
        path: Path,
        domains: Sequence[str],
        threads: Threads,
        *,
        hasher: Hasher | None = None,
        interval: float = LOOK,
    ) -> None:
        super().__init__(str(path), domains, threads, interval=interval)
        self._path = path
        self._hasher = hasher or Hasher()
        self._remembered = Remembered()
        self._seen: tuple[int, ...] = ()
        self._example: str | None = None

    async def _verify(self, secret: str | None, password: str) -> bool:
        octets = prepare(password[:MAX_PASSWORD])
        if len(password) > MAX_PASSWORD:
            secret = None
        if secret is not None and self._remembered.has("", secret, octets, time.monotonic()):
            return True
        # The work is that of the file's own parameters, also for a name that is not in it.
        kept = secret or self._example
        fits = await self._threads.run(self._hasher.check, kept, octets)
        if not fits or secret is None:
            return False
        self._remembered.add("", secret, octets, time.monotonic())
        return True

    def _read(self) -> Mapping[str, Entry] | None:
        try:
            with self._path.open("rb") as file:
                stat = self._path.stat()
                seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
                if self.reliable and seen == self._seen:
                    return None
                octets = file.read(MAX_FILE + 1)
        except OSError as error:
            raise UserError(f"{self._path}: {error.strerror} (expected accounts)") from error
        if len(octets) > MAX_FILE:
            raise UserError(f"{self._path}: larger than {MAX_FILE} octets")
        found: dict[str, Entry] = {}
        for number, line in enumerate(octets.split(b"\n"), 1):
            try:
                self._take(line.decode("utf-8-sig").strip(), found)
            except ValueError as error:  # UnicodeDecodeError is one
                raise UserError(f"{self._path}:{number}: {error}") from error
        self._seen = seen
        self._example = next((entry.secret for entry in found.values()), None)
        return found

    def _take(self, line: str, found: dict[str, Entry]) -> None:
        line = line.partition(" #")[0].rstrip()
        if not line or line.startswith("#"):
            return
        address, colon, secret = line.partition(":")
        key = names.account_key(address)
        if not colon or key is None:
            raise ValueError("expected address:hash")
        if key.rpartition("@")[2] not in self.domains:
            raise ValueError(f"{address} is in none of the domains in the settings")
        if key in found:
            raise ValueError(f"{address} stands in the file already")
        enabled = not secret.startswith("!")
        secret = secret.removeprefix("!")
        if not _HASH.match(secret):
            raise ValueError(f"{address} has no argon2 hash (make one: mailsuite user hash)")
        found[key] = Entry(AccountRow(key, enabled, 0.0), secret)
