"""One writer an account: jobs run one after the other, in threads; appends that wait go together.

Promises: what a job has changed reaches the views before the next job begins; a job that has been
handed in runs to its end, whether its caller waits or not; a damaged index is rebuilt and the job
tried again, so that nobody notices.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Tasks, Threads, settled
from mailsuite.store import deliver
from mailsuite.store.errors import StoreError, StoreUnavailable
from mailsuite.store.feed import ACTOR
from mailsuite.store.files import AccountFiles
from mailsuite.store.index import IndexDamaged
from mailsuite.store.prepared import Request
from mailsuite.store.rounds import Rounds
from mailsuite.store.steps import Pause, Steps, whole
from mailsuite.store.updates import Update
from mailsuite.store.values import Appended

T = TypeVar("T")
R = TypeVar("R")
MAX_BATCH = 256
log = get_logger("store")


class Views(Protocol):
    """Whoever keeps the views, on the loop."""

    def take_in(self, updates: list[Update], actor: object | None) -> None:
        """Bring the views up to date and tell their listeners; `actor`: who asked for it."""
        ...

    async def take_anew(self) -> None:
        """The index has been rebuilt: compare the views with it. Part of the writer's turn."""
        ...


@dataclass(slots=True)
class _Job:
    call: Callable[[], Any]
    then: Callable[[Any], Any] | None
    done: asyncio.Future[Any]
    request: Request | None = None
    actor: object | None = field(default_factory=ACTOR.get)


class Writer:
    """Runs an account's jobs in the order they come."""

    def __init__(
        self,
        files: AccountFiles,
        threads: Threads,
        rounds: Rounds,
        tasks: Tasks,
        views: Views,
    ) -> None:
        """`rounds`: appends go in them, together with those of other accounts."""
        self._rounds = rounds
        self._files = files
        self._threads = threads
        self._tasks = tasks
        self._views = views
        self._jobs: deque[_Job] = deque()
        self._running = False
        self._rebuilt = False
        self._checkpointing = False

    @property
    def busy(self) -> bool:
        """Jobs run or wait."""
        return self._running

    async def run(self, call: Callable[[], T], then: Callable[[T], R]) -> R:
        """Run `call` in a thread when its turn comes, then `then` on the loop.

        Raises what they raise; OSError becomes StoreUnavailable.
        """
        result: R = await self._submit(_Job(call, then, _future()))
        return result

    async def do(self, call: Callable[[], T]) -> T:
        """Run `call` in a thread when its turn comes."""
        result: T = await self._submit(_Job(call, None, _future()))
        return result

    async def append(self, request: Request) -> Appended:
        """Append, together with others that wait."""
        future = self.appending(request)
        await settled(future)
        return future.result()

    def appending(self, request: Request) -> asyncio.Future[Appended]:
        """As `append`; the future that will hold the result, and must not be cancelled."""
        job = _Job(_nothing, None, _future(), request)
        self._hand_in(job)
        return job.done

    async def _submit(self, job: _Job) -> Any:
        self._hand_in(job)
        await settled(job.done)
        return job.done.result()

    def _hand_in(self, job: _Job) -> None:
        self._jobs.append(job)
        if not self._running:
            self._running = True
            self._tasks.start(self._drain(), "writer")

    async def _drain(self) -> None:
        try:
            while self._jobs:
                jobs = self._next()
                work = self._begin(jobs)
                await settled(work)
                actors = {job.actor for job in jobs}
                await self._tell_views(actors.pop() if len(actors) == 1 else None)
                _finish(jobs, work)
        finally:
            self._running = False
        if self._files.index.wants_checkpoint and not self._checkpointing:
            self._checkpointing = True
            self._tasks.start(self._checkpoint(), "checkpoint")

    def _begin(self, jobs: list[_Job]) -> asyncio.Future[Any]:
        requests = [job.request for job in jobs if job.request is not None]
        if requests and self._files.has_open({request.name for request in requests}):
            return self._rounds.submit(requests, self._steps(jobs))
        return self._threads.submit(self._perform, jobs)

    async def _checkpoint(self) -> None:
        try:
            await self._threads.run(self._files.index.checkpoint)
        except (IndexDamaged, StoreUnavailable) as error:
            # Whoever reads or writes next finds out, and has it repaired.
            log.warning("index log not taken over", path=str(self._files.root), reason=str(error))
        finally:
            self._checkpointing = False

    async def _tell_views(self, actor: object | None) -> None:
        rebuilt, self._rebuilt = self._rebuilt, False
        try:
            self._views.take_in(self._files.take_updates(), actor)
            if rebuilt:
                await self._views.take_anew()
        except Exception:
            # A listener's mistake must not keep the account's other callers waiting for ever.
            log.exception("a view was not brought up to date", path=str(self._files.root))

    def _next(self) -> list[_Job]:
        first = self._jobs.popleft()
        jobs = [first]
        if first.request is not None:
            count = len(first.request.messages)
            while self._jobs and (request := self._jobs[0].request) is not None:
                count += len(request.messages)
                if count > MAX_BATCH:
                    break
                jobs.append(self._jobs.popleft())
        return jobs

    def _perform(self, jobs: list[_Job]) -> Any:
        """In a thread: the job, or the group of appends. Raises StoreError, or what is a bug."""
        return whole(self._steps(jobs))

    def _steps(self, jobs: list[_Job]) -> Steps[Any]:
        """As `_perform`, with pauses."""
        try:
            try:
                return (yield from self._attempt(jobs))
            except IndexDamaged as error:
                log.warning("index rebuilt", path=str(self._files.root), reason=str(error))
                yield Pause.APART
                self._files.rebuild_index()
                self._rebuilt = True
                return (yield from self._attempt(jobs))
        except IndexDamaged as error:
            raise StoreUnavailable("the index cannot be rebuilt") from error
        except OSError as error:
            raise refused(self._files, error) from error

    def _attempt(self, jobs: list[_Job]) -> Steps[Any]:
        self._files.open()
        requests = [job.request for job in jobs if job.request is not None]
        if not requests:
            return jobs[0].call()
        return (yield from deliver.append(self._files, requests))


def refused(files: AccountFiles, error: OSError) -> StoreUnavailable:
    """The disk's refusal, logged, as the store's own error."""
    log.warning("disk refused", path=str(files.root), reason=str(error))
    return StoreUnavailable(f"{type(error).__name__}: {error}")


def _finish(jobs: list[_Job], work: asyncio.Future[Any]) -> None:
    """Give each caller its answer."""
    failure = asyncio.CancelledError() if work.cancelled() else work.exception()
    for number, job in enumerate(jobs):
        if job.done.done():
            continue
        error = failure
        value = None
        if error is None:
            value = work.result()
            if job.request is not None:
                value = value[number]
                error = value if isinstance(value, BaseException) else None
            elif job.then is not None:
                try:
                    value = job.then(value)
                except StoreError as own:
                    error = own
        if error is None:
            job.done.set_result(value)
        elif isinstance(error, asyncio.CancelledError):
            job.done.cancel()
        else:
            job.done.set_exception(error)
            job.done.exception()  # looked at, even if the caller has gone


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


def _nothing() -> None:
    """The call of an append, whose work is in its request."""
