"""One piece of work is under way while the last one's result is made use of."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from mailsuite.imapd.waiting import ahead


async def test_the_next_is_under_way_and_no_other() -> None:
    begun: list[int] = []

    async def work(number: int) -> int:
        begun.append(number)
        await asyncio.sleep(0)
        return number

    seen = []
    async with aclosing(ahead(work(number) for number in range(4))) as results:
        async for number in results:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append((number, len(begun)))
    assert seen == [(0, 2), (1, 3), (2, 4), (3, 4)]


async def test_nobody_waits_for_what_is_not_wanted() -> None:
    ended: list[str] = []

    async def work(number: int) -> int:
        try:
            if number:
                await asyncio.Event().wait()
        finally:
            ended.append(f"{number}")
        return number

    async with aclosing(ahead(work(number) for number in range(4))) as results:
        async for _ in results:
            await asyncio.sleep(0)
            break
    await asyncio.sleep(0)
    assert ended == ["0", "1"]


async def test_a_failure_comes_in_its_place() -> None:
    async def work(number: int) -> int:
        if number == 2:
            raise ValueError(f"{number}")
        return number

    seen = []
    with pytest.raises(ValueError, match="2"):
        async with aclosing(ahead(work(number) for number in range(4))) as results:
            async for number in results:
                seen.append(number)
    assert seen == [0, 1]
    assert [number async for number in ahead([])] == []
