"""Messages put into a folder in batches: one batch is written while the next is read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from mailsuite.transfer.target import Arrival, TargetFolder

BATCH = 200
BATCH_OCTETS = 1 << 23


class Filling:
    """``async with Filling(folder) as filling: await filling.add(arrival)``.

    Memory: two batches. At the end of the block everything is durable; when it is left by an
    exception, what has been begun is finished and the rest is dropped.
    """

    def __init__(self, folder: TargetFolder) -> None:
        self._folder = folder
        self._batch: list[Arrival] = []
        self._octets = 0
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            await self.flush()
            return
        batch, self._batch = self._batch, []
        await _discard(batch)
        if self._writing is not None:
            await asyncio.wait([self._writing])
            self._writing.exception()  # looked at; the first error is the one to tell

    async def add(self, arrival: Arrival) -> None:
        """One message more. Raises StoreError, also of those before it."""
        self._batch.append(arrival)
        self._octets += arrival.size
        if len(self._batch) >= BATCH or self._octets >= BATCH_OCTETS:
            await self._begin()

    async def flush(self) -> None:
        """All that were added are in the folder. Raises StoreError."""
        await self._begin()
        await self._written()

    async def _begin(self) -> None:
        await self._written()
        batch, self._batch, self._octets = self._batch, [], 0
        if batch:
            self._writing = asyncio.create_task(self._put(batch))

    async def _put(self, batch: Sequence[Arrival]) -> None:
        try:
            await self._folder.put(batch)
        except BaseException:
            await _discard(batch)
            raise

    async def _written(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                self._writing = writing  # for `__aexit__`
                raise


async def _discard(batch: Sequence[Arrival]) -> None:
    for arrival in batch:
        if not isinstance(arrival.source, bytes):
            await arrival.source.discard()
