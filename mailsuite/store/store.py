"""The store: all accounts' mail under one folder."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from mailsuite.base.clock import Clock
from mailsuite.base.tasks import Tasks, Threads
from mailsuite.base.turns import Turns
from mailsuite.store import names
from mailsuite.store.account import AccountStore
from mailsuite.store.background import Background
from mailsuite.store.files import MAILDIR, AccountFiles
from mailsuite.store.index import column
from mailsuite.store.mailbox import Mailbox
from mailsuite.store.rounds import Rounds
from mailsuite.store.sharing import Sharing
from mailsuite.store.values import Facets, Quota
from mailsuite.store.watcher import Watcher

IDLE_MAILBOXES = 64
OPEN_ACCOUNTS = 256


class Store:
    """Mail as plain Maildir++ files under `root`, one folder an account, with an index as cache.

    One process at a time may have a store open on a folder. Memory is bounded: views that nobody
    uses are kept for a while (`IDLE_MAILBOXES`), and so are the indexes of accounts that nobody
    uses (`OPEN_ACCOUNTS`).
    """

    def __init__(
        self,
        root: Path,
        *,
        facets: Facets,
        threads: Threads,
        clock: Clock,
        limits: Callable[[str], Quota] = lambda address: Quota(),
        watcher: Watcher | None = None,
        arrived: Callable[[str, str], None] = lambda address, mailbox: None,
    ) -> None:
        """
        limits   what an account may keep; asked at every addition, from any thread
        arrived  told (account, mailbox) on the loop whenever messages have come into a mailbox

        Raises ValueError when a facet's name is no identifier.
        """
        for name in facets.names:
            column(name)
        self._root = root
        self._facets = facets
        self._threads = threads
        self._clock = clock
        self._limits = limits
        self._arrived = arrived
        self._rounds = Rounds(threads)
        self._reads = Turns()
        self.sharing = Sharing(root, threads)
        self._accounts: OrderedDict[tuple[str, str], AccountStore] = OrderedDict()
        self._idle: OrderedDict[Mailbox, AccountStore] = OrderedDict()
        self._background = Background()
        self.watcher = watcher or Watcher()
        self.tasks = Tasks("store")

    async def account(self, address: str) -> AccountStore:
        """The account of an address; made with its first mailboxes when it is new.

        Raises StoreUnavailable.
        """
        key = names.account_folder(address)
        account = self._accounts.get(key)
        if account is None:
            files = AccountFiles(
                self._root / key[0] / key[1],
                self._clock,
                self._facets,
                partial(self._limits, address),
            )
            account = AccountStore(
                address,
                files,
                self._threads,
                self._rounds,
                self._reads,
                self._on_idle,
                self._background,
                self.watcher,
                partial(self._arrived, address),
            )
            self._accounts[key] = account
        self._accounts.move_to_end(key)
        if not account.files.was_open:
            await account.writer.do(account.files.open)
        self._let_rest()
        return account

    def having(self, mailbox: str, addresses: Iterable[str]) -> list[str]:
        """Those of these accounts that have a mailbox of this name, not INBOX. Blocks."""
        folder = names.to_folder(names.canonical(mailbox))
        return [
            address
            for address in addresses
            if self._root.joinpath(*names.account_folder(address), MAILDIR, folder).is_dir()
        ]

    def _on_idle(self, account: AccountStore, mailbox: Mailbox) -> None:
        self._idle[mailbox] = account
        self._idle.move_to_end(mailbox)
        while len(self._idle) > IDLE_MAILBOXES:
            oldest, its_account = self._idle.popitem(last=False)
            its_account.views.forget(oldest)

    def _let_rest(self) -> None:
        """Close the indexes of accounts not asked for since long."""
        if len(self._accounts) <= OPEN_ACCOUNTS:
            return
        awake = [one for one in self._accounts.values() if one.files.is_open]
        if len(awake) > OPEN_ACCOUNTS and not self.tasks:
            self.tasks.start(self._rest(awake[: len(awake) - OPEN_ACCOUNTS]), "rest")

    @staticmethod
    async def _rest(accounts: list[AccountStore]) -> None:
        for account in accounts:
            await account.rest()

    async def close(self) -> None:
        """Finish what is under way and write down what restarts want to know. Idempotent."""
        await self.watcher.close()
        await self.tasks.wait()
        await asyncio.gather(*(account.close() for account in self._accounts.values()))
        self._idle.clear()
        self._accounts.clear()
