"""The store: all accounts' mail under one folder."""

from __future__ import annotations

from pathlib import Path

from mailsuite.base.clock import Clock
from mailsuite.base.tasks import Threads
from mailsuite.store.account import AccountStore
from mailsuite.store.values import Facets


class Store:
    """Mail as plain Maildir++ files under `root`, one folder an account, with an index as cache."""

    def __init__(self, root: Path, *, facets: Facets, threads: Threads, clock: Clock) -> None:
        self._root = root
        self._facets = facets
        self._threads = threads
        self._clock = clock

    async def account(self, address: str) -> AccountStore:
        """The account of an address; made with its first mailboxes when it is new."""
        raise NotImplementedError

    async def close(self) -> None:
        """Finish what is under way and write down what restarts want to know. Idempotent."""
        raise NotImplementedError
