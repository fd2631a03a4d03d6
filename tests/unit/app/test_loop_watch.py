"""The watch over blocked loops sees what it is there for."""

import asyncio
from pathlib import Path

from loop_watch import watched

from mailsuite.store import disk, journal


async def test_files_touched_on_the_loop_are_told_with_their_place(tmp_path: Path) -> None:
    journal.append(tmp_path, [(1, ["word"])], sync=False)
    with watched() as seen:
        await asyncio.to_thread(journal.read, tmp_path)
        (tmp_path / "tests-own").write_bytes(b"")
        journal.read(tmp_path)
        assert seen == []
        loop = asyncio.get_running_loop()
        loop.call_soon(journal.read, tmp_path)
        loop.call_soon(disk.list_messages, str(tmp_path))
        await asyncio.sleep(0)
    assert [told.split()[0] for told in seen] == ["open", "os.listdir"]
    assert all("in store/" in told for told in seen)
