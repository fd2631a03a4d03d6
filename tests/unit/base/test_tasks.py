"""Commit points outlive their caller; background tasks are accounted for."""

import asyncio

import pytest

from mailsuite.base.tasks import Tasks, Threads, committed


async def test_committed_runs_to_its_end_when_the_caller_is_cancelled() -> None:
    done = asyncio.Event()

    async def commit() -> None:
        await asyncio.sleep(0.02)
        done.set()

    caller = asyncio.create_task(committed(commit()))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.sleep(0)
    caller.cancel()  # a second one changes nothing
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert done.is_set()


async def test_committed_hands_on_result_and_error() -> None:
    async def give() -> int:
        return 7

    async def fail() -> int:
        raise ValueError("no")

    assert await committed(give()) == 7
    with pytest.raises(ValueError, match="no"):
        await committed(fail())


async def test_tasks_end_with_their_owner() -> None:
    tasks = Tasks("t")
    task = tasks.start(asyncio.sleep(60), "sleeper")
    assert len(tasks) == 1
    assert not await tasks.wait(timeout=0.01)
    await tasks.cancel()
    assert task.cancelled()
    assert len(tasks) == 0
    assert await tasks.wait()


async def test_a_failed_task_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    async def fail() -> None:
        raise ValueError("broken part")

    tasks = Tasks("t")
    tasks.start(fail(), "failing")
    await tasks.wait()
    await asyncio.sleep(0)
    assert "broken part" in capsys.readouterr().out


async def test_threads_run_calls_with_arguments() -> None:
    threads = Threads("t", 1)
    try:
        assert await threads.run(int, "ff", base=16) == 255
    finally:
        threads.close()
