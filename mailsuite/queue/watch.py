"""Somebody waits for how the first attempts for one message end."""

import asyncio

from mailsuite.queue.changes import Result


class Watch:
    """Made before the message is committed.

    ended  what was recorded so far, by the recipient's place in the envelope
    """

    __slots__ = ("_all", "_count", "ended")

    def __init__(self, count: int) -> None:
        """`count` recipients."""
        self.ended: dict[int, Result] = {}
        self._count = count
        self._all = asyncio.Event()

    def note(self, results: tuple[Result, ...]) -> None:
        """An attempt has been recorded."""
        for result in results:
            self.ended.setdefault(result.index, result)
        if len(self.ended) >= self._count:
            self._all.set()

    async def wait(self, seconds: float) -> None:
        """Until there is a result for every recipient, but not longer than this."""
        try:
            async with asyncio.timeout(seconds):
                await self._all.wait()
        except TimeoutError:
            pass
