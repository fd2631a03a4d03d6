"""Other accounts' mailboxes: who does not share pays nothing, and pays nothing for those who do."""

from pathlib import Path

import pytest
from imap_dialogue import Runner, settings

from mailsuite.imapd.commands import list_
from mailsuite.imapd.session import Session
from mailsuite.store import AccountStore


async def test_accounts_that_share_nothing_are_never_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Runner(tmp_path, None, settings()) as runner:
        for number in range(20):
            await runner.store.account(f"user{number}@example.test")
        alice = await runner.store.account("alice@example.test")
        asked: list[str] = []
        real = AccountStore.mailboxes

        async def mailboxes(account: AccountStore) -> object:
            asked.append(account.address)
            return await real(account)

        monkeypatch.setattr(AccountStore, "mailboxes", mailboxes)
        bob = await runner.client("B")
        await bob.command("LOGIN bob@example.test bob")
        before = await bob.command('LIST "" *')
        assert asked == ["bob@example.test"]
        # Not by those with whom nothing is shared either.
        await runner.store.sharing.change(alice, "INBOX", "user1@example.test", "", "lr")
        assert await bob.command('LIST "" *') == before
        assert set(asked) == {"bob@example.test"}


async def test_an_account_that_is_gone_shares_nothing(tmp_path: Path) -> None:
    async with Runner(tmp_path, None, settings()) as runner:
        alice = await runner.store.account("alice@example.test")
        await runner.store.sharing.change(alice, "INBOX", "anyone", "", "lr")
        bob = await runner.client("B")
        await bob.command("LOGIN bob@example.test bob")
        assert len(await bob.command('LIST "" Other*')) == 3
        runner.directory.remove_user("alice@example.test")
        assert await bob.command('LIST "" Other*') == []
        bob.writer.write(b'x SELECT "Other Users/alice@example.test/INBOX"\r\n')
        assert (await bob.response()).startswith(b"x NO [NONEXISTENT]")


async def test_an_account_made_anew_has_no_rights_of_the_old_one(tmp_path: Path) -> None:
    async with Runner(tmp_path, None, settings()) as runner:
        alice = await runner.signed_in("A", "SETACL INBOX bob@example.test lr")
        bob = await runner.client("B")
        await bob.command("LOGIN bob@example.test bob")
        assert len(await bob.command('LIST "" Other*')) == 3
        runner.directory.remove_user("bob@example.test")
        runner.directory.add_user("bob@example.test", "another")
        new = await runner.client("C")
        await new.command("LOGIN bob@example.test another")
        assert await new.command('LIST "" Other*') == []
        own = b"* ACL INBOX alice@example.test lrswipkxteacd"
        assert await alice.command("GETACL INBOX") == [own]
        await alice.command("SETACL INBOX bob@example.test +l")
        assert await alice.command("GETACL INBOX") == [own + b" bob@example.test l"]
        assert len(await new.command('LIST "" Other*')) == 3


async def test_many_patterns_let_others_have_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The most work that a LIST can ask for is done in slices."""
    async with Runner(tmp_path, None, settings()) as runner:
        client = await runner.signed_in("A")
        for number in range(60):
            await client.command(f"CREATE {'a' * 200}{number}")
        turns: list[int] = []
        real = Session.breathe

        async def breathe(session: Session) -> None:
            turns.append(1)
            await real(session)

        monkeypatch.setattr(Session, "breathe", breathe)
        hostile = " ".join(f"*a*a*a*a*a*x{number}" for number in range(90))
        assert await client.command(f'LIST "" ({hostile})') == []
        compared = 60 * 90 * 200
        assert len(turns) >= compared // (2 * list_.STEPS)
