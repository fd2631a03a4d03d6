"""Reading ahead: who gets it, how much of it, and what becomes of a failure."""

import asyncio
from collections.abc import Sequence

import pytest

from mailsuite.pop3d.ahead import LARGEST, MESSAGES, OCTETS, ReadAhead
from mailsuite.store import StoreUnavailable


class Mail:
    """Messages by UID, which are ten times their place; notes what it is asked for."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = sizes
        self.uids = [10 * place for place in range(1, len(sizes) + 1)]
        self.asked: list[list[int]] = []
        self.failing = False
        self.slow: asyncio.Event | None = None

    async def fetch(self, uids: Sequence[int]) -> list[tuple[int, bytes | None]]:
        self.asked.append(list(uids))
        if self.slow is not None:
            await self.slow.wait()
        if self.failing:
            raise StoreUnavailable("the disk failed")
        return [(uid, self.octets(uid)) for uid in uids]

    def octets(self, uid: int) -> bytes:
        return b"%d" % uid * self.sizes[uid // 10 - 1]

    def ahead(self) -> ReadAhead:
        return ReadAhead(self.fetch, self.uids, self.sizes)


async def test_one_after_the_other_takes_few_reads_of_bounded_size() -> None:
    mail = Mail(*[3000] * 2000)
    ahead = mail.ahead()
    for place, uid in enumerate(mail.uids):
        assert await ahead.get(place) == mail.octets(uid)
    assert [uid for uids in mail.asked for uid in uids] == mail.uids
    assert all(len(uids) <= min(MESSAGES, OCTETS // 3000) for uids in mail.asked)
    assert len(mail.asked) < 40


async def test_what_is_at_hand_is_shown_before_it_is_taken() -> None:
    mail = Mail(*[3000] * 2000)
    ahead = mail.ahead()
    waited = 0
    for place, uid in enumerate(mail.uids):
        assert ahead.peek(place + 1) is None  # not its turn
        if (found := ahead.peek(place)) is not None:
            ahead.passed(place)
        else:
            waited += 1
            found = await ahead.get(place)
        assert found == mail.octets(uid)
        assert ahead.peek(place) is None
        await asyncio.sleep(0)
    assert [uid for uids in mail.asked for uid in uids] == mail.uids
    assert waited < 40


async def test_single_messages_are_not_read_ahead() -> None:
    mail = Mail(*[10] * 100)
    ahead = mail.ahead()
    for place in (50, 7, 90, 20, 19):
        assert await ahead.get(place) == mail.octets(mail.uids[place])
    assert [len(uids) for uids in mail.asked] == [1] * 5


async def test_a_large_message_is_left_to_others_and_does_not_end_it() -> None:
    mail = Mail(10, 10, LARGEST + 1, 10, 10)
    ahead = mail.ahead()
    found = [await ahead.get(place) for place in range(5)]
    assert found == [None if uid == 30 else mail.octets(uid) for uid in mail.uids]
    assert 30 not in [uid for uids in mail.asked for uid in uids]


async def test_the_same_message_twice_is_read_twice() -> None:
    mail = Mail(10, 10, 10)
    ahead = mail.ahead()
    assert [await ahead.get(place) for place in (0, 0, 1, 0, 2)] == [
        mail.octets(uid) for uid in (10, 10, 20, 10, 30)
    ]


async def test_a_failure_is_told_and_the_next_try_may_succeed() -> None:
    mail = Mail(*[10] * 20)
    ahead = mail.ahead()
    mail.failing = True
    with pytest.raises(StoreUnavailable):
        await ahead.get(0)
    mail.failing = False
    assert await ahead.get(0) == mail.octets(10)


async def test_a_read_that_nobody_waits_for_any_more_ends_quietly() -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    mail = Mail(*[10] * 100)
    ahead = mail.ahead()
    mail.slow = asyncio.Event()
    mail.slow.set()
    for place in range(4):
        await ahead.get(place)
    mail.slow, mail.failing = asyncio.Event(), True
    waiting = asyncio.ensure_future(ahead.get(50))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    ahead.close()
    mail.slow.set()
    await asyncio.sleep(0)
    del ahead
    assert told == []
