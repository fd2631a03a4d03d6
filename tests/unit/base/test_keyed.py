"""A lock for each key."""

import asyncio

import pytest

from mailsuite.base.keyed import KeyedLock


async def test_one_after_another_and_nothing_is_kept() -> None:
    lock, inside, most = KeyedLock(), {"a": 0, "b": 0}, {"a": 0, "b": 0}
    both = asyncio.Event()

    async def work(key: str) -> None:
        async with lock.of(key):
            inside[key] += 1
            most[key] = max(most[key], inside[key])
            if all(inside.values()):
                both.set()
            await both.wait()
            inside[key] -= 1

    await asyncio.gather(*(work(key) for key in "aabab"))
    assert most == {"a": 1, "b": 1} and not lock._locks


async def test_who_is_cancelled_leaves_the_turn_to_others() -> None:
    lock = KeyedLock()
    async with lock.of("a"):
        waits = asyncio.create_task(lock.of("a").__aenter__())
        await asyncio.sleep(0)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
    with pytest.raises(ZeroDivisionError):
        async with lock.of("a"):
            raise ZeroDivisionError
    async with lock.of("a"):
        pass
    assert not lock._locks
