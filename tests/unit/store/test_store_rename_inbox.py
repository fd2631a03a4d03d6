"""RENAME INBOX leaves no second name of its messages' files behind."""

import asyncio
from pathlib import Path

from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.store import Facets, NewMessage, Store


async def test_files_are_let_go_when_nobody_looks_at_inbox(tmp_path: Path) -> None:
    threads = Threads("test", 2)
    store = Store(
        tmp_path,
        facets=Facets((), 1, lambda data: ()),
        threads=threads,
        clock=SystemClock(),
    )
    account = await store.account("alice@example.test")
    await account.append("INBOX", [NewMessage(b"Subject: x\r\n\r\n%d\r\n" % n) for n in range(5)])
    await account.rename("INBOX", "Old")
    assert (await account.status("Old")).messages == 5
    left = list((tmp_path / "example.test" / "alice" / "tmp").iterdir())
    for _ in range(200):
        left = list((tmp_path / "example.test" / "alice" / "tmp").iterdir())
        if not left:
            break
        await asyncio.sleep(0.01)
    await store.close()
    threads.close()
    assert left == []
