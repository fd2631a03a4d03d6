"""What no dialogue shows: time limits, a message that breaks off, a client that does not read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

from pop3_fakes import PASSWORDS, FakeClock, FakeStore

from mailsuite.net import ConnectionLimits, Listener, bind
from mailsuite.pop3d import Pop3d, Settings
from mailsuite.store import Store
from tests.sign_in import FakeAccounts, sign_in

SIGN_IN = b"USER alice@example.test\r\nPASS open sesame\r\n"


@contextlib.asynccontextmanager
async def client(
    store: FakeStore, settings: Settings
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    door = Pop3d(
        settings,
        sign_in=sign_in(FakeAccounts(PASSWORDS)),
        store=cast(Store, store),
        clock=FakeClock(),
    )
    listener = Listener("pop3", door.session, ConnectionLimits(10, 10))
    sock = bind("127.0.0.1", 0)
    await listener.start(sock)
    reader, writer = await asyncio.open_connection(*sock.getsockname())
    try:
        async with asyncio.timeout(20):
            yield reader, writer
    finally:
        writer.close()
        await listener.stop()


def a_store(*messages: bytes) -> FakeStore:
    store = FakeStore()
    store.inboxes["alice@example.test"].mail = dict(enumerate(messages, 1))
    return store


async def test_an_idle_session_is_closed_without_a_word_and_deletes_nothing() -> None:
    store = a_store(b"one\r\n")
    settings = Settings("mail.example.test", allow_plain_auth=True, idle_timeout=0.2)
    async with client(store, settings) as (reader, writer):
        writer.write(SIGN_IN + b"DELE 1\r\n")
        for _ in range(4):
            assert (await reader.readline()).startswith(b"+OK")
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    inbox = store.inboxes["alice@example.test"]
    assert list(inbox.uids) == [1]
    assert inbox.users == 0


async def test_a_client_that_does_not_read_is_given_up() -> None:
    store = a_store(b"x" * 998 * 20_000)
    settings = Settings("mail.example.test", allow_plain_auth=True, idle_timeout=0.2)
    inbox = store.inboxes["alice@example.test"]
    async with client(store, settings) as (reader, writer):
        writer.write(SIGN_IN + b"RETR 1\r\n")
        for _ in range(4):
            assert (await reader.readline()).startswith(b"+OK")
        await asyncio.sleep(1)
        assert inbox.users == 0
        with contextlib.suppress(ConnectionError):
            assert not (await reader.read()).endswith(b"\r\n.\r\n")


async def test_a_message_that_breaks_off_does_not_look_whole() -> None:
    store = a_store(b"line\r\n" * 100_000)
    inbox = store.inboxes["alice@example.test"]
    inbox.unreadable_from = 300_000
    settings = Settings("mail.example.test", allow_plain_auth=True)
    async with client(store, settings) as (reader, writer):
        writer.write(SIGN_IN + b"RETR 1\r\n")
        for _ in range(4):
            assert (await reader.readline()).startswith(b"+OK")
        with contextlib.suppress(ConnectionError):
            assert not (await reader.read()).endswith(b"\r\n.\r\n")
    assert inbox.users == 0


async def test_a_cancelled_quit_still_deletes() -> None:
    store = a_store(b"one\r\n", b"two\r\n")
    inbox = store.inboxes["alice@example.test"]
    reached, go_on = asyncio.Event(), asyncio.Event()
    expunge = inbox.expunge

    async def slow(*arguments: Any, **named: Any) -> list[int]:
        reached.set()
        await go_on.wait()
        return await expunge(*arguments, **named)

    inbox.expunge = slow
    settings = Settings("mail.example.test", allow_plain_auth=True)
    async with client(store, settings) as (_, writer):
        writer.write(SIGN_IN + b"DELE 1\r\nQUIT\r\n")
        await reached.wait()
        asyncio.get_running_loop().call_later(0.1, go_on.set)
    # Leaving the block has cancelled the session and waited for it.
    assert list(inbox.uids) == [2]
