"""Fills an account's full-text index in the background, whenever something has changed.

Promises: it gives way to deliveries and to other accounts (one fills at a time), and never adds to
the time that a message takes to be delivered; what it has not got to yet is known as such to
whoever searches. Holds no list of messages: what is missing follows from the indexes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mailsuite.base.tasks import Tasks, Threads
from mailsuite.store import background, catch_up
from mailsuite.store.background import Background
from mailsuite.store.database import DatabaseDamaged
from mailsuite.store.errors import StoreError, StoreUnavailable
from mailsuite.store.files import AccountFiles
from mailsuite.store.folder import Folder

QUIET = 0.3
"""Seconds for which nothing may have changed, in any account, before one is filled."""
SHARE = 1.0
"""Seconds of rest for each second of work."""
MAX_REPAIRS = 3
"""Times in a row that the database is begun anew."""


class Indexer:
    """Loop thread only."""

    def __init__(
        self,
        files: AccountFiles,
        threads: Threads,
        tasks: Tasks,
        background: Background,
        is_busy: Callable[[], bool],
    ) -> None:
        """`is_busy`: the account has something more urgent to do."""
        self._files = files
        self._threads = threads
        self._tasks = tasks
        self._background = background
        self._is_busy = is_busy
        self._waiting: dict[Folder, None] = {}
        self._sweep = True
        self._repairs = 0
        self._stopped = asyncio.Event()
        self.active = False

    def changed(self, folder: Folder) -> None:
        """Messages have come or gone in a folder."""
        self._background.changed = asyncio.get_running_loop().time()
        self.notice(folder)

    def notice(self, folder: Folder) -> None:
        """There may be something to do in a folder."""
        self._waiting[folder] = None
        if not self.active and not self._stopped.is_set():
            self.active = True
            self._tasks.start(self._run(), "full text")

    def forget(self, folder: Folder) -> None:
        """A mailbox is no more."""
        self._waiting.pop(folder, None)
        self._sweep = True

    def stop(self) -> None:
        """Begin nothing new."""
        self._waiting.clear()
        self._stopped.set()

    def resume(self) -> None:
        """Allow for new work after `stop`."""
        self._stopped.clear()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        pause = 0.0
        try:
            while self._waiting:
                await self._rest(pause)
                async with self._background.full_text:
                    if not self._waiting:  # stopped
                        return
                    folder = next(iter(self._waiting))
                    del self._waiting[folder]
                    began = loop.time()
                    more = await self._threads.compute(self._work, folder)
                    if more and not self._stopped.is_set():
                        self._waiting.setdefault(folder)
                    if not self._waiting:  # files and memory are for those who search
                        await self._threads.run(self._files.fulltext.close)
                pause = SHARE * (loop.time() - began)
        finally:
            self.active = False

    async def _rest(self, seconds: float) -> None:
        """Wait so long, and until there is quiet."""
        loop = asyncio.get_running_loop()
        latest = loop.time() + background.GIVE_WAY
        while True:
            if seconds > 0:
                try:
                    await asyncio.wait_for(self._stopped.wait(), seconds)
                    return
                except TimeoutError:
                    pass
            seconds = self._background.changed + QUIET - loop.time()
            if self._is_busy():
                seconds = max(seconds, QUIET)
            seconds = min(seconds, latest - loop.time())
            if seconds <= 0:
                return

    def _work(self, folder: Folder) -> bool:
        """In a thread: one step; True when there is more to do."""
        try:
            if self._sweep:
                self._sweep = catch_up.sweep(self._files)
                return True
            more = catch_up.step(self._files, folder)
            self._repairs = 0
            return more
        except DatabaseDamaged as error:
            self._files.fulltext.repair(error)
            self._repairs += 1
            return self._repairs < MAX_REPAIRS
        except StoreUnavailable as error:
            self._files.fulltext.repair(error)
            return False
        except (StoreError, OSError):
            return False  # the folder is gone, or cannot be read: whoever uses it is told
