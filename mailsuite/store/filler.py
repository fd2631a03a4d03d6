"""Computes facets of messages that have come, in the background.

Promises: it gives way to whatever the account's writer has to do, and to whoever brings one message
after the other, until very much waits; what waits is bounded, and what is not computed here is when
somebody asks for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from array import array
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from mailsuite.base.log import get_logger
from mailsuite.store import reading
from mailsuite.store.errors import StoreUnavailable
from mailsuite.store.folder import Folder

if TYPE_CHECKING:
    from mailsuite.store.account import AccountStore

log = get_logger("store")
AT_ONCE = 32
COPIES_AT_ONCE = 500
MAX_WAITING = 50_000
PAUSE = 0.05
QUIET = 0.1
"""Seconds without another message, after which its facets are worth the time."""
GIVE_WAY = 2.0
"""Seconds that are waited for that at most, from one step to the next."""


class Filler:
    """One account's. Loop thread only."""

    def __init__(self, account: AccountStore) -> None:
        self._account = account
        # Four octets a message: an import brings them faster than they are computed.
        self._waiting: deque[tuple[Folder, array[int]]] = deque()
        self._count = 0
        self._stopped = asyncio.Event()
        self._noticed = 0.0
        self.idle = asyncio.Event()
        self.idle.set()

    @property
    def active(self) -> bool:
        """It has something to do."""
        return not self.idle.is_set()

    def notice(self, folder: Folder, uids: Sequence[int]) -> None:
        """These messages have come."""
        some = array("I", uids[: MAX_WAITING - self._count])
        self._count += len(some)
        if self._waiting and self._waiting[-1][0] is folder:
            self._waiting[-1][1].extend(some)
        elif some:
            self._waiting.append((folder, some))
        self._noticed = asyncio.get_running_loop().time()
        if self._waiting and self.idle.is_set() and not self._stopped.is_set():
            self.idle.clear()
            self._account.tasks.start(self._run(), "facets")

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopped.set()
        self._waiting.clear()
        self._count = 0

    def resume(self) -> None:
        """Allow for new work after `stop`."""
        self._stopped.clear()

    async def _run(self) -> None:
        waiting = self._waiting
        try:
            while waiting:
                await self._rest()
                if not waiting:  # stopped
                    return
                folder, some = waiting[0]
                most = COPIES_AT_ONCE if self._account.files.origins else AT_ONCE
                uids = some[:most].tolist()
                del some[:most]
                if not some:
                    waiting.popleft()
                self._count -= len(uids)
                try:
                    await self._account.beside_writer(partial(self._fill, folder, uids))
                except StoreUnavailable as error:
                    # Whoever wants them has them computed anew.
                    log.warning("facets not kept", path=str(folder.path), reason=str(error))
        finally:
            self.idle.set()

    async def _rest(self) -> None:
        """Wait until there is quiet, or too much waits."""
        loop = asyncio.get_running_loop()
        latest = loop.time() + GIVE_WAY
        while self._count < MAX_WAITING // 2 and not self._stopped.is_set():
            seconds = min(self._noticed + QUIET, latest) - loop.time()
            if seconds <= 0 and not self._account.writer.busy:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), max(seconds, PAUSE))

    def _fill(self, folder: Folder, uids: list[int]) -> None:
        """In a thread."""
        files = self._account.files
        reading.inherit(files, folder, uids)
        if lacking := reading.lacking_facets(files, folder, uids):
            reading.compute(files, folder, lacking)
