"""NOTIFY: what a dialogue can't show."""

from pathlib import Path

import pytest
from imap_dialogue import Runner, settings

from mailsuite.imapd import Imapd, watch
from mailsuite.net import ConnectionLimits, Listener, bind
from mailsuite.store import AccountStore, StoreUnavailable


async def test_too_much_to_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the client is told so, and of nothing more until it asks again."""
    monkeypatch.setattr(watch, "MAX_PENDING", 3)
    async with Runner(tmp_path, None, settings()) as runner:
        # A literal under way keeps the news waiting.
        client = await runner.signed_in("A", "NOTIFY SET (personal (MailboxName))")
        client.writer.write(b"a APPEND INBOX {26}\r\n")
        assert await client.response() == b"+ OK"
        other = await runner.signed_in("B")
        for number in range(5):
            await other.command(f"CREATE box{number}")
        client.writer.write(b"Subject: short\r\n\r\nHello.\r\n\r\n")
        assert (await client.response()).startswith(b"* OK [NOTIFICATIONOVERFLOW]")
        assert (await client.response()).startswith(b"a OK")
        await other.command("CREATE more")
        assert await client.command("NOOP") == []
        await client.command("NOTIFY SET (personal (MailboxName))")
        await other.command("CREATE again")
        assert await client.response() == b'* LIST (\\HasNoChildren) "/" again'


async def test_a_store_that_cannot_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Runner(tmp_path, None, settings()) as runner:
        client = await runner.signed_in("A", "NOTIFY SET (personal (MessageNew MessageExpunge))")

        async def refuse(*_: object) -> None:
            raise StoreUnavailable("no disk")

        monkeypatch.setattr(AccountStore, "statuses", refuse)
        await runner.deliver("short")
        overflow = [line for _ in range(3) for line in await client.command("NOOP")]
        assert [line[:27] for line in overflow] == [b"* OK [NOTIFICATIONOVERFLOW]"]


async def test_nothing_is_kept_of_a_session_that_has_gone(tmp_path: Path) -> None:
    async with Runner(tmp_path, None, settings()) as runner:
        client = await runner.signed_in("A", "NOTIFY SET (personal (MailboxName))")
        account = await runner.store.account("alice@example.test")
        assert account.feed.watched
        await client.command("NOTIFY NONE")
        assert not account.feed.watched
        await client.command("NOTIFY SET (personal (MailboxName))")
        assert account.feed.watched
        client.writer.close()
        await runner.settled()
        assert not account.feed.watched


async def test_autologout_and_shutdown_while_watching(tmp_path: Path) -> None:
    async with Runner(tmp_path, None, settings(idle_timeout=0.1)) as runner:
        client = await runner.signed_in("A", "NOTIFY SET (personal (MailboxName))")
        assert await client.response() == b"* BYE Autologout; idle for too long"
    async with Runner(tmp_path, None, settings()) as runner:
        client = await runner.signed_in("A", "NOTIFY SET (personal (MailboxName))")
        await runner.listener.stop()
        assert await client.response() == b"* BYE Server shutting down"


async def test_news_reach_sessions_of_other_doors(tmp_path: Path) -> None:
    """STARTTLS and TLS from the first octet are doors of their own, with sessions in common."""
    async with Runner(tmp_path, None, settings()) as runner:
        other = Imapd(
            settings(),
            runner.door.sign_in,
            runner.directory,
            runner.store,
            runner.threads,
            beside=runner.door,
        )
        told = await runner.signed_in("A", "ENABLE METADATA", "SELECT INBOX")
        listener = Listener("imaps", other.session, ConnectionLimits(10, 10))
        sock = bind("127.0.0.1", 0)
        runner.port = sock.getsockname()[1]
        await listener.start(sock)
        try:
            telling = await runner.signed_in("B")
            await telling.command('SETMETADATA INBOX (/shared/comment "one")')
            assert await told.command("NOOP") == [b"* METADATA INBOX /shared/comment"]
        finally:
            await listener.stop()
