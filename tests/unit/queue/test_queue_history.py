"""What is kept of each attempt, mail that is held back, and queues of earlier versions."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import apsw
import pytest
from queue_support import (
    MESSAGE,
    ScriptedCourier,
    StillClock,
    envelope,
    running,
    sent,
    until,
    until_empty,
)

from mailsuite.base.errors import UserError
from mailsuite.mail import Contact, Deferred, Job, Outcome, Recipient, Sent
from mailsuite.queue import AttemptEntry, Offline, Queue, Settings
from mailsuite.queue.records import HISTORY
from mailsuite.queue.schema import VERSION

MET = Contact("mx.x", "192.0.2.1", "451-4.2.0 full\n451 4.2.0 later", "TLSv1.3", "opportunistic")


async def attempted(queue: Queue, id: str, times: int) -> None:
    async def found() -> bool:
        (one, *_) = (await queue.show(id)).recipients
        return one.attempts == times and not one.active

    await until(found)


async def test_each_attempt_is_kept_with_the_words_of_the_host(tmp_path: Path) -> None:
    clock = StillClock()

    def answer(job: Job) -> Sequence[Outcome]:
        return [Deferred("4.2.0", f"attempt {job.attempt}", contact=MET), Sent("2.0.0", "ok")]

    async with running(tmp_path, ScriptedCourier(answer), clock=clock) as queue:
        id = await queue.submit(envelope("a@x", "b@x"), MESSAGE)
        await attempted(queue, id, 1)
        a, b = (await queue.show(id)).recipients
    assert a.history == (
        AttemptEntry(
            clock.time, "due", "test", "4.2.0", "attempt 1", MET.host, MET.address, MET.reply,
            MET.tls, MET.why,
        ),
    )  # fmt: skip
    assert b.history == (AttemptEntry(clock.time, "sent", "test", "2.0.0", "ok"),)


async def test_the_history_is_bounded_and_keeps_the_first(tmp_path: Path) -> None:
    clock = StillClock()

    def answer(job: Job) -> Sequence[Outcome]:
        return [Deferred("4.2.0", str(job.attempt))]

    async with running(tmp_path, ScriptedCourier(answer), clock=clock) as queue:
        id = await queue.submit(envelope("a@x"), MESSAGE)
        for attempt in range(1, HISTORY + 6):
            await attempted(queue, id, attempt)
            await queue.retry(id)
        await attempted(queue, id, HISTORY + 6)
    with Offline(tmp_path) as closed:
        (one,) = closed.show(id).recipients
    texts = [each.text for each in one.history]
    assert texts == ["1", *map(str, range(8, HISTORY + 7))]


async def test_words_of_a_host_are_made_harmless(tmp_path: Path) -> None:
    met = Contact("m\x1b\n", "\udc80", "550 \x07a\r\n550 b\0" + "x" * 5000)

    def answer(job: Job) -> Sequence[Outcome]:
        return [Deferred("4.2.0", "later", contact=met)]

    async with running(tmp_path, ScriptedCourier(answer)) as queue:
        id = await queue.submit(envelope("a@x"), MESSAGE)
        await attempted(queue, id, 1)
        ((one,),) = [each.history for each in (await queue.show(id)).recipients]
    assert one.host == "m  " and one.address == "?"
    first, second = one.reply.split("\n")
    assert first == "550  a" and second.startswith("550 b ") and len(one.reply) <= 1000


async def test_how_much_an_account_has_held(tmp_path: Path) -> None:
    clock, courier = StillClock(), ScriptedCourier(lambda job: [Deferred("4.2.0", "later")])
    held = replace(envelope("a@x"), hold_until=clock.time + 60, submitter="alice@x")
    async with running(tmp_path, courier, clock=clock) as queue:
        for one in (
            held,
            replace(held, hold_until=clock.time + 9),
            replace(held, submitter="bob@x"),
            replace(held, hold_until=None),
        ):
            await queue.submit(one, MESSAGE)
        assert await queue.held("alice@x") == 2 * len(MESSAGE)
        assert await queue.held("carol@x") == 0
        clock.time += 10
        assert await queue.held("alice@x") == len(MESSAGE)


async def test_who_adds_to_what_is_held_comes_after_who_did(tmp_path: Path) -> None:
    """So that a bound on it holds, whoever brings mail at the same moment."""
    clock = StillClock()
    held = replace(envelope("a@x"), hold_until=clock.time + 60, submitter="alice@x")
    seen: list[int] = []

    async def bring(queue: Queue) -> None:
        async with queue.holding("alice@x") as octets:
            seen.append(octets)
            await queue.submit(held, MESSAGE)

    courier = ScriptedCourier()
    async with running(tmp_path, courier, clock=clock) as queue, queue.holding("bob@x"):
        await asyncio.gather(*(bring(queue) for _ in range(3)))
    assert seen == [0, len(MESSAGE), 2 * len(MESSAGE)]


async def test_held_mail_is_attempted_when_its_time_has_come(tmp_path: Path) -> None:
    clock, courier = StillClock(), ScriptedCourier(lambda job: [Deferred("4.2.0", "later")])
    held = replace(envelope("a@x"), hold_until=clock.time + 10 * 86_400)
    async with running(tmp_path, courier, clock=clock) as queue:
        id = await queue.submit(held, MESSAGE)
        entry = await queue.show(id)
        assert entry.hold_until == held.hold_until
        assert entry.recipients[0].next_attempt == held.hold_until
        assert not entry.recipients[0].active
    async with running(tmp_path, courier, clock=clock) as queue:  # a restart changes nothing
        clock.time += 10 * 86_400 - 1
        queue.wake()
        assert (await queue.show(id)).recipients[0].attempts == 0 and not courier.jobs
        clock.time += 1
        queue.wake()
        await attempted(queue, id, 1)
        (one,) = (await queue.show(id)).recipients
        assert one.state == "due", "its life begins when it is let go"


async def test_a_queue_of_the_first_version_goes_on(tmp_path: Path) -> None:
    with_notify = replace(envelope("a@x"), recipients=(Recipient("a@x", ("NEVER",), "rfc822;a@y"),))
    async with running(tmp_path, ScriptedCourier(lambda job: [Deferred("4.2.0", "x")])) as queue:
        id = await queue.submit(with_notify, MESSAGE)
        await attempted(queue, id, 1)
    database = apsw.Connection(str(tmp_path / "queue.db"))
    database.execute("ALTER TABLE recipient DROP COLUMN history; PRAGMA user_version = 1")
    database.close()
    with Offline(tmp_path) as closed:
        (one,) = closed.show(id).recipients
        assert one.history == () and (one.notify, one.orcpt) == (("NEVER",), "rfc822;a@y")
    clock, courier = StillClock(), ScriptedCourier(sent)
    clock.time += 86_400
    async with running(
        tmp_path, courier, clock=clock, settings=Settings(restart_spread=0)
    ) as queue:
        await until_empty(queue)
    assert courier.jobs[0].recipients == with_notify.recipients


async def test_a_queue_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    async with running(tmp_path):
        pass
    database = apsw.Connection(str(tmp_path / "queue.db"))
    database.pragma("user_version", VERSION + 1)
    database.close()
    with pytest.raises(UserError, match="newer mailsuite"):
        async with running(tmp_path):
            pass
    with pytest.raises(UserError, match="newer mailsuite"), Offline(tmp_path):
        pass
