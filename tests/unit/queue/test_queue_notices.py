"""What the queue tells senders, when, and that it is told once: a still clock, a real database."""

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
    until,
    until_empty,
)

from mailsuite.mail import (
    Bounced,
    Contact,
    Deferred,
    DeliverBy,
    Envelope,
    FollowUp,
    Job,
    Notices,
    Outcome,
    Recipient,
    Report,
    Sent,
)
from mailsuite.queue import Entry, Queue

HOUR = 3600.0


class Teller:
    """Notes what it is asked to tell; writes one short notice to `notices@example.test`."""

    def __init__(self, *, kept: bool = False, error: Exception | None = None) -> None:
        self.told: list[tuple[str, str, str]] = []
        self.met: list[Contact | None] = []
        self.kept = kept
        self.error = error

    async def notices(self, job: Job, reports: Sequence[Report], now: float) -> Notices:
        self.told += [(each.action, each.recipient.address, each.status) for each in reports]
        self.met += [each.contact for each in reports]
        if self.error is not None:
            raise self.error
        if self.kept:
            return Notices(kept=True)
        notice = Envelope("", (Recipient("notices@example.test"),))
        return Notices((FollowUp(notice, b"Subject: notice\r\n\r\n[", None, b"]\r\n"),))


def bounced(job: Job) -> list[Outcome]:
    return [Bounced("5.1.1", "nobody there")] * len(job.recipients)


class Answering(ScriptedCourier):
    """Answers mail as told, and takes every notice."""

    def __init__(self, answer: object) -> None:
        def choose(job: Job) -> Sequence[Outcome]:
            if job.recipients[0].address.startswith("notices@"):
                return [Sent("2.0.0", "ok")]
            return answer(job)  # type: ignore[operator, no-any-return]

        super().__init__(choose)


async def test_a_failure_is_told_and_over(tmp_path: Path) -> None:
    courier, teller = Answering(bounced), Teller()
    async with running(tmp_path, courier, notifier=teller) as queue:
        await queue.submit(envelope("a@example.test"), MESSAGE)
        await until_empty(queue)
    assert teller.told == [("failed", "a@example.test", "5.1.1")]
    # The notice has the message between its head and its tail, byte for byte.
    assert courier.octets[1].endswith(b"Subject: notice\r\n\r\n[" + MESSAGE + b"]\r\n")


async def test_nobody_to_tell_keeps_it_for_the_operator(tmp_path: Path) -> None:
    async with running(tmp_path, Answering(bounced), notifier=Teller(kept=True)) as queue:
        await queue.submit(envelope(sender=""), MESSAGE)
        await until(lambda: _bounced(queue, 1))


async def test_a_notice_that_cannot_be_made_keeps_it_too(tmp_path: Path) -> None:
    teller = Teller(error=OSError("no such file"))
    async with running(tmp_path, Answering(bounced), notifier=teller) as queue:
        await queue.submit(envelope(), MESSAGE)
        await until(lambda: _bounced(queue, 1))


async def _bounced(queue: Queue, count: int) -> bool:
    return (await queue.counts()).bounced == count


async def test_notify_decides(tmp_path: Path) -> None:
    wishes = {
        "silent@example.test": ("NEVER",),
        "plain@example.test": (),
        "happy@example.test": ("SUCCESS",),
        "sad@example.test": ("FAILURE", "DELAY"),
    }
    recipients = tuple(Recipient(address, notify) for address, notify in wishes.items())
    for answer, told in (
        (bounced, ["plain@example.test", "sad@example.test"]),
        (lambda job: [Sent("2.0.0", "ok")] * len(job.recipients), ["happy@example.test"]),
    ):
        teller = Teller()
        async with running(tmp_path, Answering(answer), notifier=teller) as queue:
            await queue.submit(Envelope("from@elsewhere.test", recipients), MESSAGE)
            await until_empty(queue)
        assert [address for _, address, _ in teller.told] == told


async def test_no_success_where_the_next_host_tells(tmp_path: Path) -> None:
    teller = Teller()
    there = Answering(lambda job: [Sent("2.0.0", "ok", action="")])
    async with running(tmp_path, there, notifier=teller) as queue:
        wish = Recipient("a@example.test", ("SUCCESS",))
        await queue.submit(Envelope("from@elsewhere.test", (wish,)), MESSAGE)
        await until_empty(queue)
    assert teller.told == []


async def test_who_traces_is_told_of_the_next_host(tmp_path: Path) -> None:
    """RFC 2852 §4: T asks for that, SUCCESS need not; NEVER is never."""
    teller = Teller()
    there = Answering(lambda job: [Sent("2.0.0", "ok", action="")] * len(job.recipients))
    clock = StillClock()
    asked = Envelope(
        "from@elsewhere.test",
        (Recipient("a@example.test"), Recipient("b@example.test", ("NEVER",))),
        deliver_by=DeliverBy(clock.time + HOUR, "R", trace=True),
    )
    async with running(tmp_path, there, clock=clock, notifier=teller) as queue:
        await queue.submit(asked, MESSAGE)
        await until_empty(queue)
    assert teller.told == [("relayed", "a@example.test", "2.0.0")]


@pytest.mark.parametrize(
    ("mode", "timed", "notify", "told"),
    [
        ("N", False, (), ["relayed"]),
        ("N", False, ("FAILURE",), ["relayed"]),
        ("N", False, ("NEVER",), []),
        ("N", True, (), []),
        ("R", False, (), []),
    ],
)
async def test_the_next_host_watches_no_time(
    tmp_path: Path, mode: str, timed: bool, notify: tuple[str, ...], told: list[str]
) -> None:
    """RFC 2852 §4.1.4.2: the sender is told that no notice of lateness will come from there."""
    teller, clock = Teller(), StillClock()
    there = Answering(lambda job: [Sent("2.0.0", "ok", action="", timed=timed)])
    asked = Envelope(
        "from@elsewhere.test",
        (Recipient("a@example.test", notify),),
        deliver_by=DeliverBy(clock.time + HOUR, mode, trace=False),
    )
    async with running(tmp_path, there, clock=clock, notifier=teller) as queue:
        await queue.submit(asked, MESSAGE)
        await until_empty(queue)
    assert [action for action, _, _ in teller.told] == told


async def test_a_delay_is_told_once_then_the_failure(tmp_path: Path) -> None:
    """From attempt to attempt on a clock of our own, over a restart of the server."""
    clock, teller, courier = StillClock(), Teller(), Answering(deferred)
    start = clock.time
    async with running(tmp_path, courier, clock=clock, notifier=teller) as queue:
        id = await queue.submit(envelope("a@example.test"), MESSAGE)
        await until(lambda: _attempted(queue, id, 1))
        await _walk(queue, id, clock, start + 8 * HOUR)
    assert [action for action, _, _ in teller.told] == ["delayed"]
    async with running(tmp_path, courier, clock=clock, notifier=teller) as queue:
        await _walk(queue, id, clock, start + 9 * 24 * HOUR)
        await until_empty(queue)
    assert [action for action, _, _ in teller.told] == ["delayed", "failed"]
    assert clock.time == start + 5 * 24 * HOUR


async def _walk(queue: Queue, id: str, clock: StillClock, end: float) -> None:
    """Let the time of each next attempt come, until `end` or until the message is gone."""
    while entry := await _entry(queue, id):
        one = entry.recipients[0]
        if one.next_attempt is None or one.next_attempt > end:
            return
        clock.time = max(clock.time, one.next_attempt)
        queue.wake()
        await until(lambda count=one.attempts + 1: _attempted(queue, id, count))  # type: ignore[misc]


async def _entry(queue: Queue, id: str) -> Entry | None:
    return next((each for each in await queue.list() if each.id == id), None)


async def _attempted(queue: Queue, id: str, count: int) -> bool:
    entry = await _entry(queue, id)
    return entry is None or (entry.recipients[0].attempts >= count)


async def test_a_time_limit_returns_it(tmp_path: Path) -> None:
    clock, teller = StillClock(), Teller()
    courier = Answering(lambda job: [Deferred("4.4.1", "no answer")])
    late = replace(envelope("a@example.test"), deliver_by=DeliverBy(clock.time + 100, "R"))
    async with running(tmp_path, courier, clock=clock, notifier=teller) as queue:
        id = await queue.submit(late, MESSAGE)
        await until(lambda: _attempted(queue, id, 1))
        clock.time += 101
        queue.wake()
        await until_empty(queue)
    assert teller.told == [("failed", "a@example.test", "5.4.7")]
    assert len([job for job in courier.jobs if job.id == id]) == 1


@pytest.mark.parametrize("seconds", [100, 0, -100])
async def test_lateness_is_told_as_such_and_once(tmp_path: Path, seconds: int) -> None:
    """RFC 2852 §4.1.3: "delayed" with 4.4.7, also of what was late when it came (by-time <= 0)."""
    clock, teller = StillClock(), Teller()
    courier = Answering(lambda job: [Deferred("4.4.1", "no answer")])
    wish = replace(envelope("a@example.test"), deliver_by=DeliverBy(clock.time + seconds, "N"))
    async with running(tmp_path, courier, clock=clock, notifier=teller) as queue:
        start = clock.time
        id = await queue.submit(wish, MESSAGE)
        await until(lambda: _attempted(queue, id, 1))
        await _walk(queue, id, clock, start + HOUR)
    assert teller.told == [("delayed", "a@example.test", "4.4.7")]


@pytest.mark.parametrize(
    ("mode", "notify", "action", "told"),
    [
        ("N", (), "", [("delayed", "4.4.7")]),
        ("N", ("DELAY", "SUCCESS"), "delivered", [("delayed", "4.4.7"), ("delivered", "2.0.0")]),
        ("N", ("FAILURE",), "", []),
        ("NT", (), "", [("delayed", "4.4.7"), ("relayed", "2.0.0")]),
    ],
)
async def test_what_goes_late_at_its_first_attempt_is_told_as_late(
    tmp_path: Path, mode: str, notify: tuple[str, ...], action: str, told: list[tuple[str, str]]
) -> None:
    """RFC 2852 §4.1.3; §4.1.4.2 is for what goes on before its time is over."""
    teller, clock = Teller(), StillClock()
    met = Contact("mx.test", "192.0.2.1", "250 2.0.0 taken")
    there = Answering(lambda job: [Sent("2.0.0", "ok", (), met, action, timed=False)])
    wish = Envelope(
        "from@elsewhere.test",
        (Recipient("a@example.test", notify),),
        deliver_by=DeliverBy(clock.time - 1, mode[0], trace="T" in mode),
    )
    async with running(tmp_path, there, clock=clock, notifier=teller) as queue:
        await queue.submit(wish, MESSAGE)
        await until_empty(queue)
    assert [(action, status) for action, _, status in teller.told] == told
    assert teller.met == [met] * len(told)


async def test_what_goes_on_to_where_an_alias_leads_is_late_there(tmp_path: Path) -> None:
    teller, clock = Teller(), StillClock()
    late = DeliverBy(clock.time - 1, "N")
    onward = replace(envelope("b@example.test"), deliver_by=late)

    def answer(job: Job) -> list[Outcome]:
        alias = job.recipients[0].address == "a@example.test"
        return [Sent("2.0.0", "ok", (FollowUp(onward),) if alias else (), action="")]

    async with running(tmp_path, Answering(answer), clock=clock, notifier=teller) as queue:
        await queue.submit(replace(envelope("a@example.test"), deliver_by=late), MESSAGE)
        await until_empty(queue)
    assert teller.told == [("delayed", "b@example.test", "4.4.7")]


async def test_an_attempt_that_outlasts_the_time_limit(tmp_path: Path) -> None:
    """RFC 2852 §4.1.3: what goes back for its time's sake says so, whatever the last host said."""
    clock, teller = StillClock(), Teller()

    def slowly(job: Job) -> list[Outcome]:
        clock.time += 101
        return [Deferred("4.4.1", "no answer")]

    wish = replace(envelope("a@example.test"), deliver_by=DeliverBy(clock.time + 100, "R"))
    async with running(tmp_path, Answering(slowly), clock=clock, notifier=teller) as queue:
        await queue.submit(wish, MESSAGE)
        await until_empty(queue)
    assert teller.told == [("failed", "a@example.test", "5.4.7")]
