"""The mailboxes of one account that are in memory: loaded, kept up to date, dropped.

Promises: a mailbox has one view, whatever it is called and however many sessions have it open; the
columns of a view that goes are kept in the index, so that the next one need not read every row.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from mailsuite.store import merge, records, sidecar, snapshot
from mailsuite.store.acl import Acl
from mailsuite.store.folder import Folder
from mailsuite.store.mailbox import Mailbox
from mailsuite.store.records import Columns
from mailsuite.store.updates import Update

if TYPE_CHECKING:
    from mailsuite.store.account import AccountStore


class Views:
    """Of one account. Loop thread only."""

    def __init__(
        self, account: AccountStore, on_idle: Callable[[AccountStore, Mailbox], None]
    ) -> None:
        """`on_idle` is told of mailboxes that nobody uses any more, so that they can be dropped."""
        self._account = account
        self._on_idle = on_idle
        self._views: dict[str, Mailbox] = {}  # by mailboxid
        self._loading = 0

    async def open(self, name: str, *, claim: bool) -> Mailbox:
        """As `AccountStore.open`, of a canonical name."""
        mailbox = self.named(name)
        if mailbox is None:
            self._loading += 1
            try:
                mailbox = await self._account.writer.run(
                    lambda: self._load(name, claim), self._show
                )
                mailbox.references += 1
            finally:
                self._loading -= 1
            return mailbox
        mailbox.references += 1
        try:
            await mailbox.refresh(claim=claim)
        except BaseException:
            mailbox.release()
            raise
        return mailbox

    def named(self, name: str) -> Mailbox | None:
        """The view of a mailbox (canonical name) that is in memory, refreshed or not."""
        return next((one for one in self._views.values() if one.name == name), None)

    def take_in(self, update: Update) -> None:
        """Bring the view of a mailbox that has changed up to date, and tell its listeners."""
        view = self._views.get(update.mailboxid)
        if view is not None:
            view.take_in(update)
            if update.deleted:
                del self._views[update.mailboxid]
        elif update.kept and update.expunged:
            # Kept for sessions, and there are none.
            self._account.clearing.let_go(update.folder, update.expunged)

    async def take_anew(self) -> None:
        """Compare all with an index that has been rebuilt."""
        for view in list(self._views.values()):
            columns = await self._account.threads.run(self._columns, view.folder)
            view.replace(columns, view.folder)
            self._account.indexer.notice(view.folder)

    @property
    def in_use(self) -> bool:
        """Does somebody use one, or is about to?"""
        return bool(self._loading) or any(view.references for view in self._views.values())

    def idle(self, mailbox: Mailbox) -> None:
        """Nobody uses this mailbox any more."""
        self._on_idle(self._account, mailbox)

    def forget(self, mailbox: Mailbox) -> None:
        """Drop a view that nobody uses."""
        if not mailbox.references and self._views.get(mailbox.mailboxid) is mailbox:
            del self._views[mailbox.mailboxid]
            if self._account.files.is_open:
                self._keep(mailbox)

    def forget_all(self) -> list[Callable[[], None]]:
        """Drop all; jobs for the writer, which keep their columns."""
        calls = [call for view in self._views.values() if (call := self._to_keep(view)) is not None]
        self._views.clear()
        return calls

    # -- loading -----------------------------------------------------------------------------------

    def _load(self, name: str, claim: bool) -> tuple[Folder, str, Columns, Acl]:
        files = self._account.files
        folder = files.resolve(name, claim=claim)
        merge.refresh(files, folder, claim=claim)
        with files.index.reader() as db:
            columns = snapshot.read(db, folder.id) or records.columns(db, folder.id)
        folder.keywords()
        return folder, name, columns, sidecar.read_acl(folder.path)

    def _show(self, loaded: tuple[Folder, str, Columns, Acl]) -> Mailbox:
        """On the loop, before the next job: the view of what has just been loaded."""
        folder, name, columns, acl = loaded
        mailbox = self._views.get(folder.sidecar.mailboxid)
        if mailbox is None:
            mailbox = Mailbox(self._account, folder, name)
            mailbox.uidnext = folder.uidnext
            mailbox.highestmodseq = folder.highestmodseq
            mailbox.first_recent = folder.first_recent
            mailbox.totals = folder.totals
            mailbox.acl = acl
            mailbox.fill(columns)
            self._views[mailbox.mailboxid] = mailbox
            self.idle(mailbox)
            self._account.indexer.notice(folder)
            self._keep(mailbox)
        return mailbox

    def _columns(self, folder: Folder) -> Columns:
        with self._account.files.index.reader() as db:
            return records.columns(db, folder.id)

    # -- keeping -----------------------------------------------------------------------------------

    def _keep(self, view: Mailbox) -> None:
        if (call := self._to_keep(view)) is not None:
            self._account.tasks.start(self._account.writer.do(call), "snapshot")

    def _to_keep(self, view: Mailbox) -> Callable[[], None] | None:
        """A job that keeps a view's columns in the index; None: they are kept, or soon read."""
        behind = view.snapshot != view.highestmodseq + 1
        if view.gone or not behind or len(view.uids) < snapshot.WORTH_FROM:
            return None
        columns = view.columns()
        view.snapshot = columns.modseq
        return partial(snapshot.keep, self._account.files, view.folder, columns)
