"""Accounts of a real store, and importers into them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.store import AccountStore, Facets, Store
from mailsuite.transfer import Progress, State, Target

FACETS = Facets(("length",), 1, lambda octets: (b"%d" % len(octets),))


@pytest.fixture
async def threads() -> AsyncIterator[Threads]:
    made = Threads("transfer", 2)
    yield made
    made.close()


@pytest.fixture
async def store(tmp_path: Path, threads: Threads) -> AsyncIterator[Store]:
    store = Store(tmp_path / "mail", facets=FACETS, threads=threads, clock=SystemClock())
    yield store
    await store.close()


@pytest.fixture
async def alice(store: Store) -> AccountStore:
    return await store.account("alice@example.test")


@pytest.fixture
async def bob(store: Store) -> AccountStore:
    return await store.account("bob@example.test")


@pytest.fixture
async def target(
    tmp_path: Path, threads: Threads
) -> AsyncIterator[Callable[[AccountStore], Awaitable[Target]]]:
    """A target in an account, with a progress of its own, on a state that stays."""
    notes = Threads("state", 1)
    state = State(tmp_path / "imports.db")

    async def make(account: AccountStore, source: str = "maildir:/source") -> Target:
        return Target(account, source, state, notes, Progress())

    yield make
    state.close()
    notes.close()
