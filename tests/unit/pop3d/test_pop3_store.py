"""The POP3 door on the real store: octets, unique-ids over a restart, deletions, other sessions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pop3_fakes import PASSWORDS

from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.net import ConnectionLimits, Listener, bind
from mailsuite.pop3d import Pop3d, Settings
from mailsuite.store import Facets, NewMessage, Store
from tests.sign_in import FakeAccounts, sign_in

ALICE = "alice@example.test"
SIGN_IN = b"USER alice@example.test\r\nPASS open sesame\r\n"


@contextlib.asynccontextmanager
async def a_store(root: Path) -> AsyncIterator[Store]:
    threads = Threads("store", 2)
    store = Store(root, facets=Facets((), 1, lambda _: ()), threads=threads, clock=SystemClock())
    try:
        yield store
    finally:
        await store.close()
        threads.close()


@contextlib.asynccontextmanager
async def serving(store: Store) -> AsyncIterator[int]:
    settings = Settings("mail.example.test", allow_plain_auth=True)
    door = Pop3d(settings, sign_in=sign_in(FakeAccounts(PASSWORDS)), store=store)
    listener = Listener("pop3", door.session, ConnectionLimits(10, 10))
    sock = bind("127.0.0.1", 0)
    await listener.start(sock)
    try:
        yield sock.getsockname()[1]
    finally:
        await listener.stop()


class Client:
    """One signed-in session."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @contextlib.asynccontextmanager
    async def signed_in(cls, port: int) -> AsyncIterator["Client"]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        client = cls(reader, writer)
        try:
            writer.write(SIGN_IN)
            for _ in range(3):
                assert (await reader.readline()).startswith(b"+OK")
            yield client
        finally:
            writer.close()

    async def ask(self, command: str) -> str:
        self._writer.write(command.encode() + b"\r\n")
        return (await self._reader.readline()).decode().rstrip("\r\n")

    async def rows(self, command: str) -> list[str]:
        assert (await self.ask(command)).startswith("+OK")
        return (await self.multi_line()).decode().split("\r\n")[:-1]

    async def octets(self, command: str) -> bytes:
        assert (await self.ask(command)).startswith("+OK")
        return await self.multi_line()

    async def multi_line(self) -> bytes:
        lines = []
        while (line := await self._reader.readline()) != b".\r\n":
            assert line
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)


MESSAGES = [
    b"Subject: one\r\n\r\n.\r\n..\r\n",
    b"Subject: two\r\n\r\n" + b".dot\r\n" * 60_000,
    b"Subject: three\r\n\r\n\xff\x00bytes\r\n".replace(b"\x00", b""),
]


async def test_a_maildrop_over_a_restart(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        account = await store.account(ALICE)
        await account.append("INBOX", [NewMessage(octets) for octets in MESSAGES])
        async with serving(store) as port:
            async with Client.signed_in(port) as pop:
                sizes = [len(octets) for octets in MESSAGES]
                assert await pop.ask("STAT") == f"+OK 3 {sum(sizes)}"
                assert await pop.rows("LIST") == [f"{n} {s}" for n, s in enumerate(sizes, 1)]
                for number, octets in enumerate(MESSAGES, 1):
                    assert await pop.octets(f"RETR {number}") == octets
                ids = [row.split()[1] for row in await pop.rows("UIDL")]
                await pop.ask("DELE 2")
            # Hung up: nothing was deleted. Now with QUIT.
            await until_free(port)
            async with Client.signed_in(port) as pop:
                assert (await pop.ask("STAT")).startswith("+OK 3 ")
                assert (await pop.ask("DELE 1")).startswith("+OK")
                assert await pop.ask("QUIT") == "+OK bye, 1 messages deleted"
    async with a_store(tmp_path) as store, serving(store) as port, Client.signed_in(port) as pop:
        assert [row.split()[1] for row in await pop.rows("UIDL")] == ids[1:]
        assert await pop.octets("TOP 1 1") == b"Subject: two\r\n\r\n.dot\r\n"


async def until_free(port: int) -> None:
    """Until the server has noticed that the session before has gone."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(AssertionError):
                async with Client.signed_in(port) as client:
                    await client.ask("QUIT")
                    return


@pytest.mark.parametrize("held", [False, True])
async def test_expunged_by_another_session(tmp_path: Path, held: bool) -> None:
    """Even while the store keeps the file for a session that has not been told yet."""
    async with a_store(tmp_path) as store:
        account = await store.account(ALICE)
        await account.append("INBOX", [NewMessage(octets) for octets in MESSAGES])
        inbox = await account.open("INBOX")
        attachment = inbox.attach(lambda _: None, claim_recent=True) if held else None
        async with serving(store) as port, Client.signed_in(port) as pop:
            await inbox.expunge([inbox.uids[0]], only_deleted=False)
            await account.append("INBOX", [NewMessage(b"Subject: new\r\n\r\n")])
            assert await pop.ask("RETR 1") == "-ERR message 1 has been removed meanwhile"
            assert await pop.octets("RETR 3") == MESSAGES[2]
            assert (await pop.ask("STAT")).startswith("+OK 3 ")
            for number in (1, 2):
                assert (await pop.ask(f"DELE {number}")).startswith("+OK")
            assert (await pop.ask("QUIT")).startswith("+OK bye")
        assert len(inbox.uids) == 2
        if attachment is not None:
            attachment.detach()
        inbox.release()
