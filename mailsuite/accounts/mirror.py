"""Accounts that are kept elsewhere: a list of them in memory, read again and again in a thread.

Promises: a look-up is answered from memory at once; while the list can't be read, accounts that are
known stay known, and of an address that is not known nobody says that there is none (`reliable`).
Passwords are not in the list: each source checks them its own way.
"""

import abc
import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mailsuite.accounts.rows import AccountRow
from mailsuite.base.errors import UserError
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Threads

log = get_logger("accounts")


@dataclass(frozen=True, slots=True)
class Entry:
    """An account, and what its source checks the password with (a hash, a name in LDAP)."""

    row: AccountRow
    secret: str = field(repr=False)


class Mirror(abc.ABC):
    """One source. `start` before use, `close` after. Used on the event loop."""

    def __init__(
        self, name: str, domains: Sequence[str], threads: Threads, *, interval: float
    ) -> None:
        """`domains` are ours, whatever the list says. `interval` in seconds."""
        self.name = name
        self.domains = frozenset(domains)
        self._threads = threads
        self._interval = interval
        self._entries: Mapping[str, Entry] = {}
        self._task: asyncio.Task[None] | None = None
        self._told = ""
        self.reliable = False
        """Who is not found is not there: the last reading went well."""

    # -- what is known --------------------------------------------------------------------------

    def find(self, key: str) -> AccountRow | None:
        """The account of this address, as `names.account_key` writes it."""
        entry = self._entries.get(key)
        return None if entry is None else entry.row

    def users(self) -> list[AccountRow]:
        """All accounts, by address."""
        return [self._entries[key].row for key in sorted(self._entries)]

    async def verify(self, key: str, password: str) -> bool:
        """Whether the password is that of `key`; an account that is not there takes as long.

        Raises DirectoryUnavailable when it can't be checked now.
        """
        entry = self._entries.get(key)
        fits = await self._verify(None if entry is None else entry.secret, password)
        return fits and entry is not None and entry.row.enabled

    @abc.abstractmethod
    async def _verify(self, secret: str | None, password: str) -> bool: ...

    @abc.abstractmethod
    def _read(self) -> Mapping[str, Entry] | None:
        """The list as it is now, None where it has not changed. In a thread. Raises UserError."""

    # -- reading --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Read the list, and go on reading it. A list that can't be read now is told in the log."""
        await self.refresh()
        self._task = asyncio.get_running_loop().create_task(self._keep_reading())

    async def _keep_reading(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self.refresh()

    async def refresh(self) -> None:
        """Read the list now."""
        try:
            found = await self._threads.run(self._read)
        except UserError as error:
            self.reliable = False
            if str(error) != self._told:  # not every few seconds
                self._told = str(error)
                log.error("accounts not read", source=self.name, why=str(error))
            return
        if not self.reliable and self._told:
            log.info("accounts are read again", source=self.name)
        self.reliable, self._told = True, ""
        if found is not None:
            self._entries = found

    async def close(self) -> None:
        """Read no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
