"""Computes facets of messages that have come, in the background.

Promises: it gives way to whatever the account's writer has to do, and to whoever brings one message
after the other, to any account, until very much waits; what waits is bounded, and what is not
computed here is when somebody asks for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from array import array
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from mailsuite.base.computing import brief_turns
from mailsuite.base.log import get_logger
from mailsuite.store import background, reading
from mailsuite.store.background import Background
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
"""Seconds without another message for anybody, after which facets are worth the time."""


class Filler:
    """One account's. Loop thread only."""

    def __init__(self, account: AccountStore, background: Background) -> None:
        self._account = account
        self._background = background
        # Four octets a message: an import brings them faster than they are computed.
        self._waiting: deque[tuple[Folder, array[int]]] = deque()
        self._count = 0
        self._stopped = asyncio.Event()
        self._began = 0.0
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
        self._background.changed = asyncio.get_running_loop().time()
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
                async with self._background.facets:
                    # Mail may have come while another account had its turn.
                    if waiting and self._rest_left() <= 0:
                        self._background.computed = asyncio.get_running_loop().time()
                        await self._step()
        finally:
            self.idle.set()

    async def _step(self) -> None:
        folder, some = self._waiting[0]
        most = COPIES_AT_ONCE if self._account.files.origins else AT_ONCE
        uids = some[:most].tolist()
        del some[:most]
        if not some:
            self._waiting.popleft()
        self._count -= len(uids)
        try:
            await self._account.beside_writer(partial(self._fill, folder, uids))
        except StoreUnavailable as error:
            # Whoever wants them has them computed anew.
            log.warning("facets not kept", path=str(folder.path), reason=str(error))

    async def _rest(self) -> None:
        """Wait until there is quiet, or too much waits."""
        self._began = asyncio.get_running_loop().time()
        while (seconds := self._rest_left()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), max(seconds, PAUSE))

    def _rest_left(self) -> float:
        """Seconds to wait, as far as one can tell."""
        if self._count >= MAX_WAITING // 2 or self._stopped.is_set():
            return 0.0
        # One step of any account, while there is no quiet: many would be as much as all mail.
        latest = max(self._began, self._background.computed) + background.GIVE_WAY
        seconds = min(self._background.changed + QUIET, latest) - asyncio.get_running_loop().time()
        return max(seconds, PAUSE) if self._account.writer.busy else seconds

    def _fill(self, folder: Folder, uids: list[int]) -> None:
        """In a thread."""
        files = self._account.files
        reading.inherit(files, folder, uids)
        if lacking := reading.lacking_facets(files, folder, uids):
            with brief_turns:
                for _ in reading.compute(files, folder, lacking):
                    pass  # it is in the index
