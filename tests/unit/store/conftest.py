"""A store on a temporary folder, for the tests of its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.store import Facets, Store

FACETS = Facets(
    ("length", "start"),
    1,
    lambda message: (b"%d" % len(message), bytes(message[:8])),
    apart=("start",),
)


class MovableClock(SystemClock):
    """The machine's clock, whose monotonic side moves only by hand."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return self.ahead


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def open_store(
    tmp_path: Path, clock: MovableClock
) -> AsyncIterator[Callable[..., Awaitable[Store]]]:
    """Opens a store on the same folder each time; what is still open is closed at the end."""
    threads = Threads("store", 4)
    opened: list[Store] = []

    async def make(facets: Facets = FACETS) -> Store:
        store = Store(tmp_path / "mail", facets=facets, threads=threads, clock=clock)
        opened.append(store)
        return store

    yield make
    for store in opened:
        await store.close()
    threads.close()


@pytest.fixture
async def store(open_store: Callable[[], Awaitable[Store]]) -> Store:
    return await open_store()


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    """Where alice@example.test has her mail."""
    return tmp_path / "mail" / "example.test" / "alice" / "Maildir"
