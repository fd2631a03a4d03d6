"""A message's life in the queue: taken, attempted, retried, ended, across restarts."""

import asyncio
from pathlib import Path

import pytest
from queue_support import (
    MESSAGE,
    ScriptedCourier,
    StillClock,
    deferred,
    envelope,
    prefix,
    running,
    sent,
    spool_names,
    until,
    until_empty,
)

from mailsuite.base.errors import UserError
from mailsuite.mail import Bounced, Deferred, Envelope, FollowUp, Job, Outcome, Recipient, Sent
from mailsuite.queue import Queue, QueueUnavailable, Settings


async def test_is_attempted_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    courier = ScriptedCourier()
    async with running(tmp_path, courier) as queue:
        given = envelope("a@example.test")
        id = await queue.submit(given, MESSAGE)
        await until_empty(queue)
        (job,) = courier.jobs
        assert (job.id, job.envelope, job.recipients) == (id, given, given.recipients)
        assert (job.indexes, job.attempt, job.repeat) == ((0,), 1, False)
        assert courier.octets == [prefix(given) + MESSAGE]
        message = job.message
        assert (message.offset, message.size) == (len(prefix(given)), len(MESSAGE))
        assert message.prefixed and message.data == MESSAGE
        await until(lambda: not spool_names(tmp_path))


async def test_several_recipients_have_no_prefix_and_one_job(tmp_path: Path) -> None:
    courier = ScriptedCourier()
    async with running(tmp_path, courier) as queue:
        await queue.submit(envelope("a@example.test", "b@example.test"), MESSAGE)
        await until_empty(queue)
    (job,) = courier.jobs
    assert job.indexes == (0, 1) and job.message.offset == 0 and not job.message.prefixed
    assert courier.octets == [MESSAGE]


async def test_each_courier_has_its_recipients(tmp_path: Path) -> None:
    near, far = ScriptedCourier(), ScriptedCourier(deferred)
    async with running(
        tmp_path,
        couriers={"near": near, "far": far},
        choose=lambda address, envelope: address.partition("@")[2],
    ) as queue:
        id = await queue.submit(envelope("a@near", "b@far", "c@near"), MESSAGE)
        await until(lambda: bool(near.jobs and far.jobs))

        async def recorded() -> bool:
            states = [r.state for r in (await queue.show(id)).recipients]
            return states == ["sent", "due", "sent"] and not (await queue.counts()).active

        await until(recorded)
    assert near.jobs[0].indexes == (0, 2) and far.jobs[0].indexes == (1,)
    assert [r.address for r in far.jobs[0].recipients] == ["b@far"]


async def test_large_messages_go_to_the_disk_as_they_come(tmp_path: Path) -> None:
    courier = ScriptedCourier()
    async with running(tmp_path, courier, settings=Settings(memory=1000)) as queue:
        given = envelope("a@example.test")
        pieces = [bytes([65 + number % 26]) * 700 for number in range(20)]
        for known in (given, None):
            incoming = queue.receive(known)
            for piece in pieces:
                await incoming.write(piece)
            assert incoming.size == 14000
            await incoming.commit(given)
        await until_empty(queue)
    assert courier.octets == [prefix(given) + b"".join(pieces), b"".join(pieces)]
    assert [job.message.prefixed for job in courier.jobs] == [True, False]
    assert [job.message.offset for job in courier.jobs] == [len(prefix(given)), 0]
    assert all(job.message.size == 14000 and job.message.data is None for job in courier.jobs)


async def test_discarded_messages_leave_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, settings=Settings(memory=10)) as queue:
        for octets in (b"short", b"long enough for the disk"):
            incoming = queue.receive()
            await incoming.write(octets)
            await incoming.discard()
            await incoming.discard()
            with pytest.raises(QueueUnavailable):
                await incoming.write(b"x")
            with pytest.raises(QueueUnavailable):
                await incoming.commit(envelope())
        assert spool_names(tmp_path) == set()
        assert (await queue.counts()).messages == 0


@pytest.mark.parametrize(
    "bad", [Envelope("", ()), Envelope("\udc80@x", (Recipient("a@b"),)), envelope("a\0@b")]
)
async def test_an_envelope_that_cannot_be_kept_is_refused(tmp_path: Path, bad: Envelope) -> None:
    async with running(tmp_path, settings=Settings(memory=10)) as queue:
        for octets in (b"short", b"long enough for the disk"):
            with pytest.raises(ValueError):
                await queue.submit(bad, octets)
        assert spool_names(tmp_path) == set()
        assert await queue.submit(envelope(), b"good")


class TestRetries:
    async def test_wait_grows_until_it_is_sent(self, tmp_path: Path) -> None:
        clock, courier = StillClock(), ScriptedCourier(deferred)
        settings = Settings(waits=(300.0, 480.0, 1000.0), jitter=0.0)
        async with running(tmp_path, courier, clock=clock, settings=settings) as queue:
            id = await queue.submit(envelope(), MESSAGE)
            for number, wait in enumerate((300.0, 480.0, 1000.0, 1000.0), start=1):
                await self._recorded(queue, id, number)
                (recipient,) = (await queue.show(id)).recipients
                assert recipient.next_attempt == pytest.approx(clock.time + wait)
                assert (recipient.status, recipient.text) == ("4.2.0", "later")
                clock.time += wait - 1
                queue.wake()
                await asyncio.sleep(0.02)
                assert len(courier.jobs) == number, "attempted too early"
                clock.time += 1
                courier.answer = sent if number == 4 else deferred
                queue.wake()
            await until_empty(queue)
        assert [job.attempt for job in courier.jobs] == [1, 2, 3, 4, 5]
        assert [job.repeat for job in courier.jobs] == [False, *[True] * 4]
        assert courier.jobs[3].message.data is None and len(set(courier.octets)) == 1

    @staticmethod
    async def _recorded(queue: Queue, id: str, attempts: int) -> None:
        async def found() -> bool:
            (recipient,) = (await queue.show(id)).recipients
            return recipient.attempts == attempts and not recipient.active

        await until(found)

    async def test_gives_up_at_the_end_of_its_life(self, tmp_path: Path) -> None:
        clock, courier = StillClock(), ScriptedCourier(deferred)
        settings = Settings(waits=(300.0,), lifetime=700.0)
        async with running(tmp_path, courier, clock=clock, settings=settings) as queue:
            id = await queue.submit(envelope(), MESSAGE)
            await self._recorded(queue, id, 1)
            clock.time += 699
            queue.wake()
            await self._recorded(queue, id, 2)
            (recipient,) = (await queue.show(id)).recipients
            assert recipient.next_attempt == pytest.approx(clock.time + 1), "the last at the end"
            clock.time += 1
            queue.wake()
            await self._recorded(queue, id, 3)
            (recipient,) = (await queue.show(id)).recipients
            assert (recipient.state, recipient.status) == ("bounced", "4.2.0")
            assert recipient.text == "gave up after 12 minutes; at last: later"
            assert spool_names(tmp_path) == {id}
            clock.time += 10**6
            queue.wake()
            await asyncio.sleep(0.02)
            assert len(courier.jobs) == 3

    async def test_only_what_failed_is_tried_again(self, tmp_path: Path) -> None:
        def answer(job: Job) -> list[Outcome]:
            return [
                Sent("2.0.0", "ok")
                if job.attempt > 1 or each.address.startswith("a")
                else Deferred("4.2.0", "later")
                for each in job.recipients
            ]

        clock, courier = StillClock(), ScriptedCourier(answer)
        async with running(tmp_path, courier, clock=clock) as queue:
            id = await queue.submit(envelope("a@x", "b@x", "c@x"), MESSAGE)

            async def recorded() -> bool:
                states = [each.state for each in (await queue.show(id)).recipients]
                return states == ["sent", "due", "due"]

            await until(recorded)
            clock.time += 400
            queue.wake()
            await until_empty(queue)
        assert [job.indexes for job in courier.jobs] == [(0, 1, 2), (1, 2)]

    async def test_a_courier_that_fails_defers(self, tmp_path: Path) -> None:
        def answer(job: Job) -> list[Outcome]:
            if job.attempt == 1:
                raise RuntimeError("broken")
            return [] if job.attempt == 2 else sent(job)

        clock, courier = StillClock(), ScriptedCourier(answer)
        async with running(tmp_path, courier, clock=clock) as queue:
            id = await queue.submit(envelope(), MESSAGE)
            for number in (1, 2):
                await self._recorded(queue, id, number)
                (recipient,) = (await queue.show(id)).recipients
                assert (recipient.state, recipient.status) == ("due", "4.3.0")
                assert "broken" not in recipient.text
                clock.time += 10_000
                queue.wake()
            await until_empty(queue)


async def test_bounced_recipients_stay_for_the_operator(tmp_path: Path) -> None:
    courier = ScriptedCourier(lambda job: [Bounced("5.1.1", "nobody\r\n there\x00")])
    async with running(tmp_path, courier) as queue:
        id = await queue.submit(envelope(), MESSAGE)

        async def bounced() -> bool:
            return (await queue.counts()).bounced == 1

        await until(bounced)
        (entry,) = await queue.list()
        assert entry.id == id and entry.size == len(MESSAGE)
        assert entry.sender == "from@elsewhere.test"
        assert entry.recipients[0].text == "nobody   there "
        assert entry.recipients[0].next_attempt is None
        courier.answer = sent
        assert await queue.retry() == 0, "only what is due is retried together"
        assert await queue.retry(id) == 1
        await until_empty(queue)


class TestFollowUps:
    async def test_come_with_the_outcome(self, tmp_path: Path) -> None:
        first = envelope("a@example.test")
        shared = FollowUp(envelope("shared@far.test"))
        headed = FollowUp(envelope("headed@far.test"), head=b"Delivered-To: a@example.test\r\n")
        whole = FollowUp(Envelope("", (Recipient("whole@far.test"),)), b"", b"Subject: no\r\n\r\n")

        def answer(job: Job) -> list[Outcome]:
            if job.envelope == first:
                return [Sent("2.0.0", "ok", (shared, headed, whole))]
            return sent(job)

        courier = ScriptedCourier(answer)
        async with running(tmp_path, courier) as queue:
            await queue.submit(first, MESSAGE)
            await until(lambda: len(courier.jobs) == 4)
            await until_empty(queue)
            await until(lambda: not spool_names(tmp_path))
        got = {
            job.recipients[0].address: (octets[job.message.offset :], job)
            for job, octets in zip(courier.jobs, courier.octets, strict=True)
        }
        assert got["shared@far.test"][0] == MESSAGE
        assert not got["shared@far.test"][1].message.prefixed
        assert got["headed@far.test"][0] == headed.head + MESSAGE
        assert got["headed@far.test"][1].message.prefixed
        assert got["whole@far.test"][0] == whole.body
        for octets, job in got.values():
            assert job.message.size == len(octets)

    async def test_are_due_again_after_a_restart(self, tmp_path: Path) -> None:
        first = envelope("a@example.test")

        def answer(job: Job) -> list[Outcome]:
            if job.envelope == first:
                return [Sent("2.0.0", "ok", (FollowUp(envelope("b@far.test")),))]
            return deferred(job)

        clock = StillClock()
        async with running(tmp_path, ScriptedCourier(answer), clock=clock) as queue:
            await queue.submit(first, MESSAGE)

            async def following() -> bool:
                entries = await queue.list()
                return len(entries) == 1 and entries[0].recipients[0].attempts == 1

            await until(following)
        clock.time += 1000
        courier = ScriptedCourier()
        async with running(tmp_path, courier, clock=clock) as queue:
            clock.time += 100
            queue.wake()
            await until_empty(queue)
        assert courier.octets[0][courier.jobs[0].message.offset :] == MESSAGE


class TestRestart:
    async def test_keeps_the_schedule(self, tmp_path: Path) -> None:
        clock, courier = StillClock(), ScriptedCourier(deferred)
        settings = Settings(waits=(300.0,), jitter=0.0)
        async with running(tmp_path, courier, clock=clock, settings=settings) as queue:
            id = await queue.submit(envelope(), MESSAGE)
            await TestRetries._recorded(queue, id, 1)
        clock.time += 299
        async with running(tmp_path, courier, clock=clock, settings=settings) as queue:
            await asyncio.sleep(0.02)
            assert len(courier.jobs) == 1
            clock.time += 1
            queue.wake()
            await until(lambda: len(courier.jobs) == 2)
        assert courier.jobs[1].attempt == 2 and courier.jobs[1].repeat

    async def test_does_not_stampede(self, tmp_path: Path) -> None:
        clock, courier = StillClock(), ScriptedCourier(deferred)
        settings = Settings(restart_spread=1000.0)
        async with running(tmp_path, courier, clock=clock, settings=settings) as queue:
            for _ in range(40):
                await queue.submit(envelope(), MESSAGE)

            async def recorded() -> bool:
                counts = await queue.counts()
                return counts.due == 40 and not counts.active

            await until(lambda: len(courier.jobs) == 40)
            await until(recorded)
        clock.time += 3600
        async with running(tmp_path, courier, clock=clock, settings=settings) as queue:
            await asyncio.sleep(0.05)
            assert len(courier.jobs) < 60
            clock.time += 500
            queue.wake()
            await until(lambda: len(courier.jobs) >= 45)
            await asyncio.sleep(0.05)
            assert len(courier.jobs) < 80
            clock.time += 500
            queue.wake()
            await until(lambda: len(courier.jobs) >= 80)

    async def test_an_attempt_cut_off_comes_again_as_a_repeat(self, tmp_path: Path) -> None:
        async def forever(job: Job) -> list[Outcome]:
            await asyncio.sleep(3600)
            return []

        slow, waiting = ScriptedCourier(forever), Settings(default_concurrency=1)
        async with running(tmp_path, slow, settings=waiting, grace=0.05) as queue:
            first = await queue.submit(envelope("first@x"), MESSAGE)
            second = await queue.submit(envelope("second@x"), MESSAGE)
            await until(lambda: len(slow.jobs) == 1)
        courier = ScriptedCourier()
        async with running(tmp_path, courier) as queue:
            await until_empty(queue)
        found = {job.id: (job.attempt, job.repeat) for job in courier.jobs}
        assert found == {first: (1, True), second: (1, False)}

    async def test_stop_waits_for_what_runs(self, tmp_path: Path) -> None:
        go = asyncio.Event()

        async def slowly(job: Job) -> list[Outcome]:
            await go.wait()
            return sent(job)

        async with running(tmp_path, ScriptedCourier(slowly)) as queue:
            await queue.submit(envelope(), MESSAGE)
            asyncio.get_running_loop().call_later(0.05, go.set)
        async with running(tmp_path) as queue:
            assert (await queue.counts()).messages == 0

    async def test_files_without_a_row_are_swept(self, tmp_path: Path) -> None:
        async with running(tmp_path, ScriptedCourier(deferred)) as queue:
            id = await queue.submit(envelope(), MESSAGE)
        orphan = "0" * 13
        (tmp_path / "spool" / orphan).write_bytes(b"never accepted")
        (tmp_path / "spool" / "README").write_bytes(b"not ours")
        async with running(tmp_path, ScriptedCourier(deferred)):
            await until(lambda: spool_names(tmp_path) == {id, "README"})

    async def test_a_lost_file_is_told_not_retried(self, tmp_path: Path) -> None:
        async with running(tmp_path, ScriptedCourier(deferred)) as queue:
            id = await queue.submit(envelope(), MESSAGE)
            await TestRetries._recorded(queue, id, 1)
            await queue.retry(id)
            (tmp_path / "spool" / id).unlink()
            await queue.retry(id)

            async def bounced() -> bool:
                return (await queue.show(id)).recipients[0].state == "bounced"

            await until(bounced)
            assert "removed" in (await queue.show(id)).recipients[0].text

    async def test_another_owner_is_refused(self, tmp_path: Path) -> None:
        async with running(tmp_path):
            with pytest.raises(UserError, match="in use"):
                async with running(tmp_path):
                    pass

    async def test_stopped_it_takes_nothing(self, tmp_path: Path) -> None:
        async with running(tmp_path, settings=Settings(memory=10)) as queue:
            small, large = queue.receive(), queue.receive()
            await small.write(b"small")
            await large.write(b"larger than the memory")
        for incoming in (small, large):
            with pytest.raises(QueueUnavailable):
                await incoming.commit(envelope())
        with pytest.raises(QueueUnavailable):
            queue.receive()
        assert spool_names(tmp_path) == set()


class TestBounds:
    async def test_concurrency(self, tmp_path: Path) -> None:
        async def slowly(job: Job) -> list[Outcome]:
            await asyncio.sleep(0.002)
            return sent(job)

        courier = ScriptedCourier(slowly)
        async with running(tmp_path, courier, settings=Settings(concurrency={"test": 3})) as queue:
            await asyncio.gather(*(queue.submit(envelope(), MESSAGE) for _ in range(40)))
            await until_empty(queue)
        assert courier.most == 3 and len(courier.jobs) == 40

    async def test_what_has_no_room_waits_in_the_database(self, tmp_path: Path) -> None:
        go = asyncio.Event()

        async def slowly(job: Job) -> list[Outcome]:
            await go.wait()
            return sent(job)

        courier = ScriptedCourier(slowly)
        settings = Settings(concurrency={"test": 2}, ready=5, page=4)
        async with running(tmp_path, courier, settings=settings) as queue:
            for _ in range(60):
                await queue.submit(envelope(), MESSAGE)
            assert (await queue.counts()).active <= 7
            go.set()
            await until_empty(queue)
        assert len({job.id for job in courier.jobs}) == len(courier.jobs) == 60
        assert not any(job.repeat for job in courier.jobs)

    async def test_a_slow_courier_does_not_stop_another(self, tmp_path: Path) -> None:
        async def never(job: Job) -> list[Outcome]:
            await asyncio.sleep(3600)
            return []

        slow, fast = ScriptedCourier(never), ScriptedCourier()
        async with running(
            tmp_path,
            couriers={"slow": slow, "fast": fast},
            choose=lambda address, envelope: address.partition("@")[2],
            settings=Settings(default_concurrency=1, ready=3, page=3),
            grace=0.0,
        ) as queue:
            for _ in range(10):
                await queue.submit(envelope("a@slow"), MESSAGE)
            for _ in range(10):
                await queue.submit(envelope("a@fast"), MESSAGE)
            await until(lambda: len(fast.jobs) == 10)


async def test_couriers_may_change_between_runs(tmp_path: Path) -> None:
    async with running(
        tmp_path, couriers={"old": ScriptedCourier(deferred)}, choose=lambda *_: "old"
    ) as queue:
        for _ in range(10):
            await queue.submit(envelope(), MESSAGE)
        await queue.retry()
    courier, clock = ScriptedCourier(), StillClock(1_700_100_000.0)
    async with running(tmp_path, courier, clock=clock, settings=Settings(page=3, ready=4)) as queue:
        clock.time += 100
        queue.wake()
        await until_empty(queue)
    assert len({job.id for job in courier.jobs}) == 10


async def test_without_a_courier_mail_waits(tmp_path: Path) -> None:
    def choose(address: str, envelope: Envelope) -> str:
        if address.startswith("raise"):
            raise RuntimeError("directory")
        return "none"

    async with running(tmp_path, choose=choose) as queue:
        for address in ("raise@x", "a@x"):
            id = await queue.submit(envelope(address), MESSAGE)
            await TestRetries._recorded(queue, id, 1)
            assert (await queue.show(id)).recipients[0].status == "4.3.5"
