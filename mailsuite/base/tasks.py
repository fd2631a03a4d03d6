"""Tasks and threads that are accounted for.

Promises: a background task's failure is logged; a commit point runs to its end even when the caller
is cancelled; nothing is left running after `close`. Never swallows a cancellation.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from mailsuite.base.log import get_logger

P = ParamSpec("P")
T = TypeVar("T")
log = get_logger("tasks")


class Tasks:
    """A set of background tasks that belong to one object and end with it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run `work` in the background; an exception in it is logged with its traceback."""
        task = asyncio.get_running_loop().create_task(work, name=f"{self._name}:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task failed", task=task.get_name(), exc_info=error)

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait until all tasks have ended by themselves; False if `timeout` seconds ran out."""
        if not self._tasks:
            return True
        _, pending = await asyncio.wait(self._tasks, timeout=timeout)
        return not pending

    async def cancel(self) -> None:
        """Cancel what still runs and wait for its end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def committed(work: Coroutine[Any, Any, T]) -> T:
    """Run a commit point to its end, whatever happens to the caller.

    When the caller is cancelled meanwhile, `work` still completes, and only then is the
    cancellation delivered.
    """
    task = asyncio.get_running_loop().create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.error("commit failed after its caller had gone", exc_info=failure)
        raise cancelled
    return task.result()


class Threads:
    """A bounded pool of threads for calls that block (disk, SQLite, password hashes)."""

    def __init__(self, name: str, count: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=count, thread_name_prefix=name)

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call` in a thread and give its result.

        A thread can't be interrupted: when the caller is cancelled, the call still ends in the
        background. Wrap in `committed` where the caller must not go on before it has ended.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: call(*args, **kwargs))

    def close(self) -> None:
        """Wait for running calls and end the threads."""
        self._pool.shutdown(wait=True)
