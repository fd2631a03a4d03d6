"""Group commit: what arrives or ends in the same few milliseconds shares one durable commit.

Promises: a work's `done` is called on the event loop once its files, their names and its rows are
durable, or with an error when nothing of it is kept. While one group is committed, the files of
the next are written. A caller that goes away changes nothing: its work runs to its end.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import apsw

from mailsuite.base import durable
from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Tasks, Threads
from mailsuite.queue.changes import Change
from mailsuite.queue.errors import QueueUnavailable, typed
from mailsuite.queue.records import Records
from mailsuite.queue.spool import Spool

log = get_logger("queue")

MAX_GROUP = 500  # works in one commit
OPEN_FILES = 64  # works whose files are open at the same time


@dataclass(frozen=True, slots=True)
class NewFile:
    """A spool file to write, held in memory."""

    id: str
    octets: bytes

    def write(self, spool: Spool) -> int:
        return spool.write(self.id, (self.octets,))


@dataclass(frozen=True, slots=True)
class GrownFile:
    """A spool file that is on the disk already, but for its last octets."""

    id: str
    fd: int
    rest: Sequence[bytes]

    def write(self, spool: Spool) -> int:
        return spool.go_on(self.fd, self.id, self.rest)

    def abandon(self, spool: Spool) -> None:
        """Instead of `write`: leave nothing."""
        os.close(self.fd)
        spool.remove([self.id])


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A spool file with the octets of another message's between `head` and `tail`."""

    id: str
    source: str
    skip: int
    head: bytes
    tail: bytes = b""

    def write(self, spool: Spool) -> int:
        return spool.share(self.id, self.source, self.skip, self.head, self.tail)


File: TypeAlias = NewFile | GrownFile | SharedFile
_Step: TypeAlias = Callable[[Spool, Records, Sequence["Work"]], list[str]]
Done: TypeAlias = Callable[[QueueUnavailable | None], None]


@dataclass(slots=True, eq=False)
class Work:
    """One caller's part of a commit: files first, then rows, all or none."""

    changes: Sequence[Change]
    files: Sequence[File] = ()
    done: Done | None = None
    error: BaseException | None = None
    future: "asyncio.Future[None] | None" = field(default=None)


class Committer:
    """Takes works from the loop, and writes them in threads, a group at a time."""

    def __init__(self, records: Records, spool: Spool, threads: Threads) -> None:
        self._records = records
        self._spool = spool
        self._threads = threads
        self._tasks = Tasks("queue")
        self._arrived = _Line()
        self._written = _Line()
        self._garbage: list[str] = []
        self._sweeping = False
        self._recording = False
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    def start(self) -> None:
        """Begin to commit."""
        self._tasks.start(self._write_files(), "write")
        self._tasks.start(self._record(), "record")

    async def close(self) -> None:
        """Commit what was given, remove what is to be removed, and end."""
        self._closed = True
        await self._idle.wait()
        await self._tasks.cancel()
        await self._threads.run(self._spool.remove, self._garbage)
        self._garbage = []

    async def commit(self, work: Work) -> None:
        """Give `work` and wait for its end. Raises QueueUnavailable or NoSpace."""
        work.future = asyncio.get_running_loop().create_future()
        self.give(work)
        await work.future

    def give(self, work: Work) -> None:
        """Give `work` without waiting; its `done` tells the end."""
        self._open += 1
        self._idle.clear()
        if self._closed:
            work.error = QueueUnavailable("the queue is stopped")
            for file in work.files:
                if isinstance(file, GrownFile):
                    file.abandon(self._spool)
            self._end(work)
        elif work.files:
            self._arrived.put(work)
        else:
            self._written.put(work)

    async def abandon(self, file: File) -> None:
        """Leave nothing of a file that will not be given."""
        if isinstance(file, GrownFile):
            await self._threads.run(file.abandon, self._spool)

    def remove(self, ids: Sequence[str]) -> None:
        """Remove the spool files of `ids` in the background."""
        self._garbage += ids
        if not self._sweeping and not self._closed:
            self._sweeping = True
            self._tasks.start(self._sweep(), "sweep")

    async def _sweep(self) -> None:
        try:
            while self._garbage:
                ids, self._garbage = self._garbage, []
                await self._threads.run(self._spool.remove, ids)
        finally:
            self._sweeping = False

    async def _write_files(self) -> None:
        while True:
            group = await self._arrived.take()
            if len(group) == 1 and not self._recording:
                # One thread's turn for both steps; meanwhile a group gathers.
                await self._perform(_write_and_record, group)
                continue
            await self._threads.submit(_write, self._spool, group)
            for work in group:
                if work.error is None:
                    self._written.put(work)
                else:
                    self._end(work)

    async def _record(self) -> None:
        while True:
            group = await self._written.take()
            self._recording = True
            try:
                await self._perform(_record, group)
            finally:
                self._recording = False

    async def _perform(self, step: _Step, group: Sequence[Work]) -> None:
        gone = await self._threads.submit(step, self._spool, self._records, group)
        for work in group:
            self._end(work)
        if gone:
            self.remove(gone)

    def _end(self, work: Work) -> None:
        error = None if work.error is None else typed(work.error)
        try:
            if work.done is not None:
                work.done(error)
        finally:
            if work.future is not None and not work.future.done():
                if error is None:
                    work.future.set_result(None)
                else:
                    work.future.set_exception(error)
            self._open -= 1
            if not self._open:
                self._idle.set()


class _Line:
    """Works that wait for one of the two steps; bounded by the number of their callers."""

    __slots__ = ("_wake", "_works")

    def __init__(self) -> None:
        self._works: list[Work] = []
        self._wake = asyncio.Event()

    def put(self, work: Work) -> None:
        self._works.append(work)
        self._wake.set()

    async def take(self) -> list[Work]:
        """All that wait, at most `MAX_GROUP`, as soon as there is one."""
        while not self._works:
            self._wake.clear()
            await self._wake.wait()
        group = self._works[:MAX_GROUP]
        del self._works[:MAX_GROUP]
        return group


def _write(spool: Spool, works: Sequence[Work]) -> None:
    """Write the files of `works` durably; those of a work that fails are gone again."""
    for first in range(0, len(works), OPEN_FILES):
        some = works[first : first + OPEN_FILES]
        opened = [(work, fd) for work in some for fd in _begin(spool, work)]
        # The files and their names, which are all there by now, at the same moment.
        *errors, folder = durable.sync_all([*(fd for _, fd in opened), spool.fd])
        failed: dict[Work, OSError] = {}
        for (work, fd), failure in zip(opened, errors, strict=True):
            os.close(fd)
            if failure is not None:
                failed[work] = failure
        for work in some:
            error = folder or failed.get(work)
            if work.error is None and error is not None:
                log.error("spool file not durable", id=work.files[0].id, exc_info=error)
                work.error = error
                _unwrite(spool, [file.id for file in work.files])


def _begin(spool: Spool, work: Work) -> list[int]:
    """Write the files of one work; gives the descriptors to wait for."""
    opened: list[int] = []
    written: list[str] = []
    try:
        for file in work.files:
            written.append(file.id)
            fd = file.write(spool)
            if fd >= 0:
                opened.append(fd)
    except Exception as error:
        log.error("spool file not written", id=written[-1], exc_info=error)
        work.error = error
        for fd in opened:
            os.close(fd)
        # A name that was taken belongs to another message.
        _unwrite(spool, written[:-1] if isinstance(error, FileExistsError) else written)
        return []
    return opened


def _write_and_record(spool: Spool, records: Records, group: Sequence[Work]) -> list[str]:
    """Both steps."""
    _write(spool, group)
    whole = [work for work in group if work.error is None]
    return _record(spool, records, whole) if whole else []


def _record(spool: Spool, records: Records, group: Sequence[Work]) -> list[str]:
    """Write the rows; gives the messages completed by them."""
    try:
        return records.apply(change for work in group for change in work.changes)
    except Exception as error:
        if len(group) > 1 and isinstance(error, apsw.ConstraintError | ValueError):
            # One bad row must not take the others with it.
            return [id for work in group for id in _record(spool, records, [work])]
        log.error("queue not written", works=len(group), exc_info=error)
        for work in group:
            work.error = error
            _unwrite(spool, [file.id for file in work.files])
        return []


def _unwrite(spool: Spool, ids: Sequence[str]) -> None:
    with contextlib.suppress(OSError):
        spool.remove(ids)
