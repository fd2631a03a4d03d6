"""Waiting for more than one thing: the client and news, a piece of work and the one before it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable
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


async def ahead(works: Iterable[Coroutine[Any, Any, T]]) -> AsyncGenerator[T]:
    """What pieces of work give, one after the other; the next is done while one is made use of.

    A piece is asked for when the one before it has ended. To be closed (`aclosing`).
    """
    rest = iter(works)
    coming: Coroutine[Any, Any, T] | asyncio.Task[T] | None = next(rest, None)
    try:
        while coming is not None:
            result = await coming
            following = next(rest, None)
            coming = None if following is None else asyncio.create_task(following)
            yield result
    finally:
        if isinstance(coming, asyncio.Task) and not coming.cancel() and not coming.cancelled():
            coming.exception()  # looked at
