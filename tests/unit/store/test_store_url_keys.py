"""Mailbox access keys: made once, kept beside the mail, gone when they are reset."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from mailsuite.store import Store, url_keys


async def test_keys(open_store: Callable[[], Awaitable[Store]], maildir: Path) -> None:
    store = await open_store()
    account = await store.account("alice@example.test")
    assert await url_keys.get(account, "Fa") is None
    one, other = await url_keys.make(account, "Fa"), await url_keys.make(account, "Fb")
    assert len(one) == 32
    assert one != other
    assert await url_keys.make(account, "Fa") == one
    assert (maildir / url_keys.KEYS_FILE).stat().st_mode & 0o077 == 0
    await store.close()

    (maildir.parent / "index.db").unlink()
    account = await (await open_store()).account("alice@example.test")
    assert await url_keys.get(account, "Fa") == one
    await url_keys.reset(account, "Fa")
    assert await url_keys.get(account, "Fa") is None
    assert await url_keys.get(account, "Fb") == other
    assert await url_keys.make(account, "Fa") != one
    await url_keys.reset(account, None)
    assert not (maildir / url_keys.KEYS_FILE).exists()
    await url_keys.reset(account, None)


async def test_nonsense_is_passed_over(store: Store, maildir: Path) -> None:
    account = await store.account("alice@example.test")
    key = bytes(range(32))
    (maildir / url_keys.KEYS_FILE).write_text(f"\nFa\nFb xyz\nFc 00\nFd {key.hex()}\n\xff\n")
    assert url_keys.read(maildir) == {"Fd": key}
    assert await url_keys.get(account, "Fd") == key
