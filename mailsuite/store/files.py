"""One account on disk: its Maildir, its index, its open folders.

Every method blocks and belongs to the account's writer: one call at a time, in a thread. Layout:
`<account>/Maildir/` (INBOX, and `.A.B` for the others), the databases `index.db` and `fulltext.db`,
and `tmp/` for what is not yet or no longer mail; whatever lies in tmp/ at the start is left over
and thrown away.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mailsuite.base import durable
from mailsuite.base.clock import Clock
from mailsuite.base.log import get_logger
from mailsuite.store import (
    disk,
    facet_rows,
    filename,
    inotify,
    mailbox_rows,
    merge,
    names,
    sidecar,
)
from mailsuite.store.acl import Acl
from mailsuite.store.change import Change
from mailsuite.store.errors import LimitReached, NoSuchMailbox
from mailsuite.store.feed import NameEvent
from mailsuite.store.folder import Folder
from mailsuite.store.fulltext import FullText
from mailsuite.store.index import Index, IndexDamaged
from mailsuite.store.listing import Listing
from mailsuite.store.updates import Update
from mailsuite.store.values import Facets, MailboxInfo, Quota

log = get_logger("store")
MAILDIR = "Maildir"
SPECIAL_USES = {
    "Drafts": "\\Drafts",
    "Sent": "\\Sent",
    "Junk": "\\Junk",
    "Trash": "\\Trash",
    "Archive": "\\Archive",
}
VALIDITY_BLOCK = 100
MAX_ORIGINS = 50_000
LEFTOVERS_AT_ONCE = 1000
_token = f"{os.getpid():x}r{secrets.token_hex(3)}".replace("D", "d")
_counter = itertools.count()
_host = filename.safe_host(socket.gethostname())


@dataclass(slots=True)
class AccountFiles:
    """Paths, index and open folders of an account.

    limits   what the account may keep, asked anew each time; may raise StoreUnavailable
    updates  what was merged on the way; the writer takes it from here after each job
    events   the same of mailbox names: created, renamed (INBOX), subscribed, unsubscribed
    acls     lists by mailbox name, of those that have one; None: not looked for
    looked   mailboxes not opened, but looked at for their counts; never changed
    uses     special uses by folder name, as far as they have been read
    infos    what it was made from, and the list of mailboxes, also by name
    links    files of the queue can be hard-linked into the mailboxes, as far as is known
    counted  the index has a row for every mailbox on disk, and none besides (see `usage`)
    origins  copies whose header blocks and facets are still to be taken from there: rows by rows
    tells_all  a watch tells of every change: no other machine's file system, no symbolic link
    """

    root: Path
    clock: Clock
    facets: Facets
    limits: Callable[[], Quota] = Quota
    maildir: Path = field(init=False)
    tmp: Path = field(init=False)
    index: Index = field(init=False)
    fulltext: FullText = field(init=False)
    tree: Listing = field(init=False)
    folders: dict[str, Folder] = field(default_factory=dict)
    updates: list[Update] = field(default_factory=list)
    events: list[NameEvent] = field(default_factory=list)
    acls: dict[str, Acl] | None = None
    is_open: bool = False
    was_open: bool = False
    counted: bool = False
    looked: dict[str, Folder] = field(default_factory=dict)
    uses: dict[str, str | None] = field(default_factory=dict)
    infos: tuple[object, tuple[list[MailboxInfo], dict[str, MailboxInfo]]] | None = None
    tells_all: bool = False
    links: bool = True
    origins: dict[int, int] = field(default_factory=dict)
    _validities: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        self.maildir = self.root / MAILDIR
        self.tmp = self.root / "tmp"
        self.tree = Listing(self.maildir, self.clock)
        self.index = Index(self.root / "index.db", self.facets)
        self.fulltext = FullText(self.root / "fulltext.db", self.index)

    # -- life --------------------------------------------------------------------------------------

    def open(self) -> None:
        """Make ready for use; makes the account when it is new. Does nothing when it is open."""
        if self.is_open:
            return
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.tmp.mkdir(mode=0o700, exist_ok=True)
        if not self.was_open:
            for leftover in self.tmp.iterdir():
                disk.throw_away(leftover)
        if not self.maildir.is_dir():
            self._make_account()
        above = (self.maildir, self.root, self.root.parent)
        linked = any(path.is_symlink() for path in above)
        self.tells_all = not linked and inotify.tells_all(str(self.maildir))
        with self.index.transaction() as db:
            held = "(SELECT id FROM held)"
            db.execute(f"DELETE FROM header WHERE id IN {held}")
            db.execute(f"DELETE FROM facet WHERE id IN {held}")
            known = "(SELECT number FROM derivation)"
            db.execute(f"DELETE FROM derived WHERE number IN {known} AND id IN {held}")
            db.execute("DELETE FROM held")
            while facet_rows.clear_leftovers(db, LEFTOVERS_AT_ONCE):
                pass
        self.is_open = self.was_open = True

    def close(self) -> None:
        """Write exact numbers and give files back; `open` can follow."""
        for folder in self.folders.values():
            try:
                with contextlib.suppress(NoSuchMailbox):  # another program removed it
                    folder.flush()
            except OSError as error:
                # What was reserved is skipped, as after a crash.
                log.warning("numbers not written", path=str(folder.path), reason=str(error))
        self.folders.clear()
        self.counted = False
        self.uses.clear()
        self.looked.clear()
        self.infos = None
        self.origins.clear()
        self.tree.forget()
        self.fulltext.close()
        self.acls = None
        self.index.close()
        self.is_open = False

    def rebuild_index(self) -> None:
        """Begin the index anew and fill it from the files; open folders keep their identity."""
        with self.fulltext.held():
            self._rebuild_index()

    def _rebuild_index(self) -> None:
        self.index.reset()
        self.counted = False
        self.looked.clear()
        self.origins.clear()
        with self.index.transaction() as db:
            for folder in self.folders.values():
                folder.adopt_from, folder.adopt_below = 1, folder.uidnext
                folder.known, folder.sure, folder.journal = (-1, -1), False, 0
                folder.history_lost()
                folder.messages = folder.size = folder.unseen = folder.deleted = 0
                folder.insert(db)
        for folder in list(self.folders.values()):
            with contextlib.suppress(NoSuchMailbox):
                merge.catch_up(self, folder)
        self.updates.clear()

    def _make_account(self) -> None:
        """Build the first mailboxes aside, so that they appear all at once."""
        aside = self.tmp / f"{MAILDIR}.new"
        greatest = max(int(self.clock.now()), 1)
        for number, name in enumerate([names.INBOX, *SPECIAL_USES]):
            path = aside / names.to_folder(name)
            disk.make_maildir(path)
            sidecar.MailboxSidecar(
                uidvalidity=greatest + number,
                mailboxid=sidecar.new_mailboxid(),
                special_use=SPECIAL_USES.get(name),
            ).write(path)
        sidecar.write_greatest_uidvalidity(aside, greatest + len(SPECIAL_USES))
        sidecar.write_subscriptions(aside, {names.INBOX, *SPECIAL_USES})
        aside.rename(self.maildir)
        for path in (self.root, self.root.parent, self.root.parent.parent):
            durable.fsync_dir(path)

    # -- names of files ----------------------------------------------------------------------------

    def new_base(self, mark: str | None = None) -> str:
        """A file name base that no other message has; `mark`: of a delivery."""
        return filename.make_base(self.clock.now(), _token, next(_counter), _host, mark)

    def scratch(self) -> str:
        """A path in tmp/ that nobody has used."""
        return f"{self.tmp}/{self.new_base()}"

    # -- facets ------------------------------------------------------------------------------------

    def inherit(self, original: int, copy: int) -> None:
        """A message has been copied: its header block and facets will be the same (row ids)."""
        if len(self.origins) < MAX_ORIGINS:  # of the rest they are computed
            self.origins[copy] = self.origins.get(original, original)

    # -- folders -----------------------------------------------------------------------------------

    def new_uidvalidity(self) -> int:
        """Greater than every UIDVALIDITY this account has given.

        Reserved durably in blocks before it is used, so it may run ahead of the clock a little.
        """
        greatest = self._validities[0] or sidecar.read_greatest_uidvalidity(self.maildir)
        if not greatest:
            known = (sidecar.read_mailbox(self.maildir / name) for name in self.listing())
            greatest = max((one.uidvalidity for one in known if one is not None), default=0)
        value = max(greatest + 1, int(self.clock.now()))
        if value > sidecar.MAX_UIDVALIDITY:
            value = greatest + 1
        if value > sidecar.MAX_UIDVALIDITY:
            raise LimitReached("the account has no UIDVALIDITY left")
        reserved = self._validities[1]
        if value > reserved:
            reserved = min(value + VALIDITY_BLOCK, sidecar.MAX_UIDVALIDITY)
            with self.tree.changing():
                sidecar.write_greatest_uidvalidity(self.maildir, reserved)
        self._validities = (value, reserved)
        return value

    def note_uidvalidity(self, value: int) -> None:
        """A UIDVALIDITY that comes from elsewhere: those of new mailboxes will be greater."""
        greatest, reserved = self._validities
        if value > max(reserved, sidecar.read_greatest_uidvalidity(self.maildir)):
            with self.tree.changing():
                sidecar.write_greatest_uidvalidity(self.maildir, value)
            self._validities = (value, value)
        elif greatest:
            self._validities = (max(greatest, value), reserved)

    def listing(self) -> dict[str, str]:
        """Folder name -> mailbox name, of all mailboxes on disk."""
        return self.tree.folders()

    def drop(self, folder: Folder) -> None:
        """The mailbox is gone: forget it, and tell its view."""
        self.counted = False
        self.acls = None
        self.uses.pop(folder.name, None)
        if self.folders.pop(folder.name, None) is not None:
            self.updates.append(Update(folder, 0, deleted=True))

    def find(self, name: str) -> str | None:
        """The folder name of a mailbox, None when it does not exist."""
        folder = names.to_folder(name)
        if disk.is_folder(f"{self.maildir}/{folder}"):
            return folder
        return self.tree.folder_of(name)

    def has_open(self, mailboxes: Iterable[str]) -> bool:
        """These (canonical names) have been opened: to append to them is soon done."""
        return self.is_open and all(names.to_folder(name) in self.folders for name in mailboxes)

    def resolve(self, name: str, *, claim: bool = False) -> Folder:
        """The folder of a canonical mailbox name. Raises NoSuchMailbox."""
        folder = self.find(name)
        if folder is None:
            lost = self.folders.get(names.to_folder(name))
            if lost is not None:
                self.drop(lost)
            raise NoSuchMailbox(name)
        return self.folder(folder, claim=claim)

    def folder(self, name: str, *, claim: bool = False) -> Folder:
        """An existing folder by its own name; opened, and in step with its files, at first use.

        `claim`: see `merge.merge`.
        """
        folder = self.folders.get(name)
        if folder is None:
            folder = self.open_folder(name)
            self.folders[name] = folder
            folder.tells_all = not disk.is_linked(folder.path)
            self.looked.pop(name, None)
            try:
                merge.catch_up(self, folder, claim=claim)
            except BaseException:
                self.folders.pop(name, None)
                raise
        return folder

    def open_folder(self, name: str) -> Folder:
        """Read sidecar and index row; make them where they are missing."""
        path = self.maildir / name
        found = sidecar.read_mailbox(path)
        if found is None or self._is_copy(name, found.mailboxid):
            return self._adopt_folder(name, path)
        disk.make_maildir(path)
        folder = Folder(0, name, path, found)
        with self.index.transaction() as db:
            folder.id = mailbox_rows.mailbox_with(db, found.mailboxid, found.uidvalidity)
            for other in mailbox_rows.mailboxes_at(db, name):
                if other != folder.id:
                    mailbox_rows.drop_mailbox(db, other)
            if folder.load(db):
                folder.prune(db)
                folder.save(db)
            else:
                if folder.uidnext > 1:
                    folder.history_lost()
                folder.insert(db)
        return folder

    def _is_copy(self, name: str, mailboxid: str) -> bool:
        """Someone has copied a whole folder, sidecar and all: only the first one is genuine."""
        with self.index.reader() as db:
            row = db.execute(
                "SELECT folder FROM mailbox WHERE mailboxid = ?", (mailboxid,)
            ).fetchone()
        if row is None or row[0] == name:
            return False
        original = sidecar.read_mailbox(self.maildir / row[0])
        return original is not None and original.mailboxid == mailboxid

    def _adopt_folder(self, name: str, path: Path) -> Folder:
        """A folder without our sidecar: made by another program, or the sidecar was lost."""
        disk.make_maildir(path)
        mailbox = names.from_folder(name)
        use = SPECIAL_USES.get(mailbox or "")
        with self.index.reader() as db:
            if use in mailbox_rows.special_uses(db).values():
                use = None
        made = sidecar.MailboxSidecar(
            uidvalidity=self.new_uidvalidity(),
            mailboxid=sidecar.new_mailboxid(),
            special_use=use,
        )
        folder = Folder(0, name, path, made)
        folder.adopt_below = 1 << 31
        folder.write_sidecar()
        with self.index.transaction() as db:
            for other in mailbox_rows.mailboxes_at(db, name):
                mailbox_rows.drop_mailbox(db, other)
            folder.insert(db)
        return folder

    def take_events(self) -> list[NameEvent]:
        """What has happened to names since the last call."""
        taken, self.events = self.events, []
        return taken

    def take_updates(self) -> list[Update]:
        """What has been merged since the last call."""
        taken, self.updates = self.updates, []
        return taken

    def move_on(self, folder: Folder) -> None:
        """Something else than its messages has changed: a new HIGHESTMODSEQ (RFC 7162 §3.2)."""
        modseq = folder.take_modseq()
        with self.index.transaction() as db:
            folder.save(db)
        self.updates.append(Update(folder, modseq))

    @contextlib.contextmanager
    def changing(self, *folders: Folder) -> Iterator[Change]:
        """Change files and rows of these folders, all or nothing (see `Change`)."""
        for folder in folders:
            folder.before_change()
        change = Change(self, folders)
        try:
            yield change
        except BaseException:
            change.undo_all()
            with contextlib.suppress(IndexDamaged), self.index.reader() as db:
                for folder in folders:
                    folder.restore_totals(db)
            for folder in folders:
                with contextlib.suppress(NoSuchMailbox):
                    folder.after_change()
            raise
        finally:
            change.close()
