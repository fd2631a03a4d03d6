"""Mail that waits to be asked for, and hosts that ask."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import apsw
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
)

from mailsuite.mail import DeliverBy, Envelope, Job, Outcome
from mailsuite.message import among, domain_of
from mailsuite.queue import HandOver, Queue, RecipientEntry, Settings
from mailsuite.queue.settings import DAY

SETTINGS = Settings(parked=frozenset({"parked"}))
PARKED = frozenset({"branch.test", ".branch.test"})


class House:
    """Mail for branch.test and what is below it is parked, the other goes by "relay"."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self.held = True
        self.parked = ScriptedCourier(deferred)
        self.relay = ScriptedCourier(deferred)
        self.host = ScriptedCourier()

    def choose(self, address: str, envelope: Envelope) -> str:
        parked = self.held and among(domain_of(address), PARKED)
        return "parked" if parked else "relay"

    def queue(
        self, root: Path, settings: Settings = SETTINGS
    ) -> AbstractAsyncContextManager[Queue]:
        couriers = {"parked": self.parked, "relay": self.relay}
        return running(
            root, clock=self.clock, settings=settings, choose=self.choose, couriers=couriers
        )


async def turn(queue: Queue, host: ScriptedCourier, *domains: str) -> HandOver:
    """One host asks, and gets all there is."""
    over = queue.hand_over(frozenset(domains))
    try:
        while await over.attempt(host):
            pass
    finally:
        await over.close()
    return over


async def recipients(queue: Queue) -> dict[str, RecipientEntry]:
    return {one.address: one for entry in await queue.list() for one in entry.recipients}


def addresses(courier: ScriptedCourier) -> list[str]:
    return [one.address for job in courier.jobs for one in job.recipients]


async def settled(queue: Queue, *, attempts: int = 1) -> None:
    """Every recipient of the relay has been attempted, and nothing is in memory."""

    async def found() -> bool:
        known = (await recipients(queue)).values()
        return all(
            not one.active and (one.courier == "parked" or one.attempts >= attempts)
            for one in known
        )

    await until(found)


async def test_parked_mail_is_not_attempted_before_its_end(tmp_path: Path) -> None:
    house = House()
    async with house.queue(tmp_path) as queue:
        await queue.submit(envelope("a@branch.test"), MESSAGE)
        await queue.retry()
        queue.reconsider()
        house.clock.time += 4 * DAY
        queue.wake()
        await asyncio.sleep(0.03)
        (one,) = (await recipients(queue)).values()
        assert (one.courier, one.state, one.attempts, one.active) == ("parked", "due", 0, False)
        assert one.next_attempt == house.clock.time + DAY
        assert not house.parked.jobs
        house.clock.time += DAY
        queue.wake()

        async def bounced() -> bool:
            (one,) = (await recipients(queue)).values()
            return one.state == "bounced"

        await until(bounced)
        (one,) = (await recipients(queue)).values()
        assert one.text == "gave up after 5 days; at last: later"


async def test_who_asks_gets_exactly_its_mail(tmp_path: Path) -> None:
    house = House()
    async with house.queue(tmp_path) as queue:
        mixed = ("a@branch.test", "b@far.test", "C@Branch.Test", "d@x.branch.test", "e@ranch.test")
        await queue.submit(envelope(*mixed), MESSAGE)
        await queue.submit(envelope("f@xbranch.test", "g@branch.test"), MESSAGE)
        await settled(queue)
        over = await turn(queue, house.host, "branch.test")
        assert addresses(house.host) == ["a@branch.test", "C@Branch.Test", "g@branch.test"]
        assert house.host.octets[0].endswith(MESSAGE) and not over.busy
        left = await recipients(queue)
        assert {one.address for one in left.values() if one.state == "sent"} == {
            *addresses(house.host)
        }
        assert left["a@branch.test"].history[0].courier == "parked"
        await turn(queue, house.host, ".branch.test")
        assert addresses(house.host)[3:] == ["d@x.branch.test"]
        assert not await queue.hand_over(PARKED).claim()
        assert not await queue.hand_over(frozenset()).claim()


@pytest.mark.parametrize("others", [0, 60])
async def test_domains_are_compared_in_one_spelling(tmp_path: Path, others: int) -> None:
    house = House()
    async with house.queue(tmp_path) as queue:
        same = ("a@büro.test", "b@BÜRO.test", "c@xn--bro-hoa.test", "d@xn--bro-hoa.TEST.")
        await queue.submit(envelope(*same, "e@buro.test"), MESSAGE)
        await settled(queue)
        asked = [f"{number}.test" for number in range(others)]
        await turn(queue, house.host, "xn--bro-hoa.test", *asked)
        assert addresses(house.host) == list(same)
        # And where ETRN asks.
        await queue.submit(envelope("f@büro.test"), MESSAGE)
        await settled(queue)
        assert await queue.retry_domain("xn--bro-hoa.test", below=False) == 1


async def test_mail_that_its_sender_holds_back_is_no_mail_yet(tmp_path: Path) -> None:
    house = House()
    async with house.queue(tmp_path) as queue:
        later = replace(envelope("later@branch.test"), hold_until=house.clock.time + 60)
        await queue.submit(later, MESSAGE)
        over = queue.hand_over(PARKED)
        assert not await over.claim() and not over.busy
        house.clock.time += 60
        await turn(queue, house.host, *PARKED)
        assert addresses(house.host) == ["later@branch.test"]


async def test_what_is_not_due_yet_is_handed_over_and_what_is_held_back_is_not(
    tmp_path: Path,
) -> None:
    house = House()
    house.held = False
    async with house.queue(tmp_path) as queue:
        await queue.submit(envelope("waits@branch.test"), MESSAGE)
        held = await queue.submit(envelope("held@branch.test"), MESSAGE)
        await settled(queue)
        await queue.hold(held)
        later = replace(envelope("later@branch.test"), hold_until=house.clock.time + 60)
        await queue.submit(later, MESSAGE)
        assert (await recipients(queue))["waits@branch.test"].next_attempt > house.clock.time
        await turn(queue, house.host, "branch.test")
        assert addresses(house.host) == ["waits@branch.test"]
        assert house.host.jobs[0].attempt == 2
        house.clock.time += 60
        await queue.release(held)
        await until(lambda: "held@branch.test" in addresses(house.relay))
        await turn(queue, house.host, "branch.test")


async def test_nobody_sends_it_at_the_same_time(tmp_path: Path) -> None:
    """What is in line goes over to the host that asks; what is under way stays where it is."""
    house, go = House(), asyncio.Event()
    house.held = False

    async def slowly(job: Job) -> Sequence[Outcome]:
        await go.wait()
        return sent(job)

    house.relay.answer = slowly
    settings = replace(SETTINGS, default_concurrency=1)
    async with house.queue(tmp_path, settings) as queue:
        await queue.submit(envelope("first@branch.test"), MESSAGE)
        await until(lambda: len(house.relay.jobs) == 1)
        await queue.submit(envelope("second@branch.test", "other@far.test"), MESSAGE)
        over = await turn(queue, house.host, "branch.test")
        assert addresses(house.host) == ["second@branch.test"] and over.busy
        go.set()
        await until(lambda: len(house.relay.jobs) == 2)
    assert addresses(house.relay) == ["first@branch.test", "other@far.test"]


async def test_two_hosts_of_one_account_share(tmp_path: Path) -> None:
    house = House()
    async with house.queue(tmp_path) as queue:
        sent_to = [f"{number}@branch.test" for number in range(120)]
        for each in sent_to:
            await queue.submit(envelope(each), MESSAGE)
        one, two = ScriptedCourier(), ScriptedCourier()
        await asyncio.gather(turn(queue, one, *PARKED), turn(queue, two, *PARKED))
        assert one.jobs and two.jobs
        assert sorted(addresses(one) + addresses(two)) == sorted(sent_to)
        assert not (await queue.counts()).messages


async def test_what_is_not_attempted_waits_as_before(tmp_path: Path) -> None:
    house = House()
    async with house.queue(tmp_path) as queue:
        for number in range(60):
            await queue.submit(envelope(f"{number}@branch.test"), MESSAGE)
        before = await recipients(queue)
        over = queue.hand_over(PARKED)
        assert await over.claim()
        assert (await queue.counts()).active == 50
        assert await over.attempt(house.host)
        await over.close()
        await over.close()
        after = await recipients(queue)
        assert len(after) == 59 and before.items() >= after.items()
        # It is asked for again: no matter when.
        house.clock.time += 10
        await turn(queue, house.host, *PARKED)
        assert not (await queue.counts()).messages


async def test_a_refusal_parks_it_again_or_bounces_it(tmp_path: Path) -> None:
    house = House()
    async with house.queue(tmp_path) as queue:
        await queue.submit(envelope("a@branch.test"), MESSAGE)
        house.host.answer = deferred
        house.clock.time += DAY
        await turn(queue, house.host, *PARKED)
        (one,) = (await recipients(queue)).values()
        assert (one.state, one.attempts, one.status) == ("due", 1, "4.2.0")
        assert one.next_attempt == house.clock.time + 4 * DAY
        # Once in a turn, and again in the next.
        assert len(house.host.jobs) == 1
        await turn(queue, house.host, *PARKED)
        assert [job.attempt for job in house.host.jobs] == [1, 2]
        house.held = False
        await turn(queue, house.host, *PARKED)
        (one,) = (await recipients(queue)).values()
        assert one.courier == "relay"
        assert house.clock.time < one.next_attempt < house.clock.time + DAY


async def test_a_turn_that_is_cut_off_is_no_attempt(tmp_path: Path) -> None:
    house, begun = House(), asyncio.Event()

    async def forever(job: Job) -> Sequence[Outcome]:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with house.queue(tmp_path) as queue:
        for name in ("a", "b"):
            await queue.submit(envelope(f"{name}@branch.test"), MESSAGE)
        before = await recipients(queue)
        house.host.answer = forever
        task = asyncio.create_task(turn(queue, house.host, *PARKED))
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert await recipients(queue) == before
        house.host = ScriptedCourier()
        await turn(queue, house.host, *PARKED)
        assert [job.repeat for job in house.host.jobs] == [True, False]


async def test_what_was_claimed_at_a_crash_may_be_asked_for_at_once(tmp_path: Path) -> None:
    house = House()
    async with house.queue(tmp_path) as queue:
        await queue.submit(envelope("a@branch.test"), MESSAGE)
        before = await recipients(queue)
    # As a kill leaves it.
    database = apsw.Connection(str(tmp_path / "queue.db"))
    database.execute("UPDATE recipient SET leased = 1")
    database.close()
    async with house.queue(tmp_path) as queue:
        assert await recipients(queue) == before
        await turn(queue, house.host, *PARKED)
        assert house.host.jobs[0].repeat


async def test_the_operator_comes_before_the_host(tmp_path: Path) -> None:
    house = House()
    async with house.queue(tmp_path) as queue:
        ids = [await queue.submit(envelope(f"{n}@branch.test"), MESSAGE) for n in range(3)]
        over = queue.hand_over(PARKED)
        assert await over.claim()
        await queue.hold(ids[0])
        await queue.drop(ids[1])
        while await over.attempt(house.host):
            pass
        await over.close()
        assert addresses(house.host) == ["2@branch.test"]
        await until(lambda: spool_names(tmp_path) == {ids[0]})
        await queue.release(ids[0])

        async def fetched() -> bool:
            await turn(queue, house.host, *PARKED)
            return addresses(house.host) == ["2@branch.test", "0@branch.test"]

        # For a moment it is looked at by the queue itself.
        await until(fetched)


async def test_other_settings_let_it_go_on(tmp_path: Path) -> None:
    house = House()
    settings = replace(SETTINGS, page=10)
    async with house.queue(tmp_path, settings) as queue:
        for number in range(25):
            await queue.submit(envelope(f"{number}@branch.test", "a@far.test"), MESSAGE)
        await settled(queue)
        house.relay.jobs.clear()
        house.held = False
        queue.reconsider()
        await until(lambda: len(house.relay.jobs) == 25)
        house.held = True
        await settled(queue)
        # What falls due meanwhile is parked then.
        house.clock.time += DAY
        await queue.retry()

        async def all_parked() -> bool:
            known = await recipients(queue)
            return all(one.courier == "parked" for one in known.values() if "branch" in one.address)

        await until(all_parked)
    # A restart looks again as well.
    house.held = False
    house.relay.jobs.clear()
    async with house.queue(tmp_path) as queue:
        await until(lambda: addresses(house.relay).count("24@branch.test") == 1)


async def test_a_sender_who_wants_to_know_by_a_time_is_told(tmp_path: Path) -> None:
    house = House()
    async with house.queue(tmp_path) as queue:
        by = house.clock.time + 600
        wish = replace(envelope("a@branch.test"), deliver_by=DeliverBy(by, "N"))
        await queue.submit(wish, MESSAGE)
        (one,) = (await recipients(queue)).values()
        assert one.next_attempt == by
        house.clock.time = by + 1
        queue.wake()
        await until(lambda: len(house.parked.jobs) == 1)

        async def parked() -> bool:
            (one,) = (await recipients(queue)).values()
            return one.attempts == 1 and one.next_attempt == by - 600 + 5 * DAY

        await until(parked)
