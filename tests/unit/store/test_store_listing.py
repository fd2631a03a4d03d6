"""Many mailboxes: what has not changed is not looked at again, and what others did is seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailsuite.store import NewMessage, Store, listing, tree
from mailsuite.store.files import AccountFiles

ALICE = "alice@example.test"
MANY = 300


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Each listing of a Maildir."""
    done: list[Path] = []
    real = listing._scan

    def scan(maildir: Path) -> dict[str, str]:
        done.append(maildir)
        return real(maildir)

    monkeypatch.setattr(listing, "_scan", scan)
    monkeypatch.setattr(listing.Listing, "_may_be_old", lambda _: False)
    return done


async def test_making_many_lists_the_folder_once(store: Store, scans: list[Path]) -> None:
    account = await store.account(ALICE)
    for number in range(MANY):
        await account.create(f"Level {number % 7}/Box {number}")
    assert len(scans) <= 3
    names = [each.name for each in await account.mailboxes()]
    assert len(names) == MANY + 7 + 6
    assert len(scans) <= 3
    account.files.tree.forget()
    assert [each.name for each in await account.mailboxes()] == names


async def test_the_list_is_made_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await store.account(ALICE)
    made: list[int] = []
    real = tree._mailboxes

    def make(*arguments: object) -> object:
        made.append(1)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(tree, "_mailboxes", make)
    before = await account.mailboxes()
    assert await account.mailboxes() == before
    assert len(made) == 1
    for change in (
        account.create("New/Box"),
        account.subscribe("New/Box"),
        account.rename("New", "Old"),
        account.set_special_use("Old/Box", r"\Sent"),
        account.delete("Old/Box"),
        account.unsubscribe("New/Box"),
    ):
        await change
        after = await account.mailboxes()
        assert after != before
        before = after


async def test_what_other_programs_do_is_seen(store: Store, maildir: Path) -> None:
    account = await store.account(ALICE)
    for number in range(5):
        await account.create(f"Box {number}")
        await account.mailboxes()
        (maildir / f".Foreign {number}" / "cur").mkdir(parents=True)
        (maildir / ".Box 0").rename(maildir / ".Moved")
        names = {each.name for each in await account.mailboxes() if each.exists}
        assert {f"Foreign {number}", "Moved"} <= names
        assert "Box 0" not in names
        assert (await account.status(f"Foreign {number}")).messages == 0
        (maildir / ".Moved").rename(maildir / ".Box 0")


async def test_counts_of_many_open_none_of_them(
    open_store: Callable[[], Awaitable[Store]], maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store()
    account = await store.account(ALICE)
    names = [f"Box {number}" for number in range(20)]
    for number, name in enumerate(names):
        await account.create(name)
        await account.append(
            name, [NewMessage(b"x\r\n", frozenset({r"\Deleted"}))] * number + [NewMessage(b"y\r\n")]
        )
    for file in [*maildir.rglob("new"), *maildir.rglob("cur")]:
        assert file.stat()
    before = await account.statuses(names)
    await store.close()

    # What a merge long after the last change has found is sure to be so.
    monkeypatch.setattr("mailsuite.store.merge._is_racy", lambda *_: False)
    store = await open_store()
    account = await store.account(ALICE)
    assert await account.statuses(names) == before
    await store.close()

    opened: list[str] = []
    real = AccountFiles.open_folder

    def open_folder(files: AccountFiles, name: str) -> object:
        opened.append(name)
        return real(files, name)

    monkeypatch.setattr(AccountFiles, "open_folder", open_folder)
    account = await (await open_store()).account(ALICE)
    assert await account.statuses([*names, "Nothing"]) == before
    assert await account.statuses(names) == before
    assert opened == []
    # A message that came by another way, and one that is no longer there.
    (maildir / ".Box 3" / "new" / "1.strange").write_bytes(b"z\r\n")
    next(iter((maildir / ".Box 5" / "new").iterdir())).unlink()
    after = await account.statuses(names)
    assert (after["Box 3"].messages, after["Box 5"].messages) == (5, 5)
    assert sorted(opened) == [".Box 3", ".Box 5"]


async def test_uidvalidities_are_never_given_twice(
    open_store: Callable[[], Awaitable[Store]],
) -> None:
    given: list[int] = []
    for round_ in range(3):
        store = await open_store()
        account = await store.account(ALICE)
        for _ in range(250):
            await account.create("Box")
            given.append((await account.status("Box")).uidvalidity)
            await account.delete("Box")
            if round_ == 1 and len(given) % 100 == 0:
                account.files._validities = (0, 0)  # as after a crash
        await store.close()
    assert given == sorted(set(given))
