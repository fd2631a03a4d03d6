"""Tasks and threads that are accounted for.

Promises: a background task's failure is logged; a commit point runs to its end even when the caller
is cancelled; nothing is left running after `close`. Never swallows a cancellation.
"""

import asyncio
import atexit
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, Self, TypeAlias, TypeVar

from mailsuite.base.computing import brief_turns
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
    return await outlasted(asyncio.get_running_loop().create_task(work))


async def outlasted(future: "asyncio.Future[T]") -> T:
    """As `committed`, for what is under way already and is never cancelled."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await settled(future)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not future.cancelled() and (failure := future.exception()) is not None:
            log.error("commit failed after its caller had gone", exc_info=failure)
        raise cancelled
    return future.result()


async def all_of(*works: Coroutine[Any, Any, T]) -> list[T]:
    """As `asyncio.gather`, but all have their end when it has: nothing goes on unseen.

    Also where one raises, or when it is cancelled. Raises what the first one in order has raised.
    """
    results = await asyncio.gather(*works, return_exceptions=True)
    good: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        good.append(result)
    return good


async def settled(future: "asyncio.Future[Any]") -> None:
    """Wait until `future` (a task is one) has its end, whichever; never cancels it.

    By hand, because asyncio.wait and shield cost as much as a small commit does.
    """
    if future.done():
        return
    waiter = asyncio.get_running_loop().create_future()
    wake = partial(_wake, waiter)
    future.add_done_callback(wake)
    try:
        await waiter
    finally:
        future.remove_done_callback(wake)


async def ends_within(future: "asyncio.Future[Any]", seconds: float) -> bool:
    """Wait until `future` has its end, but no longer than `seconds`; never cancels it."""
    if future.done():
        return True
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()
    wake = partial(_wake, waiter)
    future.add_done_callback(wake)
    timer = loop.call_later(seconds, wake, future)
    try:
        await waiter
    finally:
        timer.cancel()
        future.remove_done_callback(wake)
    return future.done()


def _wake(waiter: "asyncio.Future[None]", future: "asyncio.Future[Any]") -> None:
    if not waiter.done():
        waiter.set_result(None)


class Threads:
    """A bounded pool of threads for calls that block (disk, SQLite, password hashes).

    Not the standard executor: what it does for each call (two futures, a condition, a wake-up of
    the loop) costs more than most of our calls. Here calls that end together come back together.
    """

    def __init__(self, name: str, count: int) -> None:
        self._name = name
        self._count = count
        self._threads: list[threading.Thread] = []
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._returns: _Returns | None = None
        self._closed = False

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call` in a thread and give its result.

        A thread can't be interrupted: when the caller is cancelled, the call still ends in the
        background; one that has not begun is dropped. Wrap in `committed` where the caller must
        not go on before it has ended. Raises RuntimeError after `close`.
        """
        return await self.submit(call, *args, **kwargs)

    async def compute(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `run`, for what computes for long: the event loop gets its turn the sooner."""
        return await self.submit(_computing, partial(call, *args, **kwargs))

    def submit(
        self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> "asyncio.Future[T]":
        """As `run`; the future that will hold the result, made without a task."""
        if self._closed:
            raise RuntimeError(f"the threads {self._name} have been closed")
        loop = asyncio.get_running_loop()
        returns = self._returns
        if returns is None or returns.loop is not loop:
            returns = self._returns = _Returns(loop)
        returns.open += 1
        if len(self._threads) < self._count and returns.open > len(self._threads):
            self._begin()
        future: asyncio.Future[T] = loop.create_future()
        self._calls.put((returns, future, call, args, kwargs))
        return future

    def _begin(self) -> None:
        if not self._threads:
            # A process that ends without `close` still lets calls end.
            atexit.register(self.close)
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=_serve, args=(self._calls,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """Wait for calls that run or wait, and end the threads."""
        self._closed = True
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        atexit.unregister(self.close)


def _computing(call: Callable[[], T]) -> T:
    with brief_turns:
        return call()


class _Returns:
    """The way back to one event loop, which wakes up once for all calls that have ended."""

    __slots__ = ("_done", "_told", "loop", "open")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.open = 0  # calls under way; the loop's thread only
        self._done: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._told = False

    def put(self, future: "asyncio.Future[Any]", value: Any, error: BaseException | None) -> None:
        """A call has ended; from any thread."""
        self._done.append((future, value, error))
        # Two threads that both see False wake the loop twice, which does no harm.
        if not self._told:
            self._told = True
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
                self.loop.call_soon_threadsafe(self._take)

    def _take(self) -> None:
        self._told = False  # before looking: what comes from now on tells again
        done = self._done
        while done:
            future, value, error = done.popleft()
            self.open -= 1
            if future.cancelled():
                continue
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)


_Call: TypeAlias = tuple[
    _Returns, "asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...], dict[str, Any]
]


def _serve(calls: "SimpleQueue[_Call | None]") -> None:
    """A thread: one call after another."""
    while (each := calls.get()) is not None:
        _perform(*each)
        del each  # what it holds is free before the next one comes


def _perform(
    returns: _Returns,
    future: "asyncio.Future[Any]",
    call: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    if future.cancelled():
        returns.put(future, None, None)
        return
    value, error = attempt(call, *args, **kwargs)
    if isinstance(error, StopIteration):
        # No future may hold one: it would look like the end of whoever waits.
        error = RuntimeError(f"a call raised {error!r}")
    returns.put(future, value, error)


def attempt(
    call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> tuple[T | None, BaseException | None]:
    """What a call gives, or what it raises: for whoever waits for it, not for this thread."""
    value = None
    with _Caught() as caught:
        value = call(*args, **kwargs)
    return value, caught.error


class _Caught:
    """Whatever is raised within; it belongs to whoever waits for the call, not to the thread."""

    __slots__ = ("error",)

    def __enter__(self) -> Self:
        self.error: BaseException | None = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: object
    ) -> bool:
        self.error = error
        return True
