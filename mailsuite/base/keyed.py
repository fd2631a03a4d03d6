"""One after another, for each key by itself: whoever comes second waits for the first.

Promises: a key that nobody has or waits for costs no memory. For one event loop.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class KeyedLock:
    """See the module."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, list[None]]] = {}

    @contextlib.asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """The turn of whoever enters, until it leaves."""
        lock, users = self._locks.setdefault(key, (asyncio.Lock(), []))
        users.append(None)
        try:
            async with lock:
                yield
        finally:
            users.pop()
            if not users:
                del self._locks[key]
