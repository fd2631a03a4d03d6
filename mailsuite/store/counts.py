"""What STATUS tells of an account's mailboxes, from the cheapest that surely knows it.

Also just whether they exist. The cheapest is the view, where sessions have the mailbox selected and
nothing has happened that it does not know; then a glance, where it has been counted before and
nothing has happened since; else the account's writer, all mailboxes in one go. Loop thread only.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from mailsuite.store import names, tree
from mailsuite.store.glance import Glance
from mailsuite.store.lineage import Lineage
from mailsuite.store.updates import Update
from mailsuite.store.values import Status

if TYPE_CHECKING:
    from mailsuite.store.account import AccountStore
    from mailsuite.store.mailbox import Mailbox

MAX_THERE = 1000


class Counts:
    """One account's."""

    def __init__(self, account: AccountStore) -> None:
        self._account = account
        self._lineage: Lineage | None = None
        self._there: dict[str, int] = {}
        """In which generation a mailbox was seen to exist."""

    async def exists(self, name: str) -> bool:
        """Whether there is a mailbox of this canonical name."""
        files, lineage = self._account.files, self._take_lineage()
        drained = lineage is not None and self._account.watcher.is_drained
        generation = lineage.generation if lineage is not None and drained else -1
        if drained and self._there.get(name) == generation:
            return True
        there = await self._account.beside_writer(lambda: files.find(name)) is not None
        if there and drained:
            if len(self._there) >= MAX_THERE:
                self._there.clear()
            self._there[name] = generation
        return there

    def _take_lineage(self) -> Lineage | None:
        files, watcher = self._account.files, self._account.watcher
        if self._lineage is None and files.tells_all:
            self._lineage = watcher.lineage(files.maildir)
        return self._lineage

    async def of(self, wanted: Iterable[str]) -> dict[str, Status]:
        """By canonical name, without those that do not exist. Raises InvalidName."""
        found: dict[str, Status] = {}
        unknown: list[str] = []
        for name in map(names.canonical, wanted):
            known = self.known(name)
            if known is None:
                unknown.append(name)
            else:
                found[name] = known
        if unknown:
            found.update(await self._count(unknown))
        return found

    def take_in(self, updates: Iterable[Update]) -> None:
        """These mailboxes have changed."""
        for update in updates:
            self.changed(update.folder.name)

    def changed(self, folder: str) -> None:
        """What STATUS tells of this mailbox, by its folder's name, is something else now."""
        self._account.watcher.glances.end(self._account.files.maildir, folder)

    def forget(self) -> None:
        """Know nothing any more, and watch nothing for it."""
        maildir, watcher = self._account.files.maildir, self._account.watcher
        watcher.glances.end_below(maildir)
        self._there.clear()
        if self._lineage is not None:
            watcher.lineages.give_back(maildir, self._lineage)
            self._lineage = None

    def known(self, name: str) -> Status | None:
        """What is known of a mailbox (canonical name) without a look at the disk."""
        account = self._account
        view = account.views.named(name)
        if view is None or not view.attached:
            folder = names.to_folder(name)
            return account.watcher.glances.find(account.files.maildir, folder)
        totals = view.totals
        if totals.deleted or not account.watcher.is_quiet(view):
            return None
        return Status(
            messages=totals.messages,
            recent=len(view.uids) - bisect_left(view.uids, view.first_recent),
            unseen=totals.unseen,
            deleted=0,
            deleted_size=0,
            uidnext=view.uidnext,
            uidvalidity=view.uidvalidity,
            size=totals.size,
            highestmodseq=view.highestmodseq,
            mailboxid=view.mailboxid,
        )

    async def _count(self, wanted: Sequence[str]) -> dict[str, Status]:
        account = self._account
        claimed: dict[str, int] = {}
        begun: dict[str, Glance] = {}
        views: dict[str, tuple[Mailbox, int]] = {}
        for name in wanted:
            view = account.views.named(name)
            if view is not None:
                claimed[name] = view.first_recent
                views[name] = (view, account.watcher.before_look(view))
            attended = view is not None and view.attached
            if not attended and (glance := self._begin(name)) is not None:
                begun[name] = glance
        call = partial(tree.statuses, account.files, wanted, claimed)
        counted = await account.writer.do(call)
        for name, (view, generation) in views.items():
            if name in counted:
                account.watcher.looked(view, generation)
        for name, glance in begun.items():
            status, sure = counted.get(name, (None, False))
            if status is not None and sure:
                glance.status = status
            else:
                account.watcher.glances.drop(glance)
        return {name: status for name, (status, _) in counted.items()}

    def _begin(self, name: str) -> Glance | None:
        files = self._account.files
        if not files.tells_all:
            return None
        return self._account.watcher.glances.begin(files.maildir, names.to_folder(name))
