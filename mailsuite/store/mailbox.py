"""One open mailbox: the in-memory view that all its sessions share, and what can be done to it."""

from __future__ import annotations

import asyncio
import contextlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from mailsuite.base import ranges
from mailsuite.base.computing import brief_turns
from mailsuite.message import Octets
from mailsuite.store import alter, merge, reading, records, unique_ids
from mailsuite.store.alter import FlagRequest
from mailsuite.store.attachment import Attachment
from mailsuite.store.errors import CannotChange, NoSuchMailbox
from mailsuite.store.flags import EVERY_FLAG, Scope
from mailsuite.store.folder import Folder, Name
from mailsuite.store.fulltext import Candidates, Where
from mailsuite.store.message import MessageFile
from mailsuite.store.table import Table, check_columns, front, table
from mailsuite.store.unique_ids import UniqueIds
from mailsuite.store.values import Column, FlagsStored, Row
from mailsuite.store.view import View

if TYPE_CHECKING:
    from mailsuite.store.account import AccountStore

T = TypeVar("T")

STORE_AT_ONCE = 5_000


class Mailbox(View):
    r"""Made by `AccountStore.open`; give it back with `release`. Attributes change on the loop.

    name           present name (changes when it is renamed)
    uidvalidity    RFC 9051 §2.3.1.1
    uidnext        greater than every UID given so far
    highestmodseq  RFC 7162; at least 1
    mailboxid      RFC 8474; stable for the mailbox's whole life
    keywords       keyword names in use or once used, first spelling
    uids           array('I'), ascending; replaced by a new object when messages are expunged
    flagsets       array('I') parallel to uids: ids into `flag_table`
    modseqs        array('Q') parallel to uids
    totals         counts, as STATUS tells them
    acl            what others than its owner may do with it
    gone           True once the mailbox has been deleted
    """

    def __init__(self, account: AccountStore, folder: Folder, name: str) -> None:
        super().__init__(name, folder.sidecar.uidvalidity, folder.sidecar.mailboxid)
        self._account = account
        self._folder = folder
        self._claiming = False
        self.references = 0

    @property
    def account(self) -> AccountStore:
        """Whose it is."""
        return self._account

    @property
    def folder(self) -> Folder:
        """Where it is on disk. Raises NoSuchMailbox when it has been deleted."""
        if self.gone:
            raise NoSuchMailbox(self.name)
        return self._folder

    def release(self) -> None:
        """Give the mailbox back to the account; once for each `AccountStore.open`."""
        self.references -= 1
        if self.references == 0:
            self._account.views.idle(self)

    # -- changes -----------------------------------------------------------------------------------

    async def refresh(self, *, claim: bool = False) -> None:
        """Notice and merge what other programs changed in the Maildir; cheap when nothing has."""
        folder, account = self.folder, self._account
        watcher = account.watcher
        if watcher.is_quiet(self):
            return
        generation = watcher.before_look(self)
        with contextlib.suppress(NoSuchMailbox):  # the merge finds out, and tells everybody
            if await account.beside_writer(lambda: merge.is_current(account.files, folder)):
                watcher.looked(self, generation)
                return
        claim = claim or self.claims
        await account.change(folder, lambda: merge.refresh(account.files, folder, claim=claim))
        watcher.looked(self, generation)

    @property
    def is_sure(self) -> bool:
        """When it was last looked at, nothing can have been overlooked."""
        return self._folder.is_sure

    async def store_flags(
        self,
        uids: Iterable[int] | None,
        operation: str,
        flags: Iterable[str],
        *,
        unchanged_since: int | None = None,
        within: Scope = EVERY_FLAG,
        origin: Attachment | None = None,
    ) -> FlagsStored:
        r"""Add ("+"), remove ("-") or replace ("") flags of messages; uids None: of all.

        UIDs that do not exist are passed over, and so are flags not `within`; \Recent is ignored.
        Raises LimitReached (too many keywords), CannotChange (an unknown flag beginning with a
        backslash), NoSuchMailbox, StoreUnavailable.

        Of very many messages some are changed at a time, each time under a MODSEQ of its own, so
        that views and other jobs are not held up; after a failure the first stay changed. An array
        is taken to ascend, as a view's does: half a million UIDs take long to sort.
        """
        if operation not in ("+", "-", ""):
            raise CannotChange(f"no such operation: {operation!r}")
        wanted = self.uids[:] if uids is None else _ascending(uids)
        folder, files = self.folder, self._account.files
        stored = FlagsStored(array("I"), array("I"))
        for start in range(0, max(len(wanted), 1), STORE_AT_ONCE):
            some = wanted[start : start + STORE_AT_ONCE]
            request = FlagRequest(some, operation, frozenset(flags), unchanged_since, within)
            call = partial(alter.store_flags, files, folder, request, origin)
            piece = await self._account.change(folder, call)
            stored.changed.extend(piece.changed)
            stored.modified.extend(piece.modified)
        return stored

    async def expunge(
        self,
        uids: Iterable[int] | None,
        *,
        only_deleted: bool,
        origin: Attachment | None = None,
        all_or_none: bool = False,
    ) -> list[int]:
        r"""Remove messages for ever; None: of the whole mailbox. Returns those removed, ascending.

        With `only_deleted` only such as have \Deleted (at this instant, not when it was asked).
        The origin counts as told, as far as keeping the files goes. When the disk refuses, some may
        be gone, and are told to be, unless it is to be `all_or_none`.
        """
        wanted = None if uids is None else _ascending(uids)
        folder, files = self.folder, self._account.files
        return await self._account.change(
            folder,
            lambda: alter.expunge(
                files,
                folder,
                wanted,
                only_deleted=only_deleted,
                keep=all_or_none or self.others_than(origin),
                origin=origin,
            ),
        )

    # -- reading -----------------------------------------------------------------------------------

    async def table(
        self, uids: Sequence[int], *, columns: Sequence[Column], compute: bool = True
    ) -> Table:
        """Of all these messages: the column of their UIDs, ascending, then the asked columns.

        Columns: those of `values.SYSTEM_COLUMNS`, the facets by name (bytes), and what a door
        derives from header blocks. Messages that are gone and not held are left out. Missing facets
        are computed on the way; without `compute` they are None. Ask a few thousand at a time.
        """
        files, folder = self._account.files, self.folder
        check_columns(files, columns)
        return await self._account.beside_writer(
            lambda: table(files, folder, uids, columns, compute_missing=compute)
        )

    async def front(
        self,
        uids: Sequence[int],
        *,
        columns: Sequence[Column],
        max_octets: int,
        compute: bool = True,
    ) -> tuple[int, Table]:
        """The same from the front of `uids`, which ascend: (how many of them, their table).

        As many as fit `max_octets`, at least one: what the index has of one may be a megabyte.
        """
        files, folder = self._account.files, self.folder
        check_columns(files, columns)
        return await self._account.beside_writer(
            lambda: front(files, folder, uids, columns, max_octets, compute_missing=compute)
        )

    async def rows(
        self, uids: Sequence[int], *, columns: Sequence[Column], compute: bool = True
    ) -> list[Row]:
        """The same, message by message: (uid, value of columns[0], value of columns[1], …)."""
        return list(zip(*await self.table(uids, columns=columns, compute=compute), strict=True))

    async def sizes(self, uids: Sequence[int]) -> tuple[array[int], array[int]]:
        """UIDs and sizes over the wire of these messages, ascending, as far as they are present.

        May be asked for all of a mailbox.
        """
        files, folder = self._account.files, self.folder

        def ask() -> tuple[array[int], array[int]]:
            with files.index.reader() as db, db:  # one state for all that is asked
                found = records.sizes(db, folder.id, uids)
            return found

        return await self._account.beside_writer(ask)

    async def open_ended(self, first: int, last: int) -> list[int]:
        """UIDs, of those from `first` to `last`, of messages that do not end with a line's end.

        As far as it is known: of files that other programs have named with their sizes it is not.
        """
        files, folder = self._account.files, self.folder

        def ask() -> list[int]:
            with files.index.reader() as db:
                return records.open_ended(db, folder.id, first, last)

        return await self._account.beside_writer(ask)

    async def unique_ids(self) -> UniqueIds:
        """How its messages are named to clients that want unique ids; never changes for one."""
        folder = self.folder
        return await self._account.beside_writer(
            lambda: unique_ids.read(folder.path, folder.name_form)
        )

    async def read(
        self, uids: Sequence[int], *, max_octets: int = 1 << 20
    ) -> list[tuple[int, bytes | None]]:
        """Whole small messages in one go: from the front of `uids` as many as fit `max_octets`.

        (uid, None) stands for one that is gone, or for one too large (only ever at the first
        place: then use `open_message`). At least one entry for a non-empty `uids`.
        """
        files, folder = self._account.files, self.folder
        async with self._account.reads:
            return await self._account.beside_writer(
                lambda: reading.read(files, folder, uids, max_octets)
            )

    async def examine(
        self, uids: Sequence[int], look: Callable[[Octets], T], *, max_octets: int = 1 << 20
    ) -> list[tuple[int, T | None]]:
        """What `look` says of messages: from the front of `uids`, about `max_octets` of them.

        `look` is pure, runs in a thread and must not raise; it gets the octets, of a large message
        as something that is read from the file by and by. (uid, None) stands for one that is gone.
        At least one entry for a non-empty `uids`; ask a few hundred at a time.
        """
        files, folder = self._account.files, self.folder

        def ask() -> list[tuple[int, T | None]]:
            with brief_turns:
                return reading.examine(files, folder, uids, look, max_octets)

        return await self._account.beside_writer(ask)

    async def candidates(self, text: str, where: Where) -> Candidates | None:
        """Which messages may contain a text in their "header", "body" or "any" of both.

        text: folded (`mailsuite.message.fold`) and not empty. None: the full-text index can't tell.
        What is searched is what `header_text` and `body_text` of `mailsuite.message` give.
        """
        folder, fulltext = self.folder, self._account.files.fulltext
        call = partial(fulltext.candidates, folder, text, where)
        told = await self._account.beside_writer(call)
        if told is None or (self.uids and not told.covers(self.uids[-1])):
            self._account.indexer.notice(folder)  # begun anew perhaps
        return told

    async def open_message(self, uid: int) -> MessageFile:
        """Open a message, present or held. Raises MessageGone, StoreUnavailable."""
        files, folder = self._account.files, self.folder
        opening = asyncio.ensure_future(
            self._account.beside_writer(lambda: reading.open_message(files, folder, uid))
        )
        try:
            source, size = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(self._close_unwanted)
            raise
        return MessageFile(source, size, self._account.threads)

    def _close_unwanted(self, opening: asyncio.Future[tuple[int | bytes, int]]) -> None:
        """The caller was cancelled while its file was being opened."""
        if not opening.cancelled() and opening.exception() is None:
            MessageFile(*opening.result(), self._account.threads).close()

    def known_since(self, since: int) -> int:
        """The MODSEQ to answer from when a client knows everything up to `since`; 0: all of it."""
        return self.folder.known_since(since) if since <= self.highestmodseq else 0

    async def vanished(self, since: int) -> list[range]:
        """UIDs expunged with a MODSEQ greater than `since` (RFC 7162 §3.2.5.2): a set of ranges.

        May name UIDs that never were, or were expunged earlier, when the history does not reach
        back so far.
        """
        files, folder = self._account.files, self.folder
        uids, end = self.uids, self.uidnext
        if self.known_since(since) < max(folder.history, 1):
            return ranges.without(ranges.merged([range(1, end)]), uids, len(uids))

        def ask() -> list[range]:
            with files.index.reader() as db:
                return list(ranges.runs(records.expunged_since(db, folder.id, since)))

        return await self._account.beside_writer(ask)

    # -- what the view and the watcher ask for -----------------------------------------------------

    def attended(self) -> None:
        """Have other programs' changes noticed."""
        if not self.gone:
            self._account.watcher.watch(self)

    def unattended(self) -> None:
        """Nobody is to be told any more."""
        self._account.watcher.unwatch(self)

    async def noticed(self, names: Counter[Name], watch: object, *, lost: bool) -> None:
        """These names have come or gone, so many times; `lost`: and others.

        Raises NoSuchMailbox, StoreUnavailable.
        """
        files, folder, claim = self._account.files, self.folder, self.claims
        call = partial(merge.noticed, files, folder, names, watch, lost=lost, claim=claim)
        await self._account.change(folder, call)

    def watched_by(self, watch: object) -> None:
        """What tells of changes in the folder from now on; None: nothing."""
        self._folder.watch = watch

    def claim(self) -> None:
        """Write down, in the background, that messages were claimed; many at a time."""
        self._account.counts.changed(self._folder.name)
        if not self._claiming:
            self._claiming = True
            self._account.tasks.start(self._claim(), "claim")

    async def _claim(self) -> None:
        files, folder, before = self._account.files, self._folder, self.first_recent
        try:
            await self._account.change(folder, lambda: alter.claim(files, folder, before))
            self.in_new = {uid for uid in self.in_new if uid >= before}
        except NoSuchMailbox:
            return  # deleted meanwhile: there is nothing to claim
        finally:
            self._claiming = False
        if not self.gone and any(uid < self.first_recent for uid in self.in_new):
            self.claim()

    def drop_files(self, uids: list[int]) -> None:
        """Remove, in the background, files that nobody holds any more."""
        self._account.clearing.let_go(self._folder, uids)


def _ascending(uids: Iterable[int]) -> Sequence[int]:
    """Each UID once; an array, part of a view's, ascends already."""
    return uids if isinstance(uids, array) else sorted(set(uids))
