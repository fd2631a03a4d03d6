"""Turns: one after the other, beside each other where one takes long."""

import asyncio

import pytest

from mailsuite.base.turns import Turns


class Work:
    """Notes who is inside at what time; each leaves when it is told to."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.inside: list[str] = []
        self.began: dict[str, asyncio.Event] = {}
        self.ends: dict[str, asyncio.Event] = {}

    def start(self, name: str) -> asyncio.Task[None]:
        self.began[name], self.ends[name] = asyncio.Event(), asyncio.Event()
        return asyncio.create_task(self._run(name))

    async def _run(self, name: str) -> None:
        async with self.turns:
            self.inside.append(name)
            self.began[name].set()
            await self.ends[name].wait()
            self.inside.remove(name)

    async def settle(self) -> list[str]:
        for _ in range(10):
            await asyncio.sleep(0)
        return self.inside


async def test_one_after_the_other_in_their_order() -> None:
    work = Work(Turns(patience=60))
    tasks = [work.start(name) for name in "abc"]
    for name in "abc":
        assert await work.settle() == [name]
        work.ends[name].set()
    await asyncio.gather(*tasks)
    assert await work.settle() == []
    last = work.start("d")
    assert await work.settle() == ["d"]
    work.ends["d"].set()
    await last


async def test_beside_one_that_takes_long() -> None:
    work = Work(Turns(patience=0))
    tasks = [work.start(name) for name in "ab"]
    await asyncio.gather(*(work.began[name].wait() for name in "ab"))
    assert work.inside == ["a", "b"]
    for name in "ab":
        work.ends[name].set()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("let_in", [False, True])
async def test_who_is_cancelled_holds_up_nobody(*, let_in: bool) -> None:
    turns = Turns(patience=60)
    work = Work(turns)
    async with turns:
        second, third = work.start("b"), work.start("c")
        assert await work.settle() == []
        if not let_in:
            second.cancel()
    if let_in:
        second.cancel()  # its turn has come, but it has not run again yet
    with pytest.raises(asyncio.CancelledError):
        await second
    assert await work.settle() == ["c"]
    work.ends["c"].set()
    await third
    assert await work.settle() == []
