"""Commit points outlive their caller; background tasks are accounted for."""

import asyncio
import threading

import pytest

from mailsuite.base.tasks import Tasks, Threads, all_of, committed


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


async def test_threads_give_back_what_a_call_raises() -> None:
    def fail() -> None:
        raise ValueError("broken part")

    def stop() -> None:
        raise StopIteration

    threads = Threads("t", 1)
    try:
        with pytest.raises(ValueError, match="broken part"):
            await threads.run(fail)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await threads.run(stop)
        assert await threads.run(len, "abc") == 3
    finally:
        threads.close()


async def test_threads_work_at_the_same_time_and_no_more_than_allowed() -> None:
    gate = threading.Barrier(3)
    running: list[int] = []

    def call(number: int) -> str:
        if number < 3:
            gate.wait(20)
        running.append(number)
        return threading.current_thread().name

    threads = Threads("t", 3)
    try:
        names = await asyncio.gather(*(threads.run(call, number) for number in range(50)))
    finally:
        threads.close()
    assert sorted(running) == list(range(50))
    assert set(names) <= {"t_0", "t_1", "t_2"}
    assert len(set(names[:3])) == 3


async def test_a_call_that_has_not_begun_is_dropped_with_its_caller() -> None:
    gate = threading.Event()
    done: list[int] = []
    threads = Threads("t", 1)
    try:
        first = asyncio.create_task(threads.run(gate.wait, 20))
        second = asyncio.create_task(threads.run(done.append, 2))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        gate.set()
        assert await first
        await threads.run(done.append, 3)
    finally:
        threads.close()
    assert done == [3]


async def test_closed_threads_have_ended_their_calls_and_take_none() -> None:
    done: list[int] = []
    threads = Threads("t", 1)
    calls = [asyncio.create_task(threads.run(done.append, number)) for number in range(5)]
    await asyncio.sleep(0)
    threads.close()
    assert done == list(range(5))
    await asyncio.gather(*calls)
    with pytest.raises(RuntimeError, match="closed"):
        await threads.run(len, "")


def test_threads_serve_one_event_loop_after_another() -> None:
    threads = Threads("t", 1)
    try:
        assert asyncio.run(threads.run(len, "ab")) == 2
        assert asyncio.run(threads.run(len, "abc")) == 3
    finally:
        threads.close()


async def test_all_of_ends_when_all_have_also_when_it_is_cancelled() -> None:
    release, ended = asyncio.Event(), []

    async def commit() -> None:
        await release.wait()
        ended.append(True)

    async def at_once() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(all_of(at_once(), committed(commit())))
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


async def test_all_of_gives_results_in_order() -> None:
    async def give(number: int) -> int:
        await asyncio.sleep(0)
        return number

    assert await all_of(give(1), give(2)) == [1, 2]
    assert await all_of() == []
