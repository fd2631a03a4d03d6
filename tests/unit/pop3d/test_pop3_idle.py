"""The timer of a session's waits."""

import asyncio
from typing import cast

import pytest

from mailsuite.net import Connection
from mailsuite.pop3d.idle import Idle


class Line:
    """A connection that can only be aborted."""

    def __init__(self) -> None:
        self.aborted = asyncio.Event()

    def abort(self) -> None:
        self.aborted.set()


async def test_only_a_wait_that_lasts_is_cut_short() -> None:
    line = Line()
    idle = Idle(cast(Connection, line), 0.2)
    for _ in range(6):  # together longer than the limit
        async with idle:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)  # work, not a wait
    assert not line.aborted.is_set()
    with pytest.raises(TimeoutError):
        async with idle:
            await line.aborted.wait()
    idle.stop()


async def test_what_else_goes_wrong_in_a_wait_is_told_as_it_is() -> None:
    line = Line()
    idle = Idle(cast(Connection, line), 0.05)
    with pytest.raises(ValueError, match="ours"):
        async with idle:
            await line.aborted.wait()
            raise ValueError("ours")
    with pytest.raises(TimeoutError):
        async with idle:
            raise ConnectionResetError
    idle.stop()
