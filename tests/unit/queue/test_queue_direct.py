"""Direct attempts: what needs no place in the queue, and what goes there after all."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
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

from mailsuite.mail import DeliverBy, Envelope, FollowUp, Job, Outcome, Recipient, Sent
from mailsuite.queue import QueueUnavailable, intake


class DirectCourier(ScriptedCourier):
    """Remembers which attempts were direct."""

    def __init__(self, *arguments: object, takes: bool = True) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.takes = takes
        self.direct_jobs: list[Job] = []

    def direct(self, job: Job) -> bool:
        return self.takes

    async def deliver(self, job: Job) -> Sequence[Outcome]:
        if job.message.path:
            return await super().deliver(job)
        assert job.message.data == MESSAGE
        self.direct_jobs.append(job)
        answer = self.answer(job)
        return answer if isinstance(answer, Sequence) else await answer


async def test_what_is_delivered_at_once_is_never_in_the_queue(tmp_path: Path) -> None:
    courier = DirectCourier()
    async with running(tmp_path, courier) as queue:
        of = envelope("a@x.test", "b@x.test")
        id = await queue.submit(of, MESSAGE)
        assert [job.id for job in courier.direct_jobs] == [id]
        assert courier.direct_jobs[0].recipients == of.recipients
        assert not courier.jobs
        assert not spool_names(tmp_path)
        assert (await queue.counts()).messages == 0


def _fails(job: Job) -> list[Outcome]:
    raise RuntimeError("not now")


def _follows(job: Job) -> list[Outcome]:
    return [Sent("2.0.0", "ok", (FollowUp(envelope("c@x.test"), body=b"A: b\r\n\r\n"),))]


@pytest.mark.parametrize("first", [deferred, _fails, _follows, lambda job: []])
async def test_what_is_not_goes_through_the_queue_as_tried(tmp_path: Path, first: object) -> None:
    def answer(job: Job) -> Sequence[Outcome]:
        return sent(job) if job.message.path else first(job)  # type: ignore[operator,no-any-return]

    courier = DirectCourier(answer)
    async with running(tmp_path, courier) as queue:
        await queue.submit(envelope("a@x.test"), MESSAGE)
        await until_empty(queue)
        assert [(job.repeat, job.attempt) for job in courier.jobs] == [(True, 1)]
        assert courier.octets[0].endswith(MESSAGE)


async def test_that_is_remembered_after_a_stop(tmp_path: Path) -> None:
    clock, courier = StillClock(), DirectCourier(deferred)
    async with running(tmp_path, courier, clock=clock) as queue:
        await queue.submit(envelope("a@x.test"), MESSAGE)
    courier = DirectCourier()
    async with running(tmp_path, courier, clock=clock) as queue:
        await queue.retry()
        await until_empty(queue)
        assert courier.jobs[0].repeat


async def test_a_slow_mailbox_is_left_to_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "PATIENCE", 0.01)
    ready = asyncio.Event()

    async def slow(job: Job) -> Sequence[Outcome]:
        if not job.message.path and job.recipients[0].address == "a@x.test":
            await ready.wait()
        return sent(job)

    courier = DirectCourier(slow)
    async with running(tmp_path, courier) as queue:
        id = await queue.submit(envelope("a@x.test"), MESSAGE)
        assert (await queue.counts()).messages == 1
        # Both at once could bring it to the mailbox twice. Others go on, also directly.
        await queue.submit(envelope("b@x.test"), MESSAGE)
        assert (await queue.counts()).messages == 1
        assert not courier.jobs
        ready.set()
        await until_empty(queue)
        assert [(job.id, job.repeat) for job in courier.jobs] == [(id, True)]


async def test_what_is_dropped_meanwhile_is_not_attempted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "PATIENCE", 0.01)
    ready = asyncio.Event()

    async def slow(job: Job) -> Sequence[Outcome]:
        await ready.wait()
        return deferred(job)

    courier = DirectCourier(slow)
    async with running(tmp_path, courier) as queue:
        id = await queue.submit(envelope("a@x.test"), MESSAGE)
        assert spool_names(tmp_path) == {id}
        await queue.drop(id)
        assert spool_names(tmp_path) == {id}  # as with any attempt that is under way
        ready.set()
        await until(lambda: not spool_names(tmp_path))
        assert not courier.jobs


async def test_a_stop_while_a_mailbox_is_slow_leaves_it_to_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "PATIENCE", 0.01)

    async def slow(job: Job) -> Sequence[Outcome]:
        await asyncio.Event().wait()
        return sent(job)

    courier = DirectCourier(slow)
    async with running(tmp_path, courier, grace=0.01) as queue:
        await queue.submit(envelope("a@x.test"), MESSAGE)
    assert not courier.jobs
    courier = DirectCourier()
    async with running(tmp_path, courier) as queue:
        await until_empty(queue)
        assert [(job.repeat, job.attempt) for job in courier.jobs] == [(True, 1)]


async def test_a_sender_who_goes_away_changes_nothing(tmp_path: Path) -> None:
    ready = asyncio.Event()

    async def slow(job: Job) -> Sequence[Outcome]:
        if job.message.path:
            return sent(job)
        await ready.wait()
        return deferred(job)

    courier = DirectCourier(slow)
    async with running(tmp_path, courier) as queue:
        task = asyncio.create_task(queue.submit(envelope("a@x.test"), MESSAGE))
        await until(lambda: bool(courier.direct_jobs))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        ready.set()
        await until(lambda: len(courier.jobs) == 1)
        await until_empty(queue)


NOW = 1_700_000_000.0
A = envelope("a@x.test")


@pytest.mark.parametrize(
    "of",
    [
        replace(A, hold_until=NOW + 60),
        replace(A, deliver_by=DeliverBy(NOW + 600, "N")),
        Envelope("b@y.test", (Recipient("a@x.test", ("SUCCESS", "FAILURE")),)),
        envelope("a@x.test", "b@other.test"),
    ],
)
async def test_what_the_queue_has_to_see_to(tmp_path: Path, of: Envelope) -> None:
    courier, other = DirectCourier(), ScriptedCourier()
    async with running(
        tmp_path,
        couriers={"test": courier, "other": other},
        choose=lambda address, envelope: "other" if "other" in address else "test",
    ) as queue:
        await queue.submit(of, MESSAGE)
        assert not courier.direct_jobs


async def test_no_mail_goes_before_what_is_in_line(tmp_path: Path) -> None:
    """Nor does more go at once than the courier may have at work."""
    ready = asyncio.Event()

    async def waits(job: Job) -> Sequence[Outcome]:
        await ready.wait()
        return sent(job)

    courier = DirectCourier(waits)
    async with running(tmp_path, courier) as queue:
        most = queue._settings.default_concurrency
        tasks = [
            asyncio.create_task(queue.submit(envelope("a@x.test"), MESSAGE))
            for _ in range(most + 3)
        ]
        await until(lambda: len(courier.direct_jobs) == most and len(courier.jobs) == 3)
        ready.set()
        await asyncio.gather(*tasks)
        await until_empty(queue)


async def test_nobody_gets_a_copy_for_each_try_while_the_queue_refuses(tmp_path: Path) -> None:
    def one_is_full(job: Job) -> list[Outcome]:
        return [*sent(job)[:-1], *deferred(job)[-1:]]

    courier = DirectCourier(one_is_full)
    both = envelope("a@x.test", "b@x.test")
    async with running(tmp_path, courier) as queue:
        (tmp_path / "spool").rename(tmp_path / "away")
        for _ in range(3):
            with pytest.raises(QueueUnavailable):
                await queue.submit(both, MESSAGE)
        assert len(courier.direct_jobs) == 1
        courier.answer = sent
        await queue.submit(envelope("a@x.test"), MESSAGE)
        assert len(courier.direct_jobs) == 2
        (tmp_path / "away").rename(tmp_path / "spool")
        await queue.submit(both, MESSAGE)
        assert len(courier.direct_jobs) == 2
        await until_empty(queue)
        await queue.submit(both, MESSAGE)
        assert len(courier.direct_jobs) == 3


async def test_large_mail_and_what_the_courier_does_not_want_is_queued(tmp_path: Path) -> None:
    courier = DirectCourier(takes=False)
    async with running(tmp_path, courier) as queue:
        await queue.submit(envelope("a@x.test"), MESSAGE)
        courier.takes = True
        await queue.submit(envelope("a@x.test"), MESSAGE * 20_000)
        await until_empty(queue)
        assert not courier.direct_jobs
        assert len(courier.jobs) == 2
