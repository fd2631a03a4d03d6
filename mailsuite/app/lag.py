"""How late the event loop is: the gauge that shows when something blocks it."""

import asyncio
from collections import deque

PERIOD = 0.05  # no pause that is longer than this goes unseen
SAMPLES = 20  # of which the worst is kept: one a second
WINDOW = 60  # seconds looked back


class LoopLag:
    """Sleeps, and measures how much longer it took."""

    def __init__(self) -> None:
        self._worst: deque[float] = deque(maxlen=WINDOW)
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
        return max(self._worst, default=0.0)

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._worst.append(0.0)
            for _ in range(SAMPLES):
                due = loop.time() + PERIOD
                await asyncio.sleep(PERIOD)
                self._worst[-1] = max(self._worst[-1], loop.time() - due)
