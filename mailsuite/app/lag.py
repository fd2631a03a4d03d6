"""How late the event loop is: the gauge that shows when something blocks it."""

import asyncio

PERIOD = 0.5
WINDOW = 120  # samples kept: the last minute


class LoopLag:
    """Sleeps, and measures how much longer it took."""

    def __init__(self) -> None:
        self._samples: list[float] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Measure from now on."""
        self._task = asyncio.get_running_loop().create_task(self._measure(), name="loop-lag")

    async def stop(self) -> None:
        """Measure no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    @property
    def worst(self) -> float:
        """The longest lag of the last minute, in seconds."""
        return max(self._samples, default=0.0)

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + PERIOD
            await asyncio.sleep(PERIOD)
            self._samples.append(max(0.0, loop.time() - due))
            del self._samples[:-WINDOW]
