"""Who waits for outcomes, and the queue run for one domain."""

from pathlib import Path

from queue_support import (
    MESSAGE,
    ScriptedCourier,
    StillClock,
    deferred,
    envelope,
    running,
    sent,
    until,
    until_empty,
)

from mailsuite.queue import Queue


async def test_a_watch_sees_every_result(tmp_path: Path) -> None:
    async with running(tmp_path, ScriptedCourier(sent)) as queue:
        of = envelope("a@x.test", "b@x.test")
        incoming = queue.receive(of)
        await incoming.write(MESSAGE)
        with queue.watch(incoming.id, 2) as watch:
            await incoming.commit(of)
            await watch.wait(10)
            assert {index: each.state for index, each in watch.ended.items()} == {
                0: "sent",
                1: "sent",
            }


async def test_a_watch_ends_without_results_too(tmp_path: Path) -> None:
    async with running(tmp_path, ScriptedCourier(sent)) as queue:
        with queue.watch("nothing", 1) as watch:
            await watch.wait(0.01)
            assert watch.ended == {}


async def test_a_run_for_one_domain(tmp_path: Path) -> None:
    """What waits there for another attempt is attempted; nothing else is, nor what is held."""
    clock, courier = StillClock(), ScriptedCourier(deferred)
    async with running(tmp_path, courier, clock=clock) as queue:
        for address in ("a@Branch.test", "b@below.branch.test", "c@xbranch.test", "d@other.test"):
            await queue.submit(envelope(address), MESSAGE)

        async def idle() -> bool:
            recipients = [each for entry in await queue.list() for each in entry.recipients]
            return all(each.attempts and not each.active for each in recipients)

        await until(idle)
        courier.answer = sent
        assert await queue.retry_domain("branch.test", below=False) == 1

        await until(lambda: _left(queue, 3))
        assert await queue.retry_domain("branch.test", below=True) == 1
        assert await queue.retry_domain("%", below=True) == 0
        await until(lambda: _left(queue, 2))
        assert await queue.retry() == 2
        await until_empty(queue)


async def _left(queue: Queue, count: int) -> bool:
    return (await queue.counts()).messages == count
