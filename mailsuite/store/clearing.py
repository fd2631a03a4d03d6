"""Clears away, in the background, what expunged messages leave: held files, header blocks, facets.

Some at a time, so that other jobs of the account's writer need not wait for all. Nothing is lost by
a crash in between: `AccountFiles.open` clears away the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from mailsuite.store import alter, facet_rows
from mailsuite.store.filler import Filler
from mailsuite.store.folder import Folder
from mailsuite.store.records import FEW

if TYPE_CHECKING:
    from mailsuite.store.account import AccountStore

AT_ONCE = 200


class Clearing:
    """One account's. Loop thread only."""

    def __init__(self, account: AccountStore, filler: Filler) -> None:
        self._account = account
        self._filler = filler
        self._running = False

    def let_go(self, folder: Folder, uids: Sequence[int]) -> None:
        """Nobody holds these expunged messages any more: remove their files."""
        self._account.tasks.start(self._let_go(folder, uids), "let go")

    async def _let_go(self, folder: Folder, uids: Sequence[int]) -> None:
        for start in range(0, len(uids), AT_ONCE):
            call = partial(alter.let_go, self._account.files, folder, uids[start : start + AT_ONCE])
            await self._account.writer.do(call)

    def notice(self, expunged: int) -> None:
        """So many messages have been expunged at once."""
        if expunged > FEW and not self._running:
            self._running = True
            self._account.tasks.start(self._clear(), "clear")

    async def _clear(self) -> None:
        try:
            more = True
            while more:
                await self._filler.idle.wait()  # copies of them may want it
                more = await self._account.writer.do(self._clear_some)
        finally:
            self._running = False

    def _clear_some(self) -> bool:
        """In the writer; True when there may be more."""
        with self._account.files.index.transaction() as db:
            return facet_rows.clear_leftovers(db, AT_ONCE)
