"""The POP3 door on the real store: octets, unique-ids over a restart, deletions, other sessions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pop3_fakes import PASSWORDS, FakeClock

from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.net import ConnectionLimits, Listener, bind
from mailsuite.pop3d import Policies, Policy, Pop3d, Settings
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
async def serving(
    store: Store, expire: int | None = None, clock: FakeClock | None = None
) -> AsyncIterator[int]:
    policies = Policies(Policy(expire))
    settings = Settings("mail.example.test", allow_plain_auth=True, policies=policies)
    door = Pop3d(
        settings,
        sign_in=sign_in(FakeAccounts(PASSWORDS)),
        store=store,
        clock=clock or SystemClock(),
    )
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


async def test_files_of_other_programs_are_counted_as_they_are_sent(tmp_path: Path) -> None:
    """Also where the last line has no end, which it is given (RFC 1939 §5, §11)."""
    async with a_store(tmp_path) as store:
        await store.account(ALICE)
        maildir = next(tmp_path.rglob("Maildir"))
        for number, octets in enumerate(
            (b"A: 1\n\nlf", b"A: 2\r\n\r\ncrlf", b"A: 3\n\nwhole\n", b"A: 4\n\ncr\r")
        ):
            (maildir / "new" / f"1700000000.{number}.other").write_bytes(octets)
        async with serving(store) as port, Client.signed_in(port) as pop:
            listed = {row.split()[0]: int(row.split()[1]) for row in await pop.rows("LIST")}
            assert len(listed) == 4
            for number, size in listed.items():
                assert len(await pop.octets(f"RETR {number}")) == size


async def test_deletions_are_told_to_imap_sessions(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        account = await store.account(ALICE)
        await account.append("INBOX", [NewMessage(octets) for octets in MESSAGES])
        inbox = await account.open("INBOX")
        told: list[tuple[str, list[int]]] = []
        attachment = inbox.attach(
            lambda change: told.append((change.kind, change.uids)), claim_recent=True
        )
        first = inbox.uids[0]
        async with serving(store) as port, Client.signed_in(port) as pop:
            assert (await pop.ask("DELE 1")).startswith("+OK")
            assert told == []
            assert (await pop.ask("QUIT")).startswith("+OK")
        assert told == [("expunged", [first])]
        attachment.detach()
        inbox.release()


async def test_unique_ids_outlive_the_index_and_differ_when_the_mailbox_is_another(
    tmp_path: Path,
) -> None:
    async def unique_ids(store: Store) -> list[str]:
        async with serving(store) as port, Client.signed_in(port) as pop:
            return [row.split()[1] for row in await pop.rows("UIDL")]

    async with a_store(tmp_path) as store:
        account = await store.account(ALICE)
        await account.append("INBOX", [NewMessage(octets) for octets in MESSAGES])
        before = await unique_ids(store)
        assert len(set(before)) == len(MESSAGES)
        assert all(len(one) <= 70 and one.isascii() for one in before)
    for database in tmp_path.rglob("index.db*"):
        database.unlink()
    async with a_store(tmp_path) as store:
        assert await unique_ids(store) == before
    # The sidecar that holds UIDVALIDITY is lost: the UIDs may mean other messages now.
    maildir = next(tmp_path.rglob("Maildir"))
    for sidecar in maildir.glob("mailsuite*"):
        if sidecar.is_file():
            sidecar.unlink()
    async with a_store(tmp_path) as store:
        after = await unique_ids(store)
        assert len(after) == len(MESSAGES)
        assert not set(after) & set(before)


async def test_sizes_follow_what_other_sessions_do(tmp_path: Path) -> None:
    """What is known from the session before is not taken for what is there now."""
    async with a_store(tmp_path) as store:
        account = await store.account(ALICE)
        await account.append("INBOX", [NewMessage(octets) for octets in MESSAGES])
        inbox = await account.open("INBOX")
        kept = list(MESSAGES)
        async with serving(store) as port:
            for gone in (None, 0, 1):
                if gone is not None:
                    await inbox.expunge([inbox.uids[gone]], only_deleted=False)
                    kept.pop(gone)
                    kept.append(b"Subject: new\r\n\r\n" + b"x" * gone + b"\r\n")
                    await account.append("INBOX", [NewMessage(kept[-1])])
                async with Client.signed_in(port) as pop:
                    rows = [f"{n} {len(octets)}" for n, octets in enumerate(kept, 1)]
                    assert await pop.rows("LIST") == rows
                    assert await pop.ask("STAT") == f"+OK {len(kept)} {sum(map(len, kept))}"
                    for number, octets in enumerate(kept, 1):
                        assert await pop.octets(f"RETR {number}") == octets
                    assert (await pop.ask("QUIT")).startswith("+OK")
        inbox.release()


async def test_what_was_fetched_and_left_expires(tmp_path: Path) -> None:
    """RFC 2449 §6.7: never before its time, never what was not fetched, over restarts."""
    clock = FakeClock()
    clock.time = SystemClock().now()

    async def session(store: Store, *commands: str) -> int:
        """How many messages there were."""
        async with serving(store, 30, clock) as port, Client.signed_in(port) as pop:
            count = int((await pop.ask("STAT")).split()[1])
            for command in commands:
                if command.startswith(("RETR", "TOP", "UIDL")):
                    await pop.octets(command)
                else:
                    assert (await pop.ask(command)).startswith("+OK")
            return count

    async with a_store(tmp_path) as store:
        account = await store.account(ALICE)
        await account.append("INBOX", [NewMessage(octets) for octets in MESSAGES])
        assert await session(store, "RETR 1", "TOP 2 5", "UIDL", "QUIT") == 3
        assert await session(store, "RETR 2") == 3  # without QUIT nothing counts
        inbox = await account.open("INBOX")
        flags = [inbox.flag_table[number] for number in inbox.flagsets]
        assert flags == [{"$Retrieved"}, set(), set()]
        inbox.release()
    clock.time += 29 * 86_400
    async with a_store(tmp_path) as store:
        assert await session(store, "QUIT") == 3
        assert await session(store) == 3
        clock.time += 2 * 86_400
        assert await session(store) == 3
        assert await session(store, "QUIT") == 3
        assert await session(store, "RETR 2", "QUIT") == 2
        # It had been here for long when it was fetched, and was offered in a whole session.
        assert await session(store, "QUIT") == 1


async def test_files_of_other_programs_are_sent_with_crlf_and_counted_so(tmp_path: Path) -> None:
    """Lines that end in LF on disk; small, and too large to be read in one go."""
    async with a_store(tmp_path) as store:
        await (await store.account(ALICE)).append("INBOX", [NewMessage(MESSAGES[0])])
    folder = next(tmp_path.rglob("Maildir")) / "new"
    texts = [b"Subject: small\n\n.\nx\n", b"Subject: large\n\n" + b".line\n" * 40_000]
    for number, text in enumerate(texts):
        (folder / f"170000000{number}.M1P1.elsewhere").write_bytes(text)
    async with a_store(tmp_path) as store, serving(store) as port, Client.signed_in(port) as pop:
        wire = [MESSAGES[0], *(text.replace(b"\n", b"\r\n") for text in texts)]
        assert [int(row.split()[1]) for row in await pop.rows("LIST")] == [len(w) for w in wire]
        for number, octets in enumerate(wire, 1):
            assert await pop.octets(f"RETR {number}") == octets


async def test_a_large_message_with_utf8_in_header_and_parts(tmp_path: Path) -> None:
    """Looked at in its file, changed while it is sent."""
    filler = b"plain text\r\n" * 30_000
    message = (
        'Subject: Grüße\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\n'.encode()
        + filler
        + '--b\r\nContent-Disposition: attachment; filename="Ü.txt"\r\n\r\nÄ\r\n--b--\r\n'.encode()
    )
    async with a_store(tmp_path) as store:
        await (await store.account(ALICE)).append("INBOX", [NewMessage(message)])
        async with serving(store) as port, Client.signed_in(port) as pop:
            status = await pop.ask("RETR 1")
            shown = await pop.multi_line()
            assert status == f"+OK {len(shown)} octets"
            assert shown == message.replace(
                "Grüße".encode(), b"=?utf-8?q?Gr=C3=BC=C3=9Fe?="
            ).replace(
                b'attachment; filename="\xc3\x9c.txt"', b"attachment; filename*=utf-8''%C3%9C.txt"
            )
            assert (await pop.ask("STAT")) == f"+OK 1 {len(message)}"


async def test_from_memory_as_from_the_disk(tmp_path: Path) -> None:
    """What is answered at once from what was read ahead is what the long way answers."""
    mail = [f"Subject: {n}\r\n\r\n.{n}\r\nend\r\n".encode() for n in range(1, 101)]
    mail[60] = "Subject: schön\r\n\r\nhi\r\n".encode()
    async with a_store(tmp_path) as store:
        account = await store.account(ALICE)
        await account.append("INBOX", [NewMessage(octets) for octets in mail])
        inbox = await account.open("INBOX")
        async with serving(store, expire=0) as port, Client.signed_in(port) as pop:
            assert (await pop.ask("DELE 50")).startswith("+OK")
            for number in range(1, 41):
                assert (
                    await pop.octets(f"{'retr' if number % 2 else 'RETR'} {number}")
                    == (mail[number - 1])
                )
            await inbox.expunge([inbox.uids[44]], only_deleted=False)
            for number in range(41, 61):
                told = await pop.ask(f"RETR {number}")
                if number == 45:
                    assert told == "-ERR message 45 has been removed meanwhile"
                elif number == 50:
                    assert told == "-ERR message 50 is marked as deleted"
                else:
                    assert told == f"+OK {len(mail[number - 1])} octets"
                    assert await pop.multi_line() == mail[number - 1]
            assert b"=?utf-8?" in await pop.octets("RETR 61")
            assert (await pop.ask("RETR 0")).startswith("-ERR no such message")
            # Cut anywhere, and several together.
            pop._writer.write(b"RETR 6")
            await asyncio.sleep(0.01)
            assert await pop.octets("2") == mail[61]
            assert await pop.octets("RETR 63\r\nRETR 64") == mail[62]
            assert await pop.octets("RETR 65") == mail[63]
            assert (await pop._reader.readline()).startswith(b"+OK")
            assert await pop.multi_line() == mail[64]
            for number in range(1, 101):
                if number not in (45, 50, 61):
                    whole = mail[number - 1]
                    assert await pop.octets(f"TOP {number} 0") == whole[: whole.index(b".")]
            # What was fetched goes at QUIT, and what is marked; TOP has fetched nothing.
            assert await pop.ask("QUIT") == "+OK bye, 64 messages deleted"
        assert len(inbox.uids) == 35
        inbox.release()


@pytest.mark.parametrize("large", [False, True])
async def test_a_message_that_ends_in_the_middle_of_a_line(tmp_path: Path, large: bool) -> None:
    """Sent with a line's end (RFC 1939 §3), and counted so (§5, §11), also after a restart."""
    more = b"x" * 70 + b"\r\n"
    whole = b"Subject: x\r\n\r\n" + more * (20_000 if large else 1)
    ends = [b"", b"end", b"end\r\n", b"end\r"]
    async with a_store(tmp_path) as store:
        account = await store.account(ALICE)
        for end in ends:
            temp = await account.new_temp()
            await temp.write(whole + end)
            source = temp if large else whole + end
            await account.append("INBOX", [NewMessage(source, exact=True)])
            if not large:
                await temp.discard()
        # A copy is the same; a file of another program is not known to be so.
        inbox = await account.open("INBOX")
        await account.copy(inbox, [inbox.uids[1]], "INBOX")
        inbox.release()
    (tmp_path / "example.test/alice/index.db").unlink()
    async with a_store(tmp_path) as store, serving(store) as port, Client.signed_in(port) as pop:
        sizes = [int(row.split()[1]) for row in await pop.rows("LIST")]
        sent = []
        for number in range(1, len(sizes) + 1):
            told = await pop.ask(f"RETR {number}")
            sent.append(len(await pop.multi_line()))
            assert told == f"+OK {sent[-1]} octets"
        assert sizes == sent
        assert sent == [len(whole) + more for more in (0, 5, 5, 6, 5)]
        assert await pop.ask("STAT") == f"+OK 5 {sum(sent)}"
