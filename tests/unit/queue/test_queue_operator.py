"""The operator's words, with the server running and without."""

import asyncio
from pathlib import Path

import pytest
from queue_support import (
    MESSAGE,
    ScriptedCourier,
    StillClock,
    deferred,
    envelope,
    running,
    sent,
    spool_names,
    until,
    until_empty,
)

from mailsuite.base.errors import UserError
from mailsuite.mail import Job, Outcome
from mailsuite.queue import Counts, Offline, Queue, QueueUnavailable, Settings


async def idle(queue: Queue, attempts: int = 1) -> None:
    async def found() -> bool:
        entries = await queue.list()
        return all(
            each.attempts >= attempts and not each.active
            for entry in entries
            for each in entry.recipients
        )

    await until(found)


async def test_hold_and_release(tmp_path: Path) -> None:
    clock, courier = StillClock(), ScriptedCourier(deferred)
    async with running(tmp_path, courier, clock=clock) as queue:
        id = await queue.submit(envelope("a@x", "b@x"), MESSAGE)
        await idle(queue)
        assert await queue.hold(id) == 2
        assert await queue.hold(id) == 0
        clock.time += 10_000
        queue.wake()
        assert await queue.retry() == 0 and await queue.retry(id) == 0
        await asyncio.sleep(0.03)
        assert len(courier.jobs) == 1
        assert [each.state for each in (await queue.show(id)).recipients] == ["held", "held"]
        courier.answer = sent
        assert await queue.release(id) == 2
        await until_empty(queue)


async def test_hold_takes_out_of_line(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def slowly(job: Job) -> list[Outcome]:
        await go.wait()
        return sent(job)

    courier = ScriptedCourier(slowly)
    async with running(tmp_path, courier, settings=Settings(default_concurrency=1)) as queue:
        first = await queue.submit(envelope(), MESSAGE)
        second = await queue.submit(envelope(), MESSAGE)
        await until(lambda: len(courier.jobs) == 1)
        assert await queue.hold(second) == 1
        assert not (await queue.show(second)).recipients[0].active
        assert await queue.hold(first) == 1, "what is under way ends all the same"
        go.set()

        async def one_left() -> bool:
            return (await queue.counts()) == Counts(messages=1, held=1)

        await until(one_left)
        assert [job.id for job in courier.jobs] == [first]
        await queue.release(second)
        await until_empty(queue)


async def test_a_hold_outlasts_the_attempt_under_way(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def slowly(job: Job) -> list[Outcome]:
        await go.wait()
        return deferred(job)

    courier = ScriptedCourier(slowly)
    async with running(tmp_path, courier) as queue:
        id = await queue.submit(envelope(), MESSAGE)
        await until(lambda: len(courier.jobs) == 1)
        await queue.hold(id)
        go.set()
        await idle(queue)
        (recipient,) = (await queue.show(id)).recipients
        assert (recipient.state, recipient.status, recipient.attempts) == ("held", "4.2.0", 1)


async def test_release_under_way_attempts_once(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def slowly(job: Job) -> list[Outcome]:
        await go.wait()
        return sent(job)

    courier = ScriptedCourier(slowly)
    async with running(tmp_path, courier) as queue:
        id = await queue.submit(envelope(), MESSAGE)
        await until(lambda: len(courier.jobs) == 1)
        await queue.hold(id)
        await queue.release(id)
        await queue.retry(id)
        await asyncio.sleep(0.03)
        go.set()
        await until_empty(queue)
    assert len(courier.jobs) == 1


async def test_drop(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def slowly(job: Job) -> list[Outcome]:
        await go.wait()
        assert Path(job.message.path).exists(), "its file stays while it is read"
        return deferred(job)

    courier = ScriptedCourier(slowly)
    async with running(tmp_path, courier, settings=Settings(default_concurrency=1)) as queue:
        ids = [await queue.submit(envelope(), MESSAGE) for _ in range(3)]
        await until(lambda: len(courier.jobs) == 1)
        for id in ids[:2]:
            await queue.drop(id)
            with pytest.raises(UserError, match="no such message"):
                await queue.show(id)
        assert ids[0] in spool_names(tmp_path)
        go.set()
        await until(lambda: spool_names(tmp_path) == {ids[2]})
        await idle(queue)
        assert [job.id for job in courier.jobs] == [ids[0], ids[2]]
        assert (await queue.counts()) == Counts(messages=1, due=1)


async def test_unknown_ids_are_told(tmp_path: Path) -> None:
    async with running(tmp_path) as queue:
        for word in (queue.show, queue.retry, queue.hold, queue.release, queue.drop):
            with pytest.raises(UserError, match="no such message in the queue: 123"):
                await word("123")
    with pytest.raises(QueueUnavailable):
        await queue.counts()


async def test_pages(tmp_path: Path) -> None:
    async with running(tmp_path, ScriptedCourier(deferred)) as queue:
        ids = [await queue.submit(envelope(), MESSAGE) for _ in range(5)]
        assert ids == sorted(ids)
        first = await queue.list(limit=3)
        rest = await queue.list(after=first[-1].id)
        assert [entry.id for entry in first + rest] == ids


async def test_offline(tmp_path: Path) -> None:
    with Offline(tmp_path / "none") as nothing:
        assert nothing.list() == [] and nothing.counts() == Counts() and nothing.retry() == 0
        with pytest.raises(UserError):
            nothing.drop("1")
    assert not (tmp_path / "none").exists()
    clock = StillClock()
    async with running(tmp_path, ScriptedCourier(deferred), clock=clock) as queue:
        ids = [await queue.submit(envelope(f"{number}@x"), MESSAGE) for number in range(4)]
        await idle(queue)
        with pytest.raises(UserError, match="in use"), Offline(tmp_path):
            pass
    with Offline(tmp_path) as offline:
        assert [entry.id for entry in offline.list()] == ids
        assert offline.counts() == Counts(messages=4, due=4)
        assert offline.hold(ids[0]) == 1
        assert offline.hold(ids[1]) == 1 and offline.release(ids[1]) == 1
        offline.drop(ids[2])
        assert ids[2] not in spool_names(tmp_path)
        assert offline.retry(ids[3]) == 1
        assert offline.show(ids[0]).recipients[0].state == "held"
        with pytest.raises(UserError):
            offline.show(ids[2])
    courier, clock = ScriptedCourier(), StillClock(2e9)
    async with running(tmp_path, courier, clock=clock) as queue:
        clock.time += 100
        queue.wake()

        async def one_left() -> bool:
            return (await queue.counts()) == Counts(messages=1, held=1)

        await until(one_left)
    assert sorted(job.id for job in courier.jobs) == [ids[1], ids[3]]
