"""The capture courier over a real store: mail to the world stays with its sender."""

from pathlib import Path

import pytest
from delivery_support import MESSAGE, job, octets, opened, route

from mailsuite.delivery import CaptureCourier
from mailsuite.mail import Deferred, Remote, Route, Sent

ALICE, BOB, CAROL = "alice@example.test", "bob@example.test", "carol@example.test"
OUTSIDE = "x@far.test"


@pytest.mark.parametrize(
    ("sender", "submitter", "keeper"),
    [
        (BOB, ALICE, ALICE),
        (BOB, None, BOB),
        ("team@example.test", None, ALICE),
        ("x@elsewhere.test", None, CAROL),
        ("", None, CAROL),
        ("nobody@example.test", "gone@example.test", CAROL),
    ],
)
async def test_whose_folder(
    tmp_path: Path, sender: str, submitter: str | None, keeper: str
) -> None:
    async with opened(tmp_path) as store:
        courier = CaptureCourier(store, route)
        given = job(tmp_path, OUTSIDE, sender=sender, submitter=submitter)
        (outcome,) = await courier.deliver(given)
        assert isinstance(outcome, Sent) and keeper in outcome.text
        fields = f"Return-Path: <{sender}>\r\nX-Envelope-To: <{OUTSIDE}>\r\n".encode()
        assert await octets(store, keeper, "Outbound") == [fields + MESSAGE]
        names = {each.name: each for each in await (await store.account(keeper)).mailboxes()}
        assert names["Outbound"].subscribed


@pytest.mark.parametrize("kept", [True, False])
async def test_one_copy_for_all_recipients_once(tmp_path: Path, kept: bool) -> None:
    async with opened(tmp_path) as store:
        courier = CaptureCourier(store, route)
        for repeat in (False, True):
            given = job(
                tmp_path,
                OUTSIDE,
                "y@far.test",
                sender=ALICE,
                repeat=repeat,
                kept=kept,
                of=(ALICE, OUTSIDE, "y@far.test"),
            )
            outcomes = await courier.deliver(given)
            assert [type(each) for each in outcomes] == [Sent, Sent]
        fields = (
            b"Return-Path: <alice@example.test>\r\n"
            b"X-Envelope-To: <x@far.test>,\r\n <y@far.test>\r\n"
        )
        assert await octets(store, ALICE, "Outbound") == [fields + MESSAGE]


async def test_without_any_account_it_waits(tmp_path: Path) -> None:
    def nowhere(address: str) -> Route:
        return Remote("far.test")

    async with opened(tmp_path) as store:
        outcomes = await CaptureCourier(store, nowhere).deliver(job(tmp_path, OUTSIDE))
        assert isinstance(outcomes[0], Deferred) and outcomes[0].status == "4.3.5"
