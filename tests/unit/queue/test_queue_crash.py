"""Promise 1: what was accepted is delivered exactly once, however the process ends."""

import asyncio
import os
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

import mailsuite
from mailsuite.base.clock import SystemClock
from mailsuite.base.tasks import Threads
from mailsuite.store import Facets, Store

CHILD = str(Path(__file__).with_name("queue_crash_child.py"))
PACKAGE = str(Path(mailsuite.__file__).parent.parent)
ALICE, BOB = "alice@example.test", "bob@example.test"
GOALS = ((ALICE,), (ALICE, BOB), (ALICE, BOB), (BOB,))


async def run(root: Path, first: int, count: int, *, kill_after: int | None = None) -> list[str]:
    """Lines that the child printed; it is killed after `kill_after` of them."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, CHILD, str(root), str(first), str(count)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": PACKAGE},
    )
    assert child.stdout is not None
    lines = []
    async for line in child.stdout:
        # A last line may be cut by the kill.
        if line.endswith(b"\n"):
            lines.append(line.decode().strip())
            if len(lines) == kill_after:
                child.kill()
    await child.wait()
    return lines


async def delivered(root: Path, account: str) -> Counter[int]:
    threads = Threads("look", 2)
    facets = Facets(("length",), 1, lambda octets: (b"%d" % len(octets),))
    store = Store(root / "mail", facets=facets, threads=threads, clock=SystemClock())
    mailbox = await (await store.account(account)).open("INBOX")
    rows = await mailbox.rows(list(mailbox.uids), columns=["header"])
    mailbox.release()
    await store.close()
    threads.close()
    found: Counter[int] = Counter()
    for _, header in rows:
        number = re.search(rb"Subject: (\d+)", header)
        assert number is not None
        found[int(number[1])] += 1
    return found


@pytest.mark.parametrize("kill_after", [1, 60, 173])
async def test_killed_at_any_moment(tmp_path: Path, kill_after: int) -> None:
    accepted: set[int] = set()
    for first in (0, 400):  # twice, so that what the first run left is cut off once more
        lines = await run(tmp_path, first, 400, kill_after=kill_after)
        accepted |= {int(line.split()[1]) for line in lines if line != "empty"}
    assert len(accepted) >= 2 * min(kill_after, 400)
    assert await run(tmp_path, 0, 0) == ["empty"]
    assert not list((tmp_path / "queue" / "spool").iterdir())
    for account in (ALICE, BOB):
        found = await delivered(tmp_path, account)
        wanted = {number for number in accepted if account in GOALS[number % 4]}
        assert wanted <= found.keys(), "accepted and lost"
        assert {number: times for number, times in found.items() if times != 1} == {}
        # What was committed when the process died, its id not yet told, is there too.
        assert len(found.keys() - wanted) <= 2 * 10
