"""Octets that are changed between their arrival and the commit."""

import mmap
from collections.abc import Iterable
from pathlib import Path

import pytest
from queue_support import ScriptedCourier, envelope, prefix, running, spool_names, until_empty

from mailsuite.queue import QueueUnavailable, Settings

LINE = b"a line of the message\r\n"


def doubled(data: bytes | mmap.mmap) -> Iterable[bytes]:
    whole = data[:]
    head = whole.index(LINE)  # what stands before the message
    return (whole[:head], whole[head:], whole[head:])


@pytest.mark.parametrize("count", [3, 40_000])
async def test_other_octets_take_the_place(tmp_path: Path, count: int) -> None:
    courier = ScriptedCourier()
    async with running(tmp_path, courier, settings=Settings(memory=1 << 16)) as queue:
        given = envelope()
        incoming = queue.receive(given)
        for _ in range(count):
            await incoming.write(LINE)
        await incoming.rewrite(lambda data: None)
        await incoming.rewrite(doubled)
        assert incoming.size == 2 * count * len(LINE)
        await incoming.write(b"end\r\n")
        await incoming.commit(given)
        await until_empty(queue)
    assert courier.octets == [prefix(given) + LINE * 2 * count + b"end\r\n"]
    assert courier.jobs[0].message.size == 2 * count * len(LINE) + 5


async def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, settings=Settings(memory=1 << 10)) as queue:
        incoming = queue.receive(envelope())
        await incoming.write(LINE * 100)

        def fails(data: bytes | mmap.mmap) -> Iterable[bytes]:
            yield data[:10]
            raise OSError(28, "No space left on device")

        with pytest.raises(QueueUnavailable):
            await incoming.rewrite(fails)
        await incoming.discard()
        assert not spool_names(tmp_path)
