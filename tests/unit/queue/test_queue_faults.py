"""The disk refuses: typed errors, nothing half-kept, and nothing lost that was accepted."""

import asyncio
import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import apsw
import pytest
from queue_support import (
    MESSAGE,
    ScriptedCourier,
    deferred,
    envelope,
    running,
    sent,
    spool_names,
    until,
    until_empty,
)

from mailsuite.base import durable
from mailsuite.mail import FollowUp, Job, Outcome, Sent
from mailsuite.queue import NoSpace, QueueUnavailable, Settings, errors
from mailsuite.queue import spool as spool_module
from mailsuite.queue.changes import Change
from mailsuite.queue.records import Records
from mailsuite.queue.spool import Spool


def refusing(code: int) -> "OSError":
    return OSError(code, os.strerror(code))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusing(errno.ENOSPC), NoSpace),
        (refusing(errno.EDQUOT), NoSpace),
        (refusing(errno.EIO), QueueUnavailable),
        (apsw.FullError("full"), NoSpace),
        (apsw.IOError("i/o"), QueueUnavailable),
        (QueueUnavailable("as it is"), QueueUnavailable),
    ],
)
def test_errors_are_sorted(error: Exception, kind: type[Exception]) -> None:
    assert type(errors.typed(error)) is kind


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("write", 1),
        ("write", 100),
        ("sync_all", 1),
        ("sync_all", 5),
        ("apply", 1),
        ("apply", 5),
    ],
)
async def test_small_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, count: int
) -> None:
    async with running(tmp_path) as queue:

        def fail(*given: object) -> None:
            raise refusing(errno.ENOSPC)

        def unsynced(fds: Sequence[int]) -> list[OSError]:
            return [refusing(errno.ENOSPC) for _ in fds]

        with monkeypatch.context() as broken:
            if where == "sync_all":
                broken.setattr(durable, where, unsynced)
            else:
                broken.setattr(Records if where == "apply" else Spool, where, fail)
            found = await asyncio.gather(
                *(queue.submit(envelope(), MESSAGE) for _ in range(count)), return_exceptions=True
            )
            assert [type(each) for each in found] == [NoSpace] * count
        await until_empty(queue)
        assert spool_names(tmp_path) == set() and (await queue.counts()).messages == 0
        await queue.submit(envelope(), MESSAGE)
        await until_empty(queue)


async def test_one_failure_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Spool.write

    def fail(self: Spool, id: str, chunks: Iterable[bytes]) -> int:
        octets = b"".join(chunks)
        if b"bad" in octets:
            raise refusing(errno.EIO)
        return written(self, id, (octets,))

    monkeypatch.setattr(Spool, "write", fail)
    async with running(tmp_path) as queue:
        found = await asyncio.gather(
            *(queue.submit(envelope(), each) for each in (b"1", b"bad", b"2")),
            return_exceptions=True,
        )
        assert [isinstance(each, QueueUnavailable) for each in found] == [False, True, False]
        await until_empty(queue)


async def test_a_bad_row_is_its_own(tmp_path: Path) -> None:
    async with running(tmp_path, ScriptedCourier(deferred)) as queue:
        first, twin, other = queue.receive(), queue.receive(), queue.receive()
        await first.commit(envelope())
        twin.id = first.id
        (tmp_path / "spool" / first.id).rename(tmp_path / "spool" / "aside")
        found = await asyncio.gather(
            *(each.commit(envelope()) for each in (twin, other)), return_exceptions=True
        )
        assert isinstance(found[0], QueueUnavailable) and found[1] is None
        (tmp_path / "spool" / "aside").rename(tmp_path / "spool" / first.id)
        assert {entry.id for entry in await queue.list()} == {first.id, other.id}
        assert spool_names(tmp_path) == {first.id, other.id}


async def test_a_taken_name_is_left_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as queue:
        incoming = queue.receive()
        (tmp_path / "spool" / incoming.id).write_bytes(b"another's")
        with pytest.raises(QueueUnavailable):
            await incoming.commit(envelope())
        assert (tmp_path / "spool" / incoming.id).read_bytes() == b"another's"


@pytest.mark.parametrize("when", ["first", "later", "finish"])
async def test_large_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    async with running(tmp_path, settings=Settings(memory=100)) as queue:

        def fail(*given: object) -> None:
            raise refusing(errno.ENOSPC)

        incoming = queue.receive()
        if when != "first":
            await incoming.write(b"x" * 200)
            assert spool_names(tmp_path) == {incoming.id}
        with monkeypatch.context() as broken:
            if when == "finish":
                broken.setattr(os, "fsync", fail)
                with pytest.raises(NoSpace):
                    await incoming.commit(envelope())
            else:
                broken.setattr("mailsuite.queue.incoming.write_all", fail)
                with pytest.raises(NoSpace):
                    await incoming.write(b"x" * 200)
        with pytest.raises(QueueUnavailable):
            await incoming.commit(envelope())
        await incoming.discard()
        assert spool_names(tmp_path) == set() and (await queue.counts()).messages == 0


async def test_outcomes_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = envelope("first@x")

    def answer(job: Job) -> list[Outcome]:
        if job.envelope == first:
            return [Sent("2.0.0", "ok", (FollowUp(envelope("b@x"), body=MESSAGE),))]
        return sent(job)

    courier = ScriptedCourier(answer)
    async with running(tmp_path, courier, settings=Settings(commit_retry=0.02)) as queue:
        fails = 0
        applied = Records.apply

        def fail(self: Records, changes: Iterable[Change]) -> list[str]:
            nonlocal fails
            wanted = list(changes)
            if courier.jobs and fails < 3:
                fails += 1
                raise apsw.FullError("full")
            return applied(self, wanted)

        monkeypatch.setattr(Records, "apply", fail)
        await queue.submit(first, MESSAGE)
        await until(lambda: len(courier.jobs) == 2)
        await until_empty(queue)
    assert fails == 3 and [job.attempt for job in courier.jobs] == [1, 1]


async def test_an_outcome_never_recorded_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    courier = ScriptedCourier()
    with monkeypatch.context() as broken:
        async with running(tmp_path, courier, grace=0.2) as queue:
            id = await queue.submit(envelope(), MESSAGE)

            def fail(*given: object) -> list[str]:
                raise apsw.IOError("i/o")

            broken.setattr(Records, "apply", fail)
            second = queue.submit(envelope(), MESSAGE)
            with pytest.raises(QueueUnavailable):
                await second
            await until(lambda: len(courier.jobs) == 1)
    # Whether the first outcome was recorded before the disk failed is a matter of chance.
    async with running(tmp_path, courier) as queue:
        await until_empty(queue)
    assert {job.id for job in courier.jobs} == {id}
    assert all(job.repeat for job in courier.jobs[1:])


async def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(*given: object) -> None:
        raise refusing(errno.EPERM)

    first = envelope("first@x")

    def answer(job: Job) -> list[Outcome]:
        if job.envelope == first:
            return [Sent("2.0.0", "ok", (FollowUp(envelope("b@x")),))]
        return sent(job)

    monkeypatch.setattr(spool_module.os, "link", no_link)
    courier = ScriptedCourier(answer)
    async with running(tmp_path, courier) as queue:
        await queue.submit(first, MESSAGE)
        await until_empty(queue)
        await until(lambda: len(courier.jobs) == 2)
    assert courier.octets[1][courier.jobs[1].message.offset :] == MESSAGE


async def test_a_caller_that_has_gone_changes_nothing(tmp_path: Path) -> None:
    courier = ScriptedCourier()
    async with running(tmp_path, courier) as queue:
        task = asyncio.create_task(queue.submit(envelope(), MESSAGE))
        await until(lambda: bool(spool_names(tmp_path) or courier.jobs))
        task.cancel()
        await asyncio.wait([task])
        await until(lambda: len(courier.jobs) == 1)
        await until_empty(queue)


async def test_a_caller_that_goes_while_writing_leaves_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, settings=Settings(memory=10)) as queue:
        incoming = queue.receive()
        task = asyncio.create_task(incoming.write(b"x" * 100_000))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await incoming.discard()
        assert spool_names(tmp_path) == set()
