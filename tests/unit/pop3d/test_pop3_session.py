"""What no dialogue shows: time limits, a message that breaks off, a client that does not read."""

import asyncio
import contextlib
import hashlib
import re
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
    store: FakeStore,
    settings: Settings,
    *,
    secrets: bool = False,
    accounts: FakeAccounts | None = None,
    **sign_in_settings: Any,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    door = Pop3d(
        settings,
        sign_in=sign_in(accounts or FakeAccounts(PASSWORDS, secrets=secrets), **sign_in_settings),
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


async def test_apop_signs_in_with_a_digest_of_this_session_only() -> None:
    store = a_store(b"one\r\n")
    settings = Settings("mail.example.test", allow_plain_auth=True, max_failures=9)
    digests: list[bytes] = []
    for _ in range(2):
        async with client(store, settings, secrets=True) as (reader, writer):
            banner = (await reader.readline()).split()[-1]
            assert re.fullmatch(rb"<[0-9a-f]{32}@mail\.example\.test>", banner)
            refused = [
                *(b"alice@example.test " + digest for digest in digests),  # of a session before
                b"nobody@example.test " + apop(banner, b"open sesame"),
                b"alice@example.test " + apop(banner, b"wrong"),
                b"\xff " + apop(banner, b"open sesame"),
            ]
            for words in refused:
                writer.write(b"APOP " + words + b"\r\n")
                assert (await reader.readline()).startswith(b"-ERR"), words
            digests.append(apop(banner, b"open sesame"))
            writer.write(b"apop alice@example.test " + digests[-1] + b"\r\n")
            assert (await reader.readline()).startswith(b"+OK maildrop has 1")


def apop(banner: bytes, secret: bytes) -> bytes:
    return hashlib.md5(banner + secret).hexdigest().encode()


async def test_no_timestamp_no_apop() -> None:
    """No account has opted in, or others could read the mail that follows."""
    for plain, secrets in ((True, False), (False, True)):
        settings = Settings("mail.example.test", allow_plain_auth=plain)
        async with client(a_store(), settings, secrets=secrets) as (reader, writer):
            banner = await reader.readline()
            assert banner == b"+OK mail.example.test POP3 ready\r\n"
            writer.write(b"APOP alice@example.test " + b"0" * 32 + b"\r\n")
            assert await reader.readline() == b"-ERR APOP is not available\r\n"


async def test_refusals_that_pass_do_not_ask_for_the_password_again() -> None:
    """RFC 3206: [AUTH] would have a client ask its user."""
    accounts = FakeAccounts(PASSWORDS)
    settings = Settings("mail.example.test", allow_plain_auth=True)
    strict = {"accounts": accounts, "address_failures": 1, "never_ban": ()}
    async with client(a_store(), settings, **strict) as (reader, writer):
        await reader.readline()
        accounts.away = True
        writer.write(SIGN_IN)
        await reader.readline()
        assert await reader.readline() == (
            b"-ERR [SYS/TEMP] cannot check passwords now, try again later\r\n"
        )
        accounts.away = False
        writer.write(b"USER alice@example.test\r\nPASS wrong\r\n" + SIGN_IN)
        lines = [await reader.readline() for _ in range(4)]
        assert lines[1] == b"-ERR [AUTH] wrong name or password\r\n"
        assert lines[3] == b"-ERR [SYS/TEMP] too many failed sign-ins, try again later\r\n"
        assert await reader.read() == b""
