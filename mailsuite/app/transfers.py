"""Imports and exports as work in the background of the process that owns the data folder.

The command line starts one, looks at its progress, and may stop it; without a running server it
does the work itself (`offline`). A job whose command has gone is stopped: it can go on by the same
command.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailsuite.accounts import AccountRow, Directory, Lookups
from mailsuite.app.privileges import become
from mailsuite.app.quota import Limits
from mailsuite.base.clock import SystemClock
from mailsuite.base.errors import UserError
from mailsuite.base.lock import FileLock
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Tasks, Threads
from mailsuite.config.schema import Quota as QuotaDefaults
from mailsuite.imapd import facets
from mailsuite.remote import Credential, Endpoint, from_dict
from mailsuite.remote.access import Access
from mailsuite.sasl import ClientLogin
from mailsuite.store import Facets, OverQuota, Store, StoreError
from mailsuite.transfer import (
    Choice,
    ImapImport,
    MaildirExport,
    MaildirImport,
    MboxExport,
    MboxImport,
    Progress,
    State,
    Target,
)

log = get_logger("transfer")
THREADS = 2
STORE_THREADS = 4
MAX_JOBS = 8
STATE = "imports.db"


@dataclass(slots=True)
class _Job:
    account: str
    progress: Progress
    task: asyncio.Task[None] | None = None
    state: str = "running"
    error: str = ""
    left: bool = False

    def ended(self, _: asyncio.Task[None]) -> None:
        """The task has ended; also one that was cancelled before its first step."""
        if self.state == "running":
            self.state = "stopped"


class Transfers:
    """Made with the server; costs nothing until something is asked of it."""

    def __init__(self, store: Store, directory: Lookups, data: Path) -> None:
        self._store = store
        self._directory = directory
        self._path = data / STATE
        self._threads = Threads("transfer", THREADS)
        self._notes = Threads("transfer state", 1)
        self._state: State | None = None
        self._lock = asyncio.Lock()
        self._tasks = Tasks("transfer")
        self._jobs: dict[int, _Job] = {}
        self._last = 0

    async def start(self, request: dict[str, Any]) -> int:
        """Begin an import or export; its number. Raises UserError."""
        row = await asyncio.to_thread(self._directory.lookup, request["account"])
        if not isinstance(row, AccountRow):
            raise UserError(f"no such user: {request['account']}")
        await self._left(row.address)
        running = self._running()
        if any(job.account == row.address for job in running):
            raise UserError(f"an import or export of {row.address} is running already")
        if len(running) >= MAX_JOBS:
            raise UserError(f"{MAX_JOBS} imports and exports are running already")
        self._forget()
        self._last += 1
        job = _Job(row.address, Progress())
        self._jobs[self._last] = job
        job.task = self._tasks.start(self._run(job, request), str(self._last))
        job.task.add_done_callback(job.ended)
        return self._last

    def look(self, number: int) -> dict[str, Any]:
        """How far a job is. Raises UserError when it is not known (any more)."""
        job = self._jobs.get(number)
        if job is None:
            raise UserError("the server does not know this import any more (it was restarted?)")
        return job.progress.as_dict() | {"state": job.state, "error": job.error}

    async def ended(self, number: int, wait: float) -> bool:
        """Wait for a job's end, `wait` seconds at most; whether it has ended."""
        job = self._jobs[number]
        if job.task is not None:
            await asyncio.wait([job.task], timeout=wait)
        return job.task is None or job.task.done()

    async def stop(self, number: int) -> None:
        """End a job; returns when it has ended. What has been done stays done."""
        job = self._jobs.get(number)
        if job is not None and job.task is not None:
            job.task.cancel()
            await asyncio.wait([job.task])

    def leave(self, number: int) -> None:
        """Nobody will look at this job any more: end it, if it has not ended."""
        job = self._jobs.get(number)
        if job is not None and job.task is not None and not job.task.done():
            log.warning("stopped, because the command has gone", account=job.account)
            job.left = True
            job.task.cancel()

    async def close(self) -> None:
        """End all jobs and give files back."""
        await self._tasks.cancel()
        if self._state is not None:
            await self._notes.run(self._state.close)
        await asyncio.to_thread(self._threads.close)
        await asyncio.to_thread(self._notes.close)

    def _running(self) -> list[_Job]:
        return [job for job in self._jobs.values() if job.state == "running"]

    async def _left(self, account: str) -> None:
        """Wait for the end of jobs of `account` that were left, and of all where none is free."""
        running = self._running()
        full = len(running) >= MAX_JOBS
        ending = [
            job.task
            for job in running
            if job.left and job.task is not None and (full or job.account == account)
        ]
        if ending:
            await asyncio.wait(ending)

    def _forget(self) -> None:
        ended = [number for number, job in self._jobs.items() if job.state != "running"]
        for number in ended[: max(len(self._jobs) - MAX_JOBS, 0)]:
            del self._jobs[number]

    async def _run(self, job: _Job, request: dict[str, Any]) -> None:
        try:
            await self._work(job, request)
        except asyncio.CancelledError:
            job.state = "stopped"
            raise
        except (UserError, StoreError) as error:
            job.state, job.error = "failed", _words(job.account, error)
        except Exception:
            job.state, job.error = "failed", "it failed inside the server; its log has the details"
            raise  # logged, with its traceback
        else:
            job.state = "done"

    async def _work(self, job: _Job, request: dict[str, Any]) -> None:
        log.info("begun", account=job.account, kind=request["kind"])
        account = await self._store.account(job.account)
        choice = Choice(**request["choice"])
        paths = [Path(path) for path in request["paths"]]
        kind = request["kind"]
        if kind == "export maildir":
            await MaildirExport(account, paths[0], self._threads, choice, job.progress).run()
        elif kind == "export mbox":
            await MboxExport(account, paths[0], self._threads, choice, job.progress).run()
        else:
            remote = _access(request, job.progress) if kind == "imap" else None
            source = f"{kind}:{paths[0] if kind == 'maildir' else ''}"
            state = await self._open_state()
            name = source if remote is None else remote.endpoint.name
            target = Target(account, name, state, self._notes, job.progress)
            if remote is not None:
                connections = int(request["remote"]["connections"])
                await ImapImport(remote, target, choice, connections=connections).run()
            elif kind == "maildir":
                await MaildirImport(paths[0], target, self._threads, choice).run()
            elif kind == "mbox":
                await MboxImport(paths, target, self._threads, choice).run()
            else:
                raise UserError(f"the running server knows no import from {kind}: restart it")
        log.info("ended", account=job.account, kind=kind, new=job.progress.new)

    async def _open_state(self) -> State:
        async with self._lock:
            if self._state is None:
                self._state = await self._notes.run(State, self._path)
            return self._state


def _access(request: dict[str, Any], progress: Progress) -> Access:
    told = request["remote"]

    async def keep(_: Credential) -> None:
        progress.note(
            "the token endpoint has given another refresh token, which is not kept:"
            " for the next run --token-command, or sign in with the provider anew"
        )

    endpoint = Endpoint(
        "imap",
        told["host"],
        told["port"],
        told["tls"],
        ClientLogin(told["user"]),
        told["ca_file"],
        told["certificate"],
        told["key"],
    )
    return Access(endpoint, from_dict(told["credential"]), keep=keep)


def _words(account: str, error: UserError | StoreError) -> str:
    if isinstance(error, OverQuota):
        return f"the quota of {account} does not allow more: {error}"
    if isinstance(error, StoreError):
        return f"the mailboxes of {account} take no more: {error}"
    return str(error)


@asynccontextmanager
async def offline(data: Path, quota: QuotaDefaults) -> AsyncIterator[Transfers]:
    """The same without a server, whose data folder is taken meanwhile. Raises UserError.

    Root becomes the folder's owner, who alone may write into it.
    """
    become(data)
    lock = FileLock(data / "server.lock", f"another mailsuite is running on {data}")
    directory = Directory(data / "accounts.db")
    threads = Threads("store", STORE_THREADS)
    store = Store(
        data / "mail",
        facets=Facets(facets.NAMES, facets.FACETS_VERSION, facets.compute, facets.APART),
        threads=threads,
        clock=SystemClock(),
        limits=Limits(directory, lambda: quota).of,
    )
    transfers = Transfers(store, directory, data)
    try:
        yield transfers
    finally:
        await transfers.close()
        await store.close()
        await asyncio.to_thread(threads.close)
        directory.close()
        lock.release()
