"""Captured mail is sent when its owner moves it into Outbound/Release: and nothing else is."""

import asyncio
from pathlib import Path

import pytest
from delivery_support import ALICE, MESSAGE, job, octets, opened, route
from hypothesis import given
from hypothesis import strategies as st

from mailsuite.delivery import RELEASE, CaptureCourier, Releaser
from mailsuite.delivery.release import NotCaptured, captured_envelope
from mailsuite.delivery.trace import envelope_to, return_path
from mailsuite.mail import Envelope
from mailsuite.store import AccountStore, NewMessage, Store


class Taken:
    """Stands for the queue: keeps what was committed."""

    def __init__(self) -> None:
        self.mail: list[tuple[Envelope, bytes]] = []
        self.came = asyncio.Event()
        self.refuse = False

    def receive(self) -> "Taking":
        return Taking(self)


class Taking:
    id = "0123456789ABC"

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self._octets = b""

    async def write(self, octets: bytes) -> None:
        self._octets += octets

    async def commit(self, envelope: Envelope) -> None:
        self._taken.mail.append((envelope, self._octets))
        self._taken.came.set()

    async def discard(self) -> None:
        self._octets = b""


def may_send_as(account: str, sender: str) -> bool:
    return sender in ("", account)


async def captured(store: Store, root: Path, *to: str, sender: str = ALICE) -> AccountStore:
    given_job = job(root, *to, sender=sender, submitter=ALICE)
    await CaptureCourier(store, route).deliver(given_job)
    account = await store.account(ALICE)
    await account.create(RELEASE)
    return account


async def move_all(account: AccountStore) -> None:
    outbound = await account.open("Outbound")
    await account.move(outbound, list(outbound.uids), RELEASE)
    outbound.release()


async def released(store: Store, taken: Taken) -> Releaser:
    releaser = Releaser(store, taken.receive, may_send_as)
    releaser.notice(ALICE, "INBOX")  # means nothing
    releaser.notice(ALICE, RELEASE)
    while releaser._tasks:
        await releaser._tasks.wait()
    return releaser


async def test_with_its_envelope_octet_by_octet(tmp_path: Path) -> None:
    taken = Taken()
    async with opened(tmp_path) as store:
        account = await captured(store, tmp_path, "bob@far.test", "carol@far.test")
        await move_all(account)
        await released(store, taken)
        assert await octets(store, ALICE, RELEASE) == []
    ((envelope, message),) = taken.mail
    assert message == MESSAGE
    assert envelope.sender == ALICE and envelope.submitter == ALICE and envelope.released
    assert [one.address for one in envelope.recipients] == ["bob@far.test", "carol@far.test"]
    assert envelope.body == "7BIT" and not envelope.smtputf8


@pytest.mark.parametrize(
    "message",
    [
        MESSAGE,
        return_path(ALICE) + MESSAGE,
        envelope_to(["bob@far.test"]) + MESSAGE,
        return_path(ALICE) + b"X-Envelope-To: nobody\r\n" + MESSAGE,
        return_path(ALICE) + b"X-Envelope-To: <not an address>\r\n" + MESSAGE,
        return_path("eve@example.test") + envelope_to(["bob@far.test"]) + MESSAGE,
    ],
)
async def test_what_was_not_captured_stays_flagged(tmp_path: Path, message: bytes) -> None:
    taken = Taken()
    async with opened(tmp_path) as store:
        account = await store.account(ALICE)
        await account.create(RELEASE)
        await account.append(RELEASE, [NewMessage(message)])
        await released(store, taken)
        mailbox = await account.open(RELEASE)
        assert [mailbox.flags(uid) for uid in mailbox.uids] == [frozenset({r"\Flagged"})]
        mailbox.release()
    assert taken.mail == []


async def test_the_folder_is_found_at_the_start(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await captured(store, tmp_path, "bob@far.test")
        assert store.having(RELEASE, [ALICE, "bob@example.test"]) == [ALICE]


@given(
    sender=st.sampled_from(["", ALICE, "jörg@example.test"]),
    recipients=st.lists(
        st.from_regex(r"[a-zé]{1,30}@[a-z]{1,20}\.test", fullmatch=True), min_size=1, max_size=40
    ),
)
def test_the_envelope_is_read_as_it_was_written(sender: str, recipients: list[str]) -> None:
    """Invariant: what the capture wrote before a message comes out again, and where it ends."""
    prefix = return_path(sender) + envelope_to(recipients)
    assert captured_envelope(prefix + MESSAGE) == (len(prefix), sender, recipients)


@given(st.binary(max_size=200))
def test_any_octets(data: bytes) -> None:
    """Invariant: an envelope, or NotCaptured."""
    for head in (data, b"Return-Path: <>\r\nX-Envelope-To: " + data):
        try:
            captured_envelope(head)
        except NotCaptured:
            pass
