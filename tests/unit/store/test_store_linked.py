"""Files of the queue become messages by a second name, without a copy."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mailsuite.store import NewMessage, Store, StoreUnavailable

MESSAGE = b"From: a@example.test\r\nSubject: linked\r\n\r\nhello\r\n"
SPOOLED = 1_700_000_000.25


@pytest.fixture
def spooled(tmp_path: Path) -> Callable[[str], NewMessage]:
    """A durable file as the queue has it."""

    def make(name: str) -> NewMessage:
        path = tmp_path / name
        path.write_bytes(MESSAGE)
        os.utime(path, (SPOOLED, SPOOLED))
        return NewMessage(path, delivery_id=f"{name}.0", exact=True)

    return make


def leftovers(maildir: Path) -> list[Path]:
    return list((maildir.parent / "tmp").iterdir())


async def test_a_spooled_message_is_the_same_file(
    store: Store, maildir: Path, spooled: Callable[[str], NewMessage]
) -> None:
    account = await store.account("alice@example.test")
    new = spooled("one")
    appended = await account.append("INBOX", [new])
    (found,) = (maildir / "new").iterdir()
    assert found.samefile(str(new.source))
    mailbox = await account.open("INBOX")
    assert await mailbox.read(appended.uids) == [(appended.uids[0], MESSAGE)]
    assert await mailbox.rows(appended.uids, columns=["size", "internal_date"]) == [
        (appended.uids[0], len(MESSAGE), SPOOLED)
    ]
    mailbox.release()


async def test_a_repeat_adds_nothing_and_leaves_the_spool_alone(
    store: Store, maildir: Path, spooled: Callable[[str], NewMessage]
) -> None:
    account = await store.account("alice@example.test")
    new = spooled("one")
    first = await account.append("INBOX", [new])
    again = NewMessage(new.source, delivery_id=new.delivery_id, exact=True, repeat=True)
    assert await account.append("INBOX", [again]) == first
    assert len(list((maildir / "new").iterdir())) == 1
    assert Path(str(new.source)).exists()


async def test_a_file_that_is_gone_fails_alone(
    store: Store, maildir: Path, spooled: Callable[[str], NewMessage]
) -> None:
    account = await store.account("alice@example.test")
    new, gone = spooled("one"), spooled("two")
    Path(str(gone.source)).unlink()
    with pytest.raises(StoreUnavailable):
        await account.append("INBOX", [new, gone])
    assert list((maildir / "new").iterdir()) == []
    assert Path(str(new.source)).exists()
    assert (await account.status("INBOX")).messages == 0
    assert len((await account.append("INBOX", [new])).uids) == 1


async def test_where_nothing_can_be_linked_it_is_copied(
    store: Store,
    maildir: Path,
    spooled: Callable[[str], NewMessage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def link(*_: object, **__: object) -> None:
        raise OSError(18, "cross-device link")

    account = await store.account("alice@example.test")
    monkeypatch.setattr(os, "link", link)
    uids = [(await account.append("INBOX", [spooled(name)])).uids[0] for name in ("one", "two")]
    mailbox = await account.open("INBOX")
    assert [octets for _, octets in await mailbox.read(uids)] == [MESSAGE, MESSAGE]
    (date,) = {row[1] for row in await mailbox.rows(uids[:1], columns=["internal_date"])}
    assert date == SPOOLED
    mailbox.release()
    assert leftovers(maildir) == []
