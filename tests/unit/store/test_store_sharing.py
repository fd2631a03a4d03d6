"""Mailboxes that accounts share: lists, the register of sharers, messages from one to another."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from mailsuite.store import (
    EVERY_FLAG,
    AccountStore,
    Acl,
    LimitReached,
    NewMessage,
    NoSuchMailbox,
    OverQuota,
    Quota,
    Scope,
    Store,
    StoreUnavailable,
    across,
    disk,
    sharing,
)
from mailsuite.store.acl import MAX_ENTRIES, from_octets

ALICE, BOB = "alice@example.test", "bob@example.test"
OCTETS = b"Subject: x\r\n\r\nHello.\r\n"


async def filled(store: Store, count: int = 3) -> AccountStore:
    account = await store.account(ALICE)
    flags = frozenset({r"\Seen", r"\Deleted", "Work"})
    await account.append("INBOX", [NewMessage(OCTETS, flags, 1e9) for _ in range(count)])
    return account


async def flags_in(account: AccountStore, name: str) -> list[frozenset[str]]:
    mailbox = await account.open(name)
    try:
        return [mailbox.flags(uid) for uid in mailbox.uids]
    finally:
        mailbox.release()


def leftovers(root: Path) -> list[str]:
    return [name for account in (ALICE, BOB) for name in os.listdir(folder(root, account) / "tmp")]


def folder(root: Path, account: str) -> Path:
    return root / "mail" / "example.test" / account.partition("@")[0]


# -- lists -----------------------------------------------------------------------------------------


def test_rights_are_given_and_taken() -> None:
    acl = Acl({BOB: "lr", "anyone": "lrs", "authenticated": "i", f"-{BOB}": "r", "-anyone": "s"})
    assert acl.rights_of(BOB) == set("li")
    assert acl.rights_of(ALICE) == set("lri")
    assert Acl().rights_of(BOB) == set()
    later = partial(acl.changed, since=5.0, now=9.5)
    assert later(BOB, "+", "we").entries[BOB] == "lrwe"
    assert later(BOB, "-", "lw").entries[BOB] == "r"
    assert later(BOB, "", "xa").entries[BOB] == "xa"
    assert BOB not in later(BOB, "-", "lr").entries
    assert from_octets(acl.octets()) == acl
    assert from_octets(later(BOB, "+", "we").octets()) == later(BOB, "+", "we")
    assert from_octets(b"bob lr\nnonsense\n\xff lQ\n lr\ncarol \n") == Acl(
        {"bob": "lr", "\ufffd": "l"}
    )


def test_entries_older_than_the_account_do_not_count() -> None:
    """Whoever has the address now is not who was given the rights."""
    change = partial(Acl().changed, since=0.0)
    acl = change(BOB, "", "lrs", now=100.0)
    assert acl.rights_of(BOB, 99.9) == acl.rights_of(BOB, 100.0) == set("lrs")
    assert acl.rights_of(BOB, 100.5) == set()
    added = acl.changed(BOB, "+", "l", since=100.5, now=101.0)
    assert added.rights_of(BOB, 100.5) == set("l")
    assert change("anyone", "", "l", now=100.0).rights_of(BOB, 100.5) == set("l")
    assert change(f"-{BOB}", "", "l", now=1.0).changed(
        "anyone", "", "l", since=0.0, now=2.0
    ).rights_of(BOB, 2.0) == set("l")


async def test_lists_are_kept_beside_the_mail(
    open_store: Callable[[], Awaitable[Store]], maildir: Path
) -> None:
    store = await open_store()
    account = await store.account(ALICE)
    await account.create("Work")
    await store.sharing.change(account, "Work", BOB, "", "lr")
    await store.sharing.change(account, "INBOX", "anyone", "", "l")
    with pytest.raises(NoSuchMailbox):
        await store.sharing.change(account, "Nothing", BOB, "", "lr")
    await account.create("Work/Below")
    await account.rename("Work", "Jobs")
    await store.close()
    for file in maildir.parent.glob("index.db*"):
        file.unlink()
    account = await (await open_store()).account(ALICE)
    lists = await sharing.lists(account)
    assert {name: acl.entries for name, acl in lists.items()} == {
        "INBOX": {"anyone": "l"},
        "Jobs": {BOB: "lr"},
        "Jobs/Below": {BOB: "lr"},
    }
    assert lists["Jobs/Below"].made == lists["Jobs"].made != {}
    await account.delete("Jobs/Below")
    assert set(await sharing.lists(account)) == {"INBOX", "Jobs"}


async def test_a_list_is_bounded(store: Store) -> None:
    account = await store.account(ALICE)
    for number in range(MAX_ENTRIES):
        await store.sharing.change(account, "INBOX", f"u{number}@example.test", "", "l")
    with pytest.raises(LimitReached):
        await store.sharing.change(account, "INBOX", BOB, "", "l")
    assert BOB not in (await sharing.lists(account))["INBOX"].entries


async def test_an_open_mailbox_learns_of_its_new_list(store: Store) -> None:
    account = await store.account(ALICE)
    mailbox = await account.open("INBOX")
    told: list[str] = []
    attachment = mailbox.attach(lambda change: told.append(change.kind), claim_recent=False)
    await store.sharing.change(account, "INBOX", BOB, "", "lr")
    assert told == ["rights"]
    assert mailbox.acl.rights_of(BOB) == set("lr")
    attachment.detach()
    mailbox.release()


# -- the register ----------------------------------------------------------------------------------


async def test_the_register_names_who_shares(store: Store) -> None:
    account = await store.account(ALICE)
    assert await store.sharing.owners([BOB, "anyone"]) == set()
    await store.sharing.change(account, "INBOX", BOB, "", "lr")
    await store.sharing.change(account, "Sent", BOB, "", "lr")
    assert await store.sharing.owners([BOB]) == {ALICE}
    await store.sharing.change(account, "INBOX", BOB, "-", "lr")
    assert await store.sharing.owners([BOB]) == {ALICE}
    await store.sharing.change(account, "Sent", BOB, "", "")
    assert await store.sharing.owners([BOB]) == set()
    # Rights that are only taken away give nothing.
    await store.sharing.change(account, "Sent", f"-{BOB}", "", "lr")
    assert await store.sharing.owners([BOB, f"-{BOB}"]) == set()


@pytest.mark.parametrize("lost", [False, True])
async def test_the_register_is_made_again_from_the_lists(
    open_store: Callable[[], Awaitable[Store]], tmp_path: Path, lost: bool
) -> None:
    store = await open_store()
    odd = "o/d.d%@xn--bcher-kva.test"
    for owner in (ALICE, odd):
        account = await store.account(owner)
        await account.create("Ördner/x")
        await store.sharing.change(account, "Ördner/x", BOB, "", "lr")
    await store.sharing.change(account, "INBOX", "anyone", "", "lr")
    await store.close()
    if lost:
        (tmp_path / "mail" / "mailsuite.sharing").unlink()
    store = await open_store()
    assert await store.sharing.owners([BOB]) == {ALICE, odd}
    assert await store.sharing.owners(["anyone"]) == {odd}
    assert (tmp_path / "mail" / "mailsuite.sharing").exists()


async def test_an_identifier_is_registered_before_it_has_rights(
    open_store: Callable[[], Awaitable[Store]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a crash leaves behind, nobody has rights that the register does not know of."""
    store = await open_store()
    account = await store.account(ALICE)

    def refuse(*_: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr("mailsuite.store.sidecar.write_acl", refuse)
    with pytest.raises(StoreUnavailable):
        await store.sharing.change(account, "INBOX", BOB, "", "lr")
    assert await store.sharing.owners([BOB]) == {ALICE}


# -- messages from one account to another ----------------------------------------------------------


@pytest.mark.parametrize("move", [False, True])
async def test_messages_go_to_another_account(store: Store, tmp_path: Path, move: bool) -> None:
    alice, bob = await filled(store), await store.account(BOB)
    inbox = await alice.open("INBOX")
    within = Scope(seen=True, deleted=False, others=True)
    if move:
        done = await across.move(inbox, [1, 3, 9], bob, "Sent", within, None)
    else:
        done = await across.copy(inbox, [1, 3, 9], bob, "Sent", within)
    assert (done.source_uids, done.target_uids) == ([1, 3], [1, 2])
    assert list(inbox.uids) == ([2] if move else [1, 2, 3])
    assert await flags_in(bob, "Sent") == [{r"\Seen", "Work"}] * 2
    sent = await bob.open("Sent")
    rows = await sent.rows([1, 2], columns=["internal_date", "size", "length"])
    assert rows == [(uid, 1e9, len(OCTETS), b"%d" % len(OCTETS)) for uid in (1, 2)]
    assert await sent.read([1]) == [(1, OCTETS)]
    # The copy is a message of its own: what becomes of the other does not matter to it.
    await inbox.expunge(None, only_deleted=False)
    assert await sent.read([2]) == [(2, OCTETS)]
    assert leftovers(tmp_path) == []
    sent.release()
    inbox.release()


@pytest.mark.parametrize("move", [False, True])
async def test_all_or_none(store: Store, tmp_path: Path, move: bool) -> None:
    alice, bob = await filled(store), await store.account(BOB)
    bob.files.limits = lambda: Quota(messages=2)
    inbox = await alice.open("INBOX")

    async def attempt(name: str) -> None:
        if move:
            await across.move(inbox, [1, 2, 3], bob, name, EVERY_FLAG, None)
        else:
            await across.copy(inbox, [1, 2, 3], bob, name, EVERY_FLAG)

    with pytest.raises(OverQuota):
        await attempt("Sent")
    with pytest.raises(NoSuchMailbox):
        await attempt("Nothing")
    assert await flags_in(bob, "Sent") == []
    assert list(inbox.uids) == [1, 2, 3]
    assert leftovers(tmp_path) == []
    inbox.release()


async def test_a_move_that_cannot_take_the_originals_leaves_no_copies(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await filled(store), await store.account(BOB)
    inbox = await alice.open("INBOX")
    real = disk.rename
    own = str(folder(tmp_path, ALICE))

    def rename(old: str, new: str, *folders: int) -> None:
        if old.startswith(own):
            raise OSError(5, "input/output error")
        real(old, new, *folders)

    monkeypatch.setattr(disk, "rename", rename)
    with pytest.raises(StoreUnavailable):
        await across.move(inbox, [1, 2], bob, "Sent", EVERY_FLAG, None)
    assert await flags_in(bob, "Sent") == []
    assert list(inbox.uids) == [1, 2, 3]
    assert leftovers(tmp_path) == []
    inbox.release()


async def test_a_file_system_that_cannot_link(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await filled(store), await store.account(BOB)
    inbox = await alice.open("INBOX")

    def link(*_: object, **__: object) -> None:
        raise OSError(18, "cross-device link")

    monkeypatch.setattr(os, "link", link)
    await across.copy(inbox, [2], bob, "Sent", EVERY_FLAG)
    sent = await bob.open("Sent")
    assert await sent.read([1]) == [(1, OCTETS)]
    assert (await sent.rows([1], columns=["internal_date"])) == [(1, 1e9)]
    sent.release()
    inbox.release()
