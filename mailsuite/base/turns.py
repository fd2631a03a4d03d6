"""Calls in threads that hardly ever wait: one after the other, unless one takes long.

Threads that read many small files out of the system's memory take the interpreter lock from each
other, and from the event loop, at every step: together they are slower than one by one. What waits
for the disk takes nothing from anybody; beside it others may go on.
"""

import asyncio
from types import TracebackType

PATIENCE = 0.005
"""Seconds: what is read from memory takes less."""


class Turns:
    """`async with turns:` around each call. Loop thread only.

    Promises: whoever comes first is let in first, and after `patience` seconds in any case.
    """

    __slots__ = ("_inside", "_patience", "_waiting")

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._inside = 0
        self._waiting: dict[asyncio.Future[None], None] = {}  # in their order

    async def __aenter__(self) -> None:
        if not self._inside:
            self._inside = 1
            return
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting[waiter] = None
        timer = loop.call_later(self._patience, self._let_in, waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():
                self._leave()  # it had just been let in
            raise
        finally:
            timer.cancel()
            self._waiting.pop(waiter, None)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self._inside -= 1
        while self._waiting and not self._inside:
            self._let_in(next(iter(self._waiting)))

    def _let_in(self, waiter: asyncio.Future[None]) -> None:
        self._waiting.pop(waiter, None)
        if not waiter.done():  # let in already, or its task is being cancelled
            self._inside += 1
            waiter.set_result(None)
