"""Waiting for the client and for news at the same time (IDLE, NOTIFY)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Future[T]]:
    """Have `work` done meanwhile; it ends with the block, done or not."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # asked for, so that it is not reported as overlooked


async def either(
    one: asyncio.Future[Any], changed: asyncio.Event, timeout: float | None = None
) -> None:
    """Wait until `one` is done, `changed` is set, or the time is over."""
    change = asyncio.ensure_future(changed.wait())
    try:
        await asyncio.wait([one, change], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        change.cancel()
