"""What a dialogue can't show: time limits, shutdown, hanging up, slow readers, real client code."""

import asyncio
import imaplib
import re
import ssl
from pathlib import Path
from typing import Any

import pytest
from imap_dialogue import MESSAGES, Client, Runner, settings

from mailsuite.imapd.session import Session
from mailsuite.net import Connection
from mailsuite.store import (
    AccountStore,
    Mailbox,
    MessageFile,
    NewMessage,
    StoreUnavailable,
    TempMessage,
)
from tests.sign_in import FakeAccounts, sign_in

PLAIN = b"a AUTHENTICATE PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABhbGljZQ=="


async def test_autologout_before_sign_in(tmp_path: Path) -> None:
    async with Runner(tmp_path, None, settings(login_timeout=0.05)) as runner:
        client = await runner.client("A")
        assert await client.response() == b"* BYE Autologout; idle for too long"
        assert await client.response() == b""


async def test_autologout_after_sign_in_also_in_idle(tmp_path: Path) -> None:
    async with Runner(tmp_path, None, settings(idle_timeout=0.1)) as runner:
        plain = await runner.signed_in("A")
        idle = await runner.signed_in("B")
        idle.writer.write(b"a IDLE\r\n")
        assert await idle.response() == b"+ idling"
        for client in (plain, idle):
            assert await client.response() == b"* BYE Autologout; idle for too long"
            assert await client.response() == b""


async def test_autologout_in_authenticate(tmp_path: Path) -> None:
    async with Runner(tmp_path, None, settings(login_timeout=0.05)) as runner:
        client = await runner.client("A")
        client.writer.write(b"a AUTHENTICATE PLAIN\r\n")
        assert (await client.response()).startswith(b"+")
        assert (await client.response()).startswith(b"* BYE")


async def test_idle_keeps_the_connection_alive(tmp_path: Path) -> None:
    async with Runner(tmp_path, None, settings(keep_alive=0.02)) as runner:
        client = await runner.signed_in("A", "SELECT INBOX")
        client.writer.write(b"a IDLE\r\n")
        assert await client.response() == b"+ idling"
        for _ in range(3):
            assert await client.response() == b"* OK Still here"
        await runner.deliver("short")
        while (response := await client.response()) == b"* OK Still here":
            pass
        assert response == b"* 1 EXISTS"


async def test_a_broken_handshake_costs_its_session_only(tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    async with Runner(tmp_path, context, settings()) as runner:
        client = await runner.client("A")
        client.writer.write(b"a STARTTLS\r\n")
        assert await client.response() == b"a OK Begin TLS negotiation now"
        client.writer.write(b"b NOOP\r\n" * 100)
        await runner.settled()
        assert await (await runner.client("B")).command("NOOP") == []


async def test_shutdown_says_bye(tmp_path: Path) -> None:
    async with Runner(tmp_path, None, settings()) as runner:
        quiet = await runner.signed_in("A")
        idle = await runner.signed_in("B", "SELECT INBOX")
        idle.writer.write(b"a IDLE\r\n")
        await idle.response()
        await runner.listener.stop()
        for client in (quiet, idle):
            assert await client.response() == b"* BYE Server shutting down"
            assert await client.response() == b""
        assert runner.listener.sessions == 0


async def test_hanging_up_in_append_throws_the_octets_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[TempMessage] = []
    discarded: list[object] = []
    new_temp = AccountStore.new_temp

    async def spied(account: AccountStore) -> TempMessage:
        made.append(await new_temp(account))
        real = type(made[0]).discard

        async def discard(temp: TempMessage) -> None:
            discarded.append(temp)
            await real(temp)

        monkeypatch.setattr(type(made[0]), "discard", discard)
        return made[0]

    monkeypatch.setattr(AccountStore, "new_temp", spied)
    async with Runner(tmp_path, None, settings()) as runner:
        client = await runner.signed_in("A")
        client.writer.write(b"a APPEND INBOX {1000}\r\n")
        assert await client.response() == b"+ OK"
        client.writer.write(b"x" * 500)
        await client.writer.drain()
        client.writer.close()
        await runner.settled()
        assert made and discarded == made
        other = await runner.signed_in("B")
        assert await other.command("STATUS INBOX (MESSAGES)") == [b"* STATUS INBOX (MESSAGES 0)"]


async def test_a_command_survives_its_client(tmp_path: Path) -> None:
    async with Runner(tmp_path, None, settings()) as runner:
        client = await runner.signed_in("A")
        client.writer.write(b"a APPEND INBOX {26+}\r\n" + MESSAGES["short"] + b"\r\n")
        await client.writer.drain()
        client.writer.close()
        await runner.settled()
        other = await runner.signed_in("B")
        assert await other.command("STATUS INBOX (MESSAGES)") == [b"* STATUS INBOX (MESSAGES 1)"]


async def test_a_slow_reader_costs_its_buffer_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that asks for much and reads nothing; others are served meanwhile."""
    sent = 0
    write = Connection.write

    def counted(connection: Connection, data: bytes) -> None:
        nonlocal sent
        sent += len(data)
        write(connection, data)

    async with Runner(tmp_path, None, settings(write_timeout=0.3)) as runner:
        account = await runner.store.account("alice@example.test")
        await account.append("INBOX", [NewMessage(MESSAGES["large"])] * 4)
        slow = await runner.signed_in("A", "SELECT INBOX")
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        monkeypatch.setattr(Connection, "write", counted)
        slow.writer.write(b"a FETCH 1:* BODY.PEEK[]\r\n" * 10)
        other = await runner.signed_in("B", "SELECT INBOX")
        await other.command("FETCH 1:* FLAGS")
        await runner.settled(1)
        # 50 MB were asked for; the kernel's buffers took some, and then it ended.
        assert sent < 20_000_000
        assert await other.command("NOOP") == []


async def test_flags_changed_while_octets_are_read_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Mailbox.read
    async with Runner(tmp_path, None, settings()) as runner:
        await runner.deliver("short")
        reader = await runner.signed_in("A", "SELECT INBOX")
        writer = await runner.signed_in("B", "SELECT INBOX")

        async def changed_meanwhile(
            mailbox: Mailbox, uids: list[int], *, max_octets: int
        ) -> list[tuple[int, bytes | None]]:
            await writer.command("STORE 1 +FLAGS.SILENT (\\Flagged)")
            return await read(mailbox, uids, max_octets=max_octets)

        monkeypatch.setattr(Mailbox, "read", changed_meanwhile)
        first, second = await reader.command("FETCH 1 (FLAGS BODY.PEEK[TEXT])")
        assert first.startswith(b"* 1 FETCH (FLAGS (\\Recent) BODY[TEXT] ")
        assert second == b"* 1 FETCH (FLAGS (\\Flagged \\Recent))"


async def test_keywords_made_while_a_fetch_is_under_way_are_told_before_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 3501 §7.2.6: FLAGS tells which there are."""
    front = Mailbox.front
    async with Runner(tmp_path, None, settings()) as runner:
        await runner.deliver("short")
        reader = await runner.signed_in("A", "SELECT INBOX")
        writer = await runner.signed_in("B", "SELECT INBOX")
        number = 0

        async def made_meanwhile(mailbox: Mailbox, *uids: Any, **columns: Any) -> Any:
            nonlocal number
            number += 1
            await writer.command(f"STORE 1 +FLAGS.SILENT (new{number})")
            return await front(mailbox, *uids, **columns)

        monkeypatch.setattr(Mailbox, "front", made_meanwhile)
        first, second, third = await reader.command("FETCH 1 (FLAGS RFC822.SIZE)")
        assert (b" new1)" in first, b" new1 " in second) == (True, True)
        assert third.startswith(b"* 1 FETCH (FLAGS (\\Recent new1) RFC822.SIZE ")
        # Also where flags are told because they have changed.
        first, second, third = await reader.command("FETCH 1 (RFC822.SIZE BODY[TEXT])")
        assert (b" new2)" in first, b" new2 " in second) == (True, True)
        assert b" FLAGS (\\Seen \\Recent new1 new2) " in third


async def test_messages_of_which_there_is_much_to_tell_are_answered_some_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    front, taken = Mailbox.front, list[tuple[int, int]]()

    async def watched(mailbox: Mailbox, uids: Any, **asked: Any) -> Any:
        count, table = await front(mailbox, uids, **asked)
        taken.append((len(uids), count))
        return count, table

    monkeypatch.setattr(Mailbox, "front", watched)
    async with Runner(tmp_path, None, settings()) as runner:
        account = await runner.store.account("alice@example.test")
        await account.append("INBOX", [NewMessage(MESSAGES["mixed"])] * 100)
        client = await runner.signed_in("A", "SELECT INBOX")
        answer = await client.command("FETCH 1:* (UID ENVELOPE BODYSTRUCTURE)")
        assert len(answer) == 100
        taken.clear()
        monkeypatch.setattr("mailsuite.imapd.commands.fetch.ROWS_OCTETS", 10_000)
        assert await client.command("FETCH 1:* (UID ENVELOPE BODYSTRUCTURE)") == answer
        assert len(taken) > 3
        assert sum(count for _, count in taken) == 100
        taken.clear()
        monkeypatch.setattr("mailsuite.imapd.search.ROWS_OCTETS", 5_000)
        (found,) = await client.command("SEARCH RETURN (COUNT) SENTSINCE 1-Jan-2020")
        assert found.endswith(b" COUNT 100")
        assert len(taken) > 3
        other = await runner.signed_in("B", "SELECT INBOX")
        await other.command("STORE 1:50 +FLAGS (\\Deleted)")
        await client.command("CLOSE")
        await other.command("EXPUNGE")
        await client.command("SELECT INBOX")
        assert len(await client.command("FETCH 1:* (UID ENVELOPE BODYSTRUCTURE)")) == 50


async def test_very_many_changes_are_told_by_and_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All in the answer to one command, each once, and no other session waits for all of it."""
    monkeypatch.setattr("mailsuite.imapd.view.FLAGS_AT_ONCE", 2)
    async with Runner(tmp_path, None, settings()) as runner:
        for _ in range(5):
            await runner.deliver("short")
        one = await runner.signed_in("A", "SELECT INBOX")
        other = await runner.signed_in("B", "SELECT INBOX")
        for letters in (rb"\Seen", rb"\Flagged \Seen"):
            await one.command(f"STORE 1:5 FLAGS.SILENT ({letters.decode()})")
            told = [line for line in await other.command("NOOP") if b"FETCH" in line]
            assert told == [b"* %d FETCH (FLAGS (%b))" % (n, letters) for n in range(1, 6)]
            assert await other.command("NOOP") == []


async def test_a_broken_disk_never_completes_a_literal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows a broken-off literal would be taken for the message's octets."""
    async with Runner(tmp_path, None, settings()) as runner:
        await runner.deliver("large")
        client = await runner.signed_in("A", "SELECT INBOX")
        open_message = Mailbox.open_message

        async def cut_short(mailbox: Mailbox, uid: int) -> MessageFile:
            file = await open_message(mailbox, uid)
            real = type(file).read

            async def read(file: MessageFile, offset: int = 0, length: int | None = None) -> bytes:
                return await real(file, offset, length) if offset < 500_000 else b""

            monkeypatch.setattr(type(file), "read", read)
            return file

        monkeypatch.setattr(Mailbox, "open_message", cut_short)
        client.writer.write(b"a FETCH 1 BODY.PEEK[]\r\n")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)) as caught:
            await client.response()
        if isinstance(caught.value, asyncio.IncompleteReadError):
            assert MESSAGES["large"].startswith(caught.value.partial)


async def test_other_programs_changes_are_told(tmp_path: Path) -> None:
    """A file put into the Maildir by another program: by NOOP, and in IDLE with time."""
    async with Runner(tmp_path, None, settings(keep_alive=0.1)) as runner:
        await runner.deliver("short")
        new = next(path for path in tmp_path.rglob("new") if path.parent.name == "Maildir")
        waiting = await runner.signed_in("A", "SELECT INBOX")
        idle = await runner.signed_in("B", "SELECT INBOX")
        idle.writer.write(b"a IDLE\r\n")
        assert await idle.response() == b"+ idling"
        (new / "1795424400.M1P1.elsewhere").write_bytes(MESSAGES["second"])
        for client in (waiting, idle):
            found = []
            for _ in range(100):
                if client is idle:
                    found.append(await client.response())
                else:
                    found += await client.command("NOOP")
                if b"* 2 EXISTS" in found:
                    break
                # A change in the same tick of the disk's clock as one of ours is seen by looking
                # again, which is done every other second.
                await asyncio.sleep(0.05)
            assert b"* 2 EXISTS" in found
        assert await waiting.command("FETCH 2 BODY.PEEK[TEXT]") == [
            b"* 2 FETCH (BODY[TEXT] {14}\r\nSecond body.\r\n)"
        ]


async def test_noop_always_succeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: Mailbox, **_: object) -> None:
        raise StoreUnavailable("disk has gone")

    async with Runner(tmp_path, None, settings()) as runner:
        client = await runner.signed_in("A", "SELECT INBOX")
        monkeypatch.setattr(Mailbox, "refresh", broken)
        for command in ("NOOP", "CHECK"):
            (warning,) = await client.command(command)
            assert warning.startswith(b"* NO [UNAVAILABLE] ")


async def test_idle_goes_on_where_the_disk_cannot_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Mailbox, **_: object) -> None:
        raise StoreUnavailable("disk has gone")

    async with Runner(tmp_path, None, settings(keep_alive=0.02)) as runner:
        client = await runner.signed_in("A", "SELECT INBOX")
        monkeypatch.setattr(Mailbox, "refresh", broken)
        client.send(b"a IDLE\r\n")
        assert await client.response() == b"+ idling"
        assert await client.response() == b"* OK Still here"
        assert (await client.response()).startswith(b"* NO [UNAVAILABLE] ")
        client.send(b"DONE\r\n")
        while (response := await client.response()).startswith(b"* "):
            pass
        assert response == b"a OK IDLE completed"


async def test_a_command_is_read_after_an_idle_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Session, **_: object) -> None:
        monkeypatch.undo()
        raise StoreUnavailable("disk has gone")

    async with Runner(tmp_path, None, settings()) as runner:
        client = await runner.signed_in("A", "SELECT INBOX")
        monkeypatch.setattr(Session, "synchronize", broken)
        client.send(b"a IDLE\r\n")
        assert await client.response() == b"+ idling"
        assert (await client.response()).startswith(b"a NO [UNAVAILABLE] ")
        assert await client.command("NOOP") == []


async def test_many_sessions_see_the_same(tmp_path: Path) -> None:
    """Flags and deliveries from many sessions at once: no flag is lost, one \\Recent each."""
    count = 8
    async with Runner(tmp_path, None, settings()) as runner:
        for _ in range(count):
            await runner.deliver("short")
        clients = [await runner.signed_in(str(n), "SELECT INBOX") for n in range(count)]

        async def work(number: int, client: Client) -> None:
            for place in range(1, count + 1):
                await client.command(f"STORE {place} +FLAGS (k{number})")
            await runner.deliver("second")
            await client.command("NOOP")

        await asyncio.gather(*(work(n, c) for n, c in enumerate(clients)))
        states, recent = [], 0
        for client in clients:
            await client.command("NOOP")
            lines = await client.command("UID FETCH 1:* FLAGS")
            recent += sum(b"\\Recent" in line for line in lines)
            states.append([re.sub(rb"\\Recent ?", b"", line) for line in lines])
        assert all(state == states[0] for state in states)
        assert recent == 2 * count
        keywords = " ".join(f"k{n}" for n in range(count)).encode()
        assert all(keywords in line for line in states[0][:count])


def test_imaplib(tmp_path: Path) -> None:
    """Python's own client, in a thread."""

    def use(port: int) -> None:
        with imaplib.IMAP4("127.0.0.1", port) as imap:
            assert "UIDPLUS" not in imap.capabilities
            imap.login("alice@example.test", "alice")
            imap.enable("NONSENSE") if "ENABLE" in imap.capabilities else None
            assert imap.create("Work")[0] == "OK"
            assert imap.append("Work", r"(\Seen)", None, MESSAGES["mixed"])[0] == "OK"
            assert imap.select("Work") == ("OK", [b"1"])
            kind, data = imap.fetch("1", "(UID RFC822.SIZE BODY.PEEK[])")
            assert kind == "OK" and data[0][1] == MESSAGES["mixed"]  # type: ignore[index]
            assert imap.search("UTF-8", "SUBJECT", "aus") == ("OK", [b"1"])
            assert imap.uid("SEARCH", "BODY", '"hidden treasure"') == ("OK", [b"1"])
            assert imap.sort("(REVERSE DATE)", "UTF-8", "ALL") == ("OK", [b"1"])
            assert imap.thread("REFERENCES", "UTF-8", "ALL") == ("OK", [b"(1)"])
            assert imap.store("1", "+FLAGS", r"(\Flagged \Deleted)")[0] == "OK"
            assert imap.copy("1", "Archive")[0] == "OK"
            assert imap.expunge() == ("OK", [b"1"])
            assert imap.status("Archive", "(MESSAGES UNSEEN)")[1] == [
                b"Archive (MESSAGES 1 UNSEEN 0)"
            ]
            assert len(imap.list()[1]) == 7
            assert imap.close()[0] == "OK"
            assert imap.rename("Work", "Play")[0] == "OK"
            assert imap.delete("Play")[0] == "OK"

    async def main() -> None:
        async with Runner(tmp_path, None, settings()) as runner:
            await asyncio.to_thread(use, runner.port)

    asyncio.run(main())


async def test_refusals_that_pass_are_told_from_a_wrong_password(tmp_path: Path) -> None:
    """RFC 5530 §3."""
    async with Runner(tmp_path, None, settings()) as runner:
        accounts = FakeAccounts({"alice@example.test": "alice"})
        runner.door.sign_in = sign_in(accounts, address_failures=1, never_ban=())
        client = await runner.client("A")
        accounts.away = True
        for command in (b"a LOGIN alice@example.test alice", PLAIN):
            client.writer.write(command + b"\r\n")
            assert (await client.response()).startswith(
                b"a NO [UNAVAILABLE] Cannot check passwords"
            )
        accounts.away = False
        client.writer.write(b"a LOGIN alice@example.test wrong\r\n")
        assert (await client.response()).startswith(b"a NO [AUTHENTICATIONFAILED] ")
        client.writer.write(PLAIN + b"\r\n")
        assert (await client.response()).startswith(b"a NO [LIMIT] Too many failed sign-ins")
        assert (await client.response()).startswith(b"* BYE ")
        assert await client.response() == b""


async def test_cram_md5_takes_no_initial_response(tmp_path: Path) -> None:
    """RFC 9051 §6.2.2: BAD, and it is no failed sign-in."""
    async with Runner(tmp_path, None, settings(sign_ins=1)) as runner:
        runner.door.sign_in = sign_in(FakeAccounts({"alice@example.test": "alice"}, secrets=True))
        client = await runner.client("A")
        for initial in (b"=", b"YWxpY2U="):
            client.send(b"a AUTHENTICATE CRAM-MD5 " + initial + b"\r\n")
            assert await client.response() == b"a BAD CRAM-MD5 takes no initial response"
        client.send(b"b AUTHENTICATE CRAM-MD5\r\n")
        assert (await client.response()).startswith(b"+ ")
        client.send(b"*\r\n")
        assert await client.response() == b"b BAD AUTHENTICATE cancelled"
