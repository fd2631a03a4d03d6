"""Lanes: domains take turns, a slow one holds up nobody else."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from queue_support import MESSAGE, ScriptedCourier, envelope, running, sent, until, until_empty

from mailsuite.mail import Job, Outcome, QueuedMessage
from mailsuite.queue import Settings
from mailsuite.queue.lanes import Flight, Lane


def flight(lane: Lane, id: str, domain: str) -> Flight:
    of = envelope(f"a@{domain}")
    return Flight(lane, Job(id, of, of.recipients, (0,), QueuedMessage("/x", 0, 1), 1, False, 0.0))


@given(
    st.lists(st.sampled_from(["put A", "put a", "put b", "next", "done", "withdraw"]), max_size=60),
    st.none() | st.integers(1, 3),
)
def test_nothing_is_lost_and_the_bound_holds(steps: list[str], bound: int | None) -> None:
    """A job comes out once, in the order of its domain; what may begin is found."""
    lane = Lane("x", ScriptedCourier(), 10, 100, bound)
    waiting: list[Flight] = []
    running: list[Flight] = []

    def domain(each: Flight) -> str:
        return each.job.recipients[0].address[-1].lower() if bound else ""

    for number, step in enumerate(steps):
        if step.startswith("put"):
            waiting.append(flight(lane, str(number), step[-1]))
            lane.put(waiting[-1])
        elif step == "next":
            found = lane.next()
            counts = Counter(map(domain, running))
            free = [each for each in waiting if bound is None or counts[domain(each)] < bound]
            free = [each for each in free if not each.withdrawn]
            assert (found is None) == (not free)
            if found is not None:
                assert found is next(each for each in free if domain(each) == domain(found))
                waiting.remove(found)
                running.append(found)
        elif step == "done" and running:
            lane.done(running.pop(0))
        elif step == "withdraw" and waiting:
            waiting[0].withdrawn = True
    assert lane.in_line >= sum(not each.withdrawn for each in waiting)


@given(st.lists(st.integers(-9, 9), max_size=30))
def test_more_urgent_mail_comes_first(priorities: list[int]) -> None:
    """By priority (RFC 6710), and in the order of arrival where it is the same."""
    lane = Lane("x", ScriptedCourier(), 10, 100)
    for number, priority in enumerate(priorities):
        one = flight(lane, str(number), "a.test")
        asked = replace(one.job.envelope, priority=priority)
        lane.put(Flight(lane, replace(one.job, envelope=asked)))
    came = []
    while (found := lane.next()) is not None:
        came.append((-found.job.envelope.priority, int(found.job.id)))
    assert came == sorted((-priority, number) for number, priority in enumerate(priorities))


async def test_a_slow_domain_holds_up_nobody_else(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def answer(job: Job) -> Sequence[Outcome]:
        if job.recipients[0].address.endswith("slow.test"):
            await go.wait()
        return sent(job)

    courier = ScriptedCourier(answer)
    settings = Settings(concurrency={"test": 5}, per_domain={"test": 2})
    async with running(tmp_path, courier, settings=settings) as queue:
        for _ in range(20):
            await queue.submit(envelope("a@slow.test"), MESSAGE)
        for _ in range(20):
            await queue.submit(envelope("a@quick.test"), MESSAGE)
        await until(lambda: len(courier.jobs) == 22 and courier.running == 2)
        go.set()
        await until_empty(queue)
        assert len(courier.jobs) == 40
