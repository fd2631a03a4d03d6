"""The gauge of the event loop's lag."""

import asyncio
import time

from mailsuite.app.lag import LoopLag


async def test_a_pause_is_seen_and_forgotten_only_after_a_minute() -> None:
    lag = LoopLag()
    lag.start()
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251 (the pause)
    while not lag.worst:  # noqa: ASYNC110 (nobody tells)
        await asyncio.sleep(0.01)
    assert lag.worst >= 0.2
    await lag.stop()
