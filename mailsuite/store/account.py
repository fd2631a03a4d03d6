"""One account's mail: its mailboxes, and everything that concerns more than one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from mailsuite.base.tasks import Tasks, Threads, committed
from mailsuite.base.turns import Turns
from mailsuite.store import (
    disk,
    names,
    takeover,
    transfer,
    tree,
    usage,
)
from mailsuite.store import replace as replacing
from mailsuite.store.appending import Appending
from mailsuite.store.attachment import Attachment
from mailsuite.store.background import Background
from mailsuite.store.clearing import Clearing
from mailsuite.store.counts import Counts
from mailsuite.store.errors import NoSuchMailbox, StoreUnavailable
from mailsuite.store.feed import Feed
from mailsuite.store.files import AccountFiles
from mailsuite.store.filler import Filler
from mailsuite.store.flags import EVERY_FLAG, Scope
from mailsuite.store.folder import Folder
from mailsuite.store.index import IndexDamaged
from mailsuite.store.indexer import Indexer
from mailsuite.store.mailbox import Mailbox
from mailsuite.store.prepared import Request
from mailsuite.store.rounds import Rounds
from mailsuite.store.temp import TempMessage
from mailsuite.store.updates import Update
from mailsuite.store.values import (
    Appended,
    Copied,
    MailboxInfo,
    NewMessage,
    Quota,
    Status,
    Usage,
)
from mailsuite.store.views import Views
from mailsuite.store.watcher import Watcher
from mailsuite.store.writer import Writer, refused

T = TypeVar("T")


class AccountStore:
    """Made by `Store.account`; lives as long as the store."""

    def __init__(
        self,
        address: str,
        files: AccountFiles,
        threads: Threads,
        rounds: Rounds,
        reads: Turns,
        on_idle: Callable[[AccountStore, Mailbox], None],
        background: Background,
        watcher: Watcher,
        arrived: Callable[[str], None],
    ) -> None:
        """`on_idle` is told of mailboxes that nobody uses any more, so that they can be dropped.

        `reads` are taken to read many small files one account after the other.
        `background` tells when background work may go on; `watcher` notices what other programs do.
        `arrived` is told the names of mailboxes into which messages have come.
        """
        self.address = address
        self.watcher = watcher
        self.files = files
        self.threads = threads
        self.reads = reads
        self.tasks = Tasks(f"store:{address}")
        self.feed = Feed()
        self.writer = Writer(files, threads, rounds, self.tasks, self)
        self.indexer = Indexer(files, threads, self.tasks, background, lambda: self.writer.busy)
        self._arrived = arrived
        self.views = Views(self, on_idle)
        self.counts = Counts(self)
        self._appending = Appending(files, threads, self.writer)
        self._filler = Filler(self, background)
        self.clearing = Clearing(self, self._filler)

    # -- the tree ----------------------------------------------------------------------------------

    async def mailboxes(self) -> list[MailboxInfo]:
        """All names, sorted (INBOX first, then by code point, level by level).

        Also levels that have only children, and subscriptions without a mailbox (exists False).
        """
        return await self.writer.do(lambda: tree.mailboxes(self.files))

    async def mailbox(self, name: str) -> MailboxInfo | None:
        """What `mailboxes` tells of one name, at the cost of one; None: nothing."""
        return await self.writer.do(lambda: tree.mailbox(self.files, name))

    async def create(self, name: str, *, special_use: str | None = None) -> str:
        """Make a mailbox, and the levels above it; its mailboxid.

        Raises MailboxExists, InvalidName; CannotChange for a special use that is not one or that
        another mailbox has.
        """
        name = names.canonical(name)
        return await self._commit(lambda: tree.create(self.files, name, special_use))

    async def set_special_use(self, name: str, use: str | None) -> list[str]:
        """Give a mailbox a special use, which goes over from another that has it; None: none.

        The names of the mailboxes for which this changed something. Raises NoSuchMailbox,
        CannotChange.
        """
        name = names.canonical(name)
        return await self._commit(lambda: tree.set_special_use(self.files, name, use))

    async def take_over(
        self, name: str, uidvalidity: int, uidnext: int, *, whole: bool = False, form: str = ""
    ) -> bool:
        """Let an empty mailbox go on under UIDVALIDITY and UIDs that it had elsewhere.

        UIDs below `uidnext` then go only to messages that bring theirs (`NewMessage.uid`), until
        it is `whole`. For sessions that have it open it is another mailbox from then on. Whether
        the mailbox has that UIDVALIDITY now: False, and nothing changed, when it holds messages
        under another one. `form`, of its messages' unique ids there (`store.unique_ids`), is taken
        over with the UIDs. Raises NoSuchMailbox, CannotChange for numbers that can't be.
        """
        name = names.canonical(name)
        numbers = (uidvalidity, uidnext)
        taken = await self._commit(
            lambda: takeover.take_over(self.files, name, *numbers, whole=whole, form=form)
        )
        self.counts.changed(names.to_folder(name))
        return taken

    async def delete(self, name: str) -> None:
        """Remove a mailbox and its messages; mailboxes below it stay (RFC 9051 §6.3.5).

        Raises NoSuchMailbox; CannotChange for INBOX, HasChildren for a mere level above others.
        """
        name = names.canonical(name)
        aside = await self._commit(lambda: tree.delete(self.files, name))
        self.tasks.start(self.threads.run(disk.throw_away, aside), "throw away")

    async def rename(self, old: str, new: str) -> None:
        """Rename a mailbox and all below it. INBOX: its messages move, it stays (§6.3.6).

        Raises NoSuchMailbox, MailboxExists, InvalidName, CannotChange.
        """
        old, new = names.canonical(old), names.canonical(new)
        await self._commit(lambda: tree.rename(self.files, old, new))

    async def subscribe(self, name: str) -> None:
        """Put a name into the short list, whether the mailbox exists or not. InvalidName."""
        name = names.canonical(name)
        await self._commit(lambda: tree.subscribe(self.files, name, True))

    async def unsubscribe(self, name: str) -> None:
        """Take a name out of the short list; no error if it is not in."""
        name = names.canonical(name)
        await self._commit(lambda: tree.subscribe(self.files, name, False))

    # -- mailboxes ---------------------------------------------------------------------------------

    async def open(self, name: str, *, claim: bool = False) -> Mailbox:
        r"""The mailbox's shared view, refreshed; to be given back by `Mailbox.release`.

        `claim`: a session is about to attach that takes new messages as \Recent. Raises
        NoSuchMailbox, InvalidName, StoreUnavailable.
        """
        return await self.views.open(names.canonical(name), claim=claim)

    async def require(self, name: str) -> None:
        """Raises NoSuchMailbox, InvalidName."""
        if not await self.counts.exists(names.canonical(name)):
            raise NoSuchMailbox(name)

    async def status(self, name: str) -> Status:
        """Counts of a mailbox without opening it. Raises NoSuchMailbox, InvalidName."""
        name = names.canonical(name)
        status = self.counts.known(name)
        if status is None:
            status = (await self.counts.of([name])).get(name)
        if status is None:
            raise NoSuchMailbox(name)
        return status

    async def statuses(self, wanted: Iterable[str]) -> dict[str, Status]:
        """The same of many mailboxes in one go; without those that do not exist."""
        return await self.counts.of(wanted)

    # -- quota -------------------------------------------------------------------------------------

    def quota(self) -> Quota:
        """What the account may keep at this moment. Raises StoreUnavailable."""
        return self.files.limits()

    async def usage(self) -> Usage:
        """What the account keeps in all its mailboxes."""
        await self._counted()
        return await self.beside_writer(lambda: usage.usage(self.files))

    async def admit(self, messages: int, octets: int) -> None:
        """Raises OverQuota when so much more would not be allowed; nothing is reserved."""
        if self.quota().limited:
            await self._counted()
            await self.beside_writer(lambda: usage.compare(self.files, messages, octets))

    async def _counted(self) -> None:
        if not self.files.counted:
            await self.writer.do(lambda: usage.count(self.files))

    # -- messages ----------------------------------------------------------------------------------

    async def new_temp(self) -> TempMessage:
        """Room for a message that is still coming in."""
        return TempMessage(self.files.scratch(), self.threads)

    async def append(self, name: str, messages: Sequence[NewMessage]) -> Appended:
        """Append messages, all or none; durable when it returns; never cut short half-way.

        Raises NoSuchMailbox, OverQuota, LimitReached, CannotChange, StoreUnavailable.
        """
        return await self._appending.append(names.canonical(name), messages)

    async def replace(
        self,
        source: Mailbox,
        uid: int,
        target: str,
        message: NewMessage,
        *,
        origin: Attachment | None = None,
    ) -> Appended:
        """Append a message, then remove another (RFC 8508): both, or none of it.

        Raises MessageGone (`uid`), and as `append`.
        """
        folder = source.folder

        def submit(request: Request) -> Awaitable[Appended]:
            def call() -> Appended:
                return replacing.replace(self.files, request, folder, uid, origin=origin)

            return self.change(folder, call)

        return await self._appending.submit(names.canonical(target), [message], submit)

    async def copy(
        self,
        source: Mailbox,
        uids: Sequence[int],
        target: str,
        *,
        within: Scope = EVERY_FLAG,
        all_or_none: bool = False,
    ) -> Copied:
        """Copy messages, with flags, keywords (as far as `within`) and internal date.

        Those that are gone are left out, or (`all_or_none`) none is copied. Raises NoSuchMailbox
        (the target, or the source has been deleted), OverQuota, LimitReached, MessageGone,
        StoreUnavailable.
        """
        target, folder = names.canonical(target), source.folder

        def call() -> Copied:
            return transfer.copy(
                self.files, folder, uids, target, within=within, all_or_none=all_or_none
            )

        return await self.change(folder, call)

    async def move(
        self,
        source: Mailbox,
        uids: Sequence[int],
        target: str,
        *,
        within: Scope = EVERY_FLAG,
        origin: Attachment | None = None,
    ) -> Copied:
        """Move messages, all or none (RFC 6851). `origin`: the session's Attachment on source."""
        target, folder = names.canonical(target), source.folder

        def call() -> Copied:
            keep = source.others_than(origin)
            return transfer.move(
                self.files, folder, uids, target, keep=keep, within=within, origin=origin
            )

        return await self.change(folder, call)

    # -- for the mailboxes of this account ---------------------------------------------------------

    async def change(self, folder: Folder, call: Callable[[], T]) -> T:
        """A commit point: a writer job on an open folder. Raises NoSuchMailbox if it is gone."""

        def checked() -> T:
            if self.files.folders.get(folder.name) is not folder:
                raise NoSuchMailbox(folder.name)
            return call()

        return await self._commit(checked)

    async def _commit(self, call: Callable[[], T]) -> T:
        return await committed(self.writer.do(call))

    async def beside_writer(self, call: Callable[[], T]) -> T:
        """Run a reading call in a thread at once; a damaged index is rebuilt on the way."""
        try:
            try:
                return await self.threads.run(call)
            except IndexDamaged:
                await self.writer.do(self.files.index.check)
                return await self.threads.run(call)
        except IndexDamaged as error:
            raise StoreUnavailable("the index cannot be read") from error
        except OSError as error:
            raise refused(self.files, error) from error

    # -- what the writer calls ---------------------------------------------------------------------

    def take_in(self, updates: list[Update], actor: object | None) -> None:
        """Bring views up to date, tell their listeners, and have facets computed."""
        for update in updates:
            update.actor = actor
            if update.deleted:
                self.indexer.forget(update.folder)
            elif update.appended or update.expunged:
                self.indexer.changed(update.folder)
            if update.appended:
                self._arrived(names.from_folder(update.folder.name) or "")
            self.views.take_in(update)
            if update.appended:
                self._filler.notice(update.folder, [uid for uid, _ in update.appended])
            if update.expunged:
                self.clearing.notice(len(update.expunged))
        self.counts.take_in(updates)
        self.feed.publish(updates, self.files.take_events(), actor)

    async def take_anew(self) -> None:
        """Compare all views with an index that has been rebuilt."""
        self.counts.forget()
        await self.views.take_anew()

    # -- life --------------------------------------------------------------------------------------

    async def rest(self) -> None:
        """Give index and memory back, unless somebody uses the account; it wakes up by itself."""
        in_use = self.views.in_use or self._appending.active
        if in_use or self.writer.busy or self._filler.active or self.indexer.active:
            return
        self.counts.forget()
        await self._close_files()

    async def close(self) -> None:
        """Finish what is under way and write exact numbers."""
        self._filler.stop()
        self.indexer.stop()
        while len(self.tasks):
            await self.tasks.wait()
        await self._close_files()
        while len(self.tasks):
            await self.tasks.wait()
        self._filler.resume()
        self.indexer.resume()

    async def _close_files(self) -> None:
        """Forget all views, but keep their columns in the index; give the files back."""
        calls = self.views.forget_all()

        def close() -> None:
            for call in calls:
                call()
            self.files.close()

        if self.files.is_open:
            await self.writer.do(close)
