"""What accounts may keep: the limits of `mailsuite user quota`, else those of the settings."""

from __future__ import annotations

from collections.abc import Callable

from mailsuite.accounts import AccountRow, DirectoryUnavailable, Lookups
from mailsuite.config.schema import Quota as Defaults
from mailsuite.store import OverQuota, Quota, Store, StoreError, StoreUnavailable


class Limits:
    """Asks the directory and the settings anew each time, so that a change holds at once."""

    def __init__(self, directory: Lookups, defaults: Callable[[], Defaults]) -> None:
        self._directory = directory
        self._defaults = defaults

    def of(self, address: str) -> Quota:
        """The limits of an account; from any thread, microseconds. Raises StoreUnavailable."""
        try:
            row = self._directory.lookup(address)
        except DirectoryUnavailable as error:
            raise StoreUnavailable("the directory tells no quota now") from error
        defaults = self._defaults()
        if isinstance(row, AccountRow):
            return Quota(*row.limits(defaults.storage, defaults.messages))
        return Quota(defaults.storage, defaults.messages)

    async def room(self, store: Store, address: str, octets: int) -> bool:
        """May the account keep one message of so many octets more? As far as can be told now."""
        try:
            if self.of(address).limited:
                await (await store.account(address)).admit(1, max(octets, 1))
        except OverQuota:
            return False
        except StoreError:
            return True  # the queue keeps the message until there is an answer
        return True
