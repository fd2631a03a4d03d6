"""The local courier over a real store: who gets what, once."""

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from delivery_support import ALIASES, MESSAGE, RECEIVED, job, octets, opened, route

from mailsuite.base.tasks import Threads
from mailsuite.delivery import LocalCourier
from mailsuite.delivery.local import HEADER
from mailsuite.mail import Bounced, Deferred, Job, Outcome, Sent
from mailsuite.store import AccountStore, Quota, Store, StoreUnavailable

ALICE, BOB, CAROL = "alice@example.test", "bob@example.test", "carol@example.test"


def trace(to: str, sender: str = "from@far.test") -> bytes:
    return f"Return-Path: <{sender}>\r\nDelivered-To: {to}\r\n".encode()


async def attempt(
    store: Store, given: Job, forwarded_as: Callable[[str, str], Awaitable[str]] | None = None
) -> list[Outcome]:
    threads = Threads("delivery-test", 1)
    courier = LocalCourier(store, route, threads, forwarded_as=forwarded_as)
    try:
        return list(await courier.deliver(given))
    finally:
        threads.close()


@pytest.mark.parametrize("kept", [True, False])
async def test_one_recipient_is_a_link_of_the_spool(tmp_path: Path, kept: bool) -> None:
    async with opened(tmp_path) as store:
        given = job(tmp_path, "Alice@Example.test", kept=kept)
        (outcome,) = await attempt(store, given)
        assert isinstance(outcome, Sent) and outcome.status == "2.0.0"
        assert await octets(store, ALICE) == [trace("Alice@Example.test") + MESSAGE]
        assert Path(given.message.path).stat().st_nlink == 2


@pytest.mark.parametrize("kept", [True, False])
async def test_several_have_their_own_fields(tmp_path: Path, kept: bool) -> None:
    async with opened(tmp_path) as store:
        outcomes = await attempt(store, job(tmp_path, ALICE, BOB, "nobody@example.test", kept=kept))
        assert [type(each) for each in outcomes] == [Sent, Sent, Bounced]
        assert outcomes[2].status == "5.1.1" and "nobody@example.test" in outcomes[2].text
        assert await octets(store, ALICE) == [trace(ALICE) + MESSAGE]
        assert await octets(store, BOB) == [trace(BOB) + MESSAGE]
        mailbox = await (await store.account(BOB)).open("INBOX")
        ((_, date),) = await mailbox.rows(list(mailbox.uids), columns=["internal_date"])
        assert date == pytest.approx(RECEIVED, abs=1)
        mailbox.release()


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("more", [(), (BOB,), ("mixed@example.test", "gone-only@example.test")])
async def test_the_only_return_path_is_ours(
    tmp_path: Path, kept: bool, more: tuple[str, ...]
) -> None:
    """RFC 5321 §4.4: what came along is left out, for whomever else the message is."""
    foreign = b"Return-Path: <x@y.test>\r\n"
    body = b"Return-Path: in the body\r\n"
    given = foreign + MESSAGE.replace(b"Subject", b"return-path :\r\n <>\r\nSubject") + body
    async with opened(tmp_path) as store:
        outcomes = await attempt(store, job(tmp_path, ALICE, *more, message=given, kept=kept))
        assert isinstance(outcomes[0], Sent)
        found = await octets(store, ALICE)
        assert len(found) == len({ALICE, *more} - {BOB, "gone-only@example.test"})
        assert trace(ALICE) + MESSAGE + body in found
        for each in (*found, *await octets(store, BOB)):
            assert each.lower().count(b"return-path") == 2 and each.endswith(MESSAGE + body)
        # Even in a header that is not looked at to its end.
        long = foreign + b"X: " + b"x" * HEADER + b"\r\n" + MESSAGE
        await attempt(store, job(tmp_path, CAROL, message=long, id="long", kept=kept))
        assert await octets(store, CAROL) == [trace(CAROL) + long.removeprefix(foreign)]


@pytest.mark.parametrize("within", [1, len(b"Return-Path: <x@y.test>\r\n"), 30])
async def test_a_return_path_at_the_end_of_what_is_looked_at_goes_whole_or_stays(
    tmp_path: Path, within: int
) -> None:
    start = b"Return-Path: <one@y.test>\r\nX: "
    filled = start + b"x" * (HEADER - within - len(start) - 2) + b"\r\n"
    rest = b"Return-Path: <x@y.test>\r\n\t(and more)\r\n" + MESSAGE
    async with opened(tmp_path) as store:
        await attempt(store, job(tmp_path, ALICE, message=filled + rest))
        (found,) = await octets(store, ALICE)
        assert found == trace(ALICE) + filled[filled.index(b"X: ") :] + rest


async def test_large_headers_without_their_return_path_are_not_all_in_memory(
    tmp_path: Path,
) -> None:
    line = b"X-Much: " + b"x" * 900 + b"\r\n"
    given = b"Return-Path: <x@y.test>\r\n" + line * 280 + MESSAGE
    names = [f"alice+{number}@example.test" for number in range(80)]
    async with opened(tmp_path) as store:
        work = job(tmp_path, *names, message=given)
        tracemalloc.start()
        try:
            outcomes = await attempt(store, work)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert all(isinstance(each, Sent) for each in outcomes)
        assert len(await octets(store, ALICE)) == 80
    assert peak < 40 * len(given), peak / len(given)


async def test_the_null_sender(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await attempt(store, job(tmp_path, ALICE, sender=""))
        assert await octets(store, ALICE) == [trace(ALICE, "") + MESSAGE]


async def test_a_repeat_adds_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for repeat in (False, True, True):
            given = job(tmp_path, ALICE, "all@example.test", repeat=repeat)
            assert all(isinstance(each, Sent) for each in await attempt(store, given))
        assert sorted(await octets(store, ALICE)) == [
            trace(ALICE) + MESSAGE,
            trace("all@example.test") + MESSAGE,
        ]


class TestAliases:
    async def test_each_account_once(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            (outcome,) = await attempt(store, job(tmp_path, "all@example.test"))
            assert isinstance(outcome, Sent) and not outcome.follow_ups
            for account in (ALICE, BOB, CAROL):
                assert await octets(store, account) == [trace("all@example.test") + MESSAGE]

    async def test_elsewhere_is_follow_up_mail(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            given = job(tmp_path, "away@example.test", submitter=BOB)
            (outcome,) = await attempt(store, given)
            (follow_up,) = outcome.follow_ups
            assert isinstance(outcome, Sent)
            assert [each.address for each in follow_up.envelope.recipients] == [
                "far@elsewhere.test"
            ]
            assert (follow_up.envelope.sender, follow_up.envelope.submitter) == (
                "from@far.test",
                BOB,
            )
            assert follow_up.head == b"Delivered-To: away@example.test\r\n"
            assert follow_up.body is None

    async def test_only_what_goes_elsewhere_gets_another_sender(self, tmp_path: Path) -> None:
        asked: list[tuple[str, str]] = []

        async def ours(sender: str, alias: str) -> str:
            asked.append((sender, alias))
            return "ours@example.test"

        async with opened(tmp_path) as store:
            given = job(tmp_path, "mixed@example.test", "team@example.test")
            mixed, team = await attempt(store, given, ours)
            assert [each.envelope.sender for each in mixed.follow_ups] == [
                "ours@example.test",
                "from@far.test",
            ]
            assert not team.follow_ups
            assert asked == [("from@far.test", "mixed@example.test")]

    async def test_what_fails_goes_on_by_itself(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            (outcome,) = await attempt(store, job(tmp_path, "mixed@example.test"))
            assert isinstance(outcome, Sent)
            assert [
                [each.address for each in follow_up.envelope.recipients]
                for follow_up in outcome.follow_ups
            ] == [["far@elsewhere.test"], ["gone@example.test"]]
            assert len(await octets(store, ALICE)) == 1

    async def test_nobody_at_all_is_a_bounce(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            (outcome,) = await attempt(store, job(tmp_path, "gone-only@example.test"))
            assert isinstance(outcome, Bounced) and outcome.status == "5.1.1"
            (outcome,) = await attempt(store, job(tmp_path, "loop@example.test", id="1"))
            assert isinstance(outcome, Bounced) and outcome.status == "5.4.6"

    async def test_a_loop_keeps_nobody_else_from_mail(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            (outcome,) = await attempt(store, job(tmp_path, "half@example.test"))
            assert isinstance(outcome, Sent)
            assert len(await octets(store, ALICE)) == 1

    async def test_endless_aliases_end(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(30):
            target = f"d{number + 1}@example.test"
            monkeypatch.setitem(ALIASES, f"d{number}@example.test", (target,))
        async with opened(tmp_path) as store:
            (outcome,) = await attempt(store, job(tmp_path, "d0@example.test"))
            assert isinstance(outcome, Bounced)


class TestSubaddress:
    @pytest.mark.parametrize(
        ("detail", "folder"),
        [
            ("shop", "Shop"),
            ("SHOP", "Shop"),
            ("work/2024", "Work/2024"),
            ("none", "INBOX"),
            ("inbox", "INBOX"),
            ("sent", "INBOX"),
            ("../bob", "INBOX"),
        ],
    )
    async def test_names_a_folder(self, tmp_path: Path, detail: str, folder: str) -> None:
        async with opened(tmp_path) as store:
            account = await store.account(ALICE)
            await account.create("Shop")
            await account.create("Work/2024")
            (outcome,) = await attempt(store, job(tmp_path, f"alice+{detail}@example.test"))
            assert isinstance(outcome, Sent)
            assert len(await octets(store, ALICE, folder)) == 1

    async def test_exact_case_goes_first(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            account = await store.account(ALICE)
            for name in ("SHOP", "shop", "Shop"):
                await account.create(name)
            await attempt(store, job(tmp_path, "alice+shop@example.test"))
            assert len(await octets(store, ALICE, "shop")) == 1


class TestLoops:
    @pytest.mark.parametrize(
        "field",
        [
            b"Delivered-To: alice@example.test\r\n",
            b"delivered-to:\r\n  ALICE@example.TEST \r\n",
        ],
    )
    @pytest.mark.parametrize("kept", [True, False])
    async def test_own_mail_that_comes_back_bounces(
        self, tmp_path: Path, field: bytes, kept: bool
    ) -> None:
        async with opened(tmp_path) as store:
            given = job(tmp_path, ALICE, BOB, message=field + MESSAGE, kept=kept)
            outcomes = await attempt(store, given)
            assert [type(each) for each in outcomes] == [Bounced, Sent]
            assert outcomes[0].status == "5.4.6"
            assert await octets(store, ALICE) == []

    async def test_its_own_prefix_and_the_body_do_not_count(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            message = MESSAGE + b"Delivered-To: alice@example.test\r\n"
            (outcome,) = await attempt(store, job(tmp_path, ALICE, message=message))
            assert isinstance(outcome, Sent)


class Failing:
    """A store whose accounts in `broken` can't be written."""

    def __init__(self, store: Store, *broken: str) -> None:
        self.store = store
        self.broken = set(broken)

    async def account(self, address: str) -> AccountStore:
        if address in self.broken:
            raise StoreUnavailable("disk")
        return await self.store.account(address)


class Broken(Failing):
    """A store with a mistake for those in `broken`; all others wait for `go_on`."""

    def __init__(self, store: Store, *broken: str) -> None:
        super().__init__(store, *broken)
        self.go_on = asyncio.Event()

    async def account(self, address: str) -> AccountStore:
        if address in self.broken:
            raise RuntimeError("a mistake")
        await self.go_on.wait()
        return await self.store.account(address)


class TestFailures:
    @pytest.mark.parametrize("to", [(ALICE, BOB), ("team@example.test",)])
    async def test_an_attempt_ends_when_all_of_it_has(
        self, tmp_path: Path, to: tuple[str, ...]
    ) -> None:
        """What went on unseen would meet the next attempt in the same mailbox."""
        async with opened(tmp_path) as store:
            threads = Threads("delivery-test", 1)
            broken = Broken(store, ALICE)
            courier = LocalCourier(broken, route, threads)
            attempt = asyncio.create_task(courier.deliver(job(tmp_path, *to, kept=True)))
            for _ in range(10):
                await asyncio.sleep(0)
            assert not attempt.done()
            broken.go_on.set()
            with pytest.raises(RuntimeError, match="a mistake"):
                await attempt
            assert len(await octets(store, BOB)) == 1
            threads.close()

    async def test_a_store_that_fails_defers(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            threads = Threads("delivery-test", 1)
            courier = LocalCourier(Failing(store, ALICE), route, threads)
            outcomes = await courier.deliver(job(tmp_path, ALICE, BOB))
            assert [type(each) for each in outcomes] == [Deferred, Sent]
            assert outcomes[0].status == "4.3.0"
            threads.close()

    async def test_partial_success_repeats_nothing(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            threads = Threads("delivery-test", 1)
            failing = Failing(store, BOB)
            courier = LocalCourier(failing, route, threads)
            (outcome,) = await courier.deliver(job(tmp_path, "team@example.test"))
            (follow_up,) = outcome.follow_ups
            assert isinstance(outcome, Sent)
            assert [each.address for each in follow_up.envelope.recipients] == [BOB]
            # The attempt was not recorded: it comes again, and meanwhile the other works.
            failing.broken.clear()
            (outcome,) = await courier.deliver(job(tmp_path, "team@example.test", repeat=True))
            assert isinstance(outcome, Sent) and not outcome.follow_ups
            for account in (ALICE, BOB):
                assert await octets(store, account) == [trace("team@example.test") + MESSAGE]
            threads.close()

    async def test_all_failed_is_deferred_as_it_is(self, tmp_path: Path) -> None:
        async with opened(tmp_path) as store:
            threads = Threads("delivery-test", 1)
            courier = LocalCourier(Failing(store, ALICE, BOB), route, threads)
            (outcome,) = await courier.deliver(job(tmp_path, "team@example.test"))
            assert isinstance(outcome, Deferred) and not outcome.follow_ups
            threads.close()


async def test_a_full_mailbox_waits(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        full = Quota(messages=0)
        (await store.account(BOB)).files.limits = lambda: full
        outcomes = await attempt(store, job(tmp_path, ALICE, BOB))
        assert isinstance(outcomes[0], Sent)
        assert isinstance(outcomes[1], Deferred) and outcomes[1].status == "4.2.2"
        assert await octets(store, BOB) == []
        full = Quota()
        (outcome,) = await attempt(store, job(tmp_path, BOB, of=(ALICE, BOB), repeat=True))
        assert isinstance(outcome, Sent)
        assert await octets(store, BOB) == [trace(BOB) + MESSAGE]


async def test_a_direct_attempt_leaves_it_to_the_queue_to_tell_of_a_full_mailbox(
    tmp_path: Path,
) -> None:
    """So that a message's story begins with whoever brought it, and tells each attempt once."""
    async with opened(tmp_path) as store:
        (await store.account(BOB)).files.limits = lambda: Quota(messages=0)
        queued = job(tmp_path, ALICE, BOB, kept=True)
        direct = replace(queued, message=replace(queued.message, path="", offset=0))
        with structlog.testing.capture_logs() as events:
            first = await attempt(store, direct)
            assert isinstance(first[0], Sent) and isinstance(first[1], Deferred)
            assert events == []
            again = await attempt(store, replace(queued, repeat=True))
        assert isinstance(again[0], Sent) and isinstance(again[1], Deferred)
        assert [(event["event"], event["account"]) for event in events] == [("mailbox full", BOB)]
        assert await octets(store, ALICE) == [trace(ALICE) + MESSAGE]


async def test_collected_a_second_time_after_a_crash_is_delivered_once(tmp_path: Path) -> None:
    """What is collected has its own name, whatever queue id it gets."""
    async with opened(tmp_path) as store:
        for id in ("0000000000001", "0000000000002"):
            given = job(tmp_path, ALICE, id=id)
            given = replace(given, envelope=replace(given.envelope, collected="f123"))
            assert isinstance((await attempt(store, given))[0], Sent)
        assert await octets(store, ALICE) == [trace(ALICE) + MESSAGE]


async def test_what_is_collected_has_been_delivered_elsewhere(tmp_path: Path) -> None:
    """Under the same address perhaps: that is no loop."""
    message = trace(ALICE) + MESSAGE
    async with opened(tmp_path) as store:
        given = job(tmp_path, ALICE, message=message)
        given = replace(given, envelope=replace(given.envelope, collected="f123"))
        assert isinstance((await attempt(store, given))[0], Sent)
        delivered_there = b"Delivered-To: alice@example.test\r\n"
        assert await octets(store, ALICE) == [trace(ALICE) + delivered_there + MESSAGE]


BINARY = (
    b"From: a@far.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\n\r\nHello.\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\x01\n\r\n"
    b"--b--\r\n"
)


@pytest.mark.parametrize("kept", [True, False])
async def test_parts_with_nul_are_kept_in_base64(tmp_path: Path, kept: bool) -> None:
    def given(*to: str, message: bytes, id: str) -> Job:
        made = job(tmp_path, *to, message=message, id=id, kept=kept)
        return replace(made, envelope=replace(made.envelope, body="BINARYMIME"))

    async with opened(tmp_path) as store:
        outcomes = await attempt(store, given(ALICE, message=BINARY, id="1"))
        outcomes += await attempt(store, given(BOB, CAROL, message=BINARY, id="2"))
        # Without a NUL, or where nothing can hide it, the octets stay as they are.
        plain, broken = BINARY.replace(b"\0", b"0"), b"X\0: y\r\n\r\n"
        outcomes += await attempt(store, given(CAROL, message=plain, id="3"))
        outcomes += await attempt(store, given(CAROL, message=broken, id="4"))
        assert all(isinstance(each, Sent) for each in outcomes)
        encoded = BINARY.replace(
            b"Encoding: binary\r\n\r\n\x00\x01\n", b"Encoding: base64\r\n\r\nAAEK"
        )
        assert await octets(store, ALICE) == [trace(ALICE) + encoded]
        assert await octets(store, BOB) == [trace(BOB) + encoded]
        expected = [encoded, plain, broken]
        assert await octets(store, CAROL) == [trace(CAROL) + each for each in expected]
        mailbox = await (await store.account(ALICE)).open("INBOX")
        ((_, date),) = await mailbox.rows(list(mailbox.uids), columns=["internal_date"])
        assert date == pytest.approx(RECEIVED, abs=1)
        mailbox.release()
