"""Imports side by side: who waits for whom."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mailsuite.accounts import Directory
from mailsuite.app import transfers
from mailsuite.app.transfers import Transfers
from mailsuite.base.clock import SystemClock
from mailsuite.base.errors import UserError
from mailsuite.base.tasks import Threads
from mailsuite.store import Facets, Store

USERS = [f"{name}@example.test" for name in ("ann", "ben")]


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Transfers]:
    directory = Directory(folder / "accounts.db")
    directory.add_domain("example.test")
    for user in USERS:
        directory.add_user(user, "correct horse")
    threads = Threads("store-test", 2)
    facets = Facets(("length",), 1, lambda octets: (b"%d" % len(octets),))
    store = Store(folder / "mail", facets=facets, threads=threads, clock=SystemClock())
    made = Transfers(store, directory, folder)
    try:
        yield made
    finally:
        await made.close()
        await store.close()
        threads.close()
        directory.close()


def request(folder: Path, account: str) -> dict[str, Any]:
    return {
        "account": account,
        "kind": "export maildir",
        "paths": [str(folder / f"of-{account}")],
        "choice": {},
    }


async def test_only_ones_own_import_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that takes long to end holds up the next one of its account, and nobody else's."""
    begun, may_end = asyncio.Event(), asyncio.Event()
    real = transfers.MaildirExport.run

    async def slow(self: transfers.MaildirExport) -> None:
        monkeypatch.setattr(transfers.MaildirExport, "run", real)
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await may_end.wait()

    monkeypatch.setattr(transfers.MaildirExport, "run", slow)
    async with opened(tmp_path) as jobs:
        ann, ben = USERS
        first = await jobs.start(request(tmp_path, ann))
        await begun.wait()
        with pytest.raises(UserError, match="running already"):
            await jobs.start(request(tmp_path, ann))
        jobs.leave(first)
        other = await jobs.start(request(tmp_path, ben))
        assert await jobs.ended(other, 20) and jobs.look(other)["state"] == "done"
        again = asyncio.ensure_future(jobs.start(request(tmp_path, ann)))
        assert not await jobs.ended(first, 0.05) and not again.done()
        may_end.set()
        number = await again
        assert jobs.look(first)["state"] == "stopped"
        assert await jobs.ended(number, 20) and jobs.look(number)["state"] == "done"


async def test_one_that_is_left_at_once_is_in_nobodys_way(tmp_path: Path) -> None:
    """Its command may have gone while it waited for an earlier one: it never takes a step."""
    async with opened(tmp_path) as jobs:
        first = await jobs.start(request(tmp_path, USERS[0]))
        jobs.leave(first)
        again = await jobs.start(request(tmp_path, USERS[0]))
        assert jobs.look(first)["state"] == "stopped"
        assert await jobs.ended(again, 20) and jobs.look(again)["state"] == "done"
