"""The tree of mailboxes: list, create, delete, rename, subscribe.

A mailbox appears and disappears in one step, by renaming a folder that was built aside. Calls block
and belong to the account's writer.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Mapping, Sequence
from pathlib import Path

from mailsuite.base import durable
from mailsuite.store import (
    disk,
    journal,
    mailbox_rows,
    merge,
    metadata,
    names,
    records,
    sidecar,
    transfer,
)
from mailsuite.store.acl import MAX_ENTRIES, Acl
from mailsuite.store.errors import (
    CannotChange,
    HasChildren,
    LimitReached,
    MailboxExists,
    NoSuchMailbox,
)
from mailsuite.store.files import SPECIAL_USES, AccountFiles
from mailsuite.store.flags import EVERY_FLAG
from mailsuite.store.folder import Folder
from mailsuite.store.updates import Update
from mailsuite.store.values import MailboxInfo, Status

_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


def mailboxes(files: AccountFiles) -> list[MailboxInfo]:
    """All names, levels above others and subscriptions included.

    The list is made anew only when something has changed; it is not to be changed by callers.
    """
    return _infos(files)[0]


def mailbox(files: AccountFiles, name: str) -> MailboxInfo | None:
    """What `mailboxes` has of one name; None: nothing."""
    return _infos(files)[1].get(name)


def _infos(files: AccountFiles) -> tuple[list[MailboxInfo], dict[str, MailboxInfo]]:
    files.tree.look()
    made_from = (files.tree.generation, sidecar.subscriptions_stamp(files.maildir))
    if files.infos is None or files.infos[0] != made_from:
        found = _mailboxes(files, files.listing())
        files.infos = (made_from, (found, {info.name: info for info in found}))
    return files.infos[1]


def _mailboxes(files: AccountFiles, listing: dict[str, str]) -> list[MailboxInfo]:
    uses = _special_uses(files, listing)
    there = {name: uses.get(folder) for folder, name in listing.items()}
    above = {parent for name in there for parent in names.parents(name)}
    subscribed = sidecar.read_subscriptions(files.maildir)
    return [
        MailboxInfo(
            name,
            exists=name in there,
            subscribed=name in subscribed,
            special_use=there.get(name),
            has_children=name in above,
        )
        for name in sorted(there.keys() | above | subscribed, key=_order)
    ]


def _order(name: str) -> tuple[bool, list[str]]:
    levels = name.split("/")
    return levels[0] != names.INBOX, levels


def _special_uses(files: AccountFiles, listing: dict[str, str]) -> dict[str, str]:
    uses = files.uses
    for folder in uses.keys() - listing.keys():
        del uses[folder]
    if missing := listing.keys() - uses.keys():
        with files.index.reader() as db:
            uses.update(mailbox_rows.special_uses(db))
        for folder in missing - uses.keys():  # not opened since the index was made
            found = sidecar.read_mailbox(files.maildir / folder)
            uses[folder] = SPECIAL_USES.get(listing[folder]) if found is None else found.special_use
    return {folder: use for folder in listing if (use := uses[folder]) is not None}


def status(files: AccountFiles, name: str, claimed_before: int) -> tuple[Status, bool]:
    r"""Counts of a mailbox, with what other programs did to it; True: surely all of it.

    `claimed_before`: UIDs below are \Recent for some session already.
    """
    folder_name = names.to_folder(name)
    folder = files.folders.get(folder_name) or files.looked.get(folder_name)
    if folder is not None:
        with contextlib.suppress(NoSuchMailbox):  # by now another folder may have its name
            if merge.is_current(files, folder):
                return _status(files, folder, claimed_before)
    files.looked.pop(folder_name, None)
    folder = _unopened(files, name)
    if folder is not None:
        files.looked[folder.name] = folder
    else:
        folder = files.resolve(name)
        merge.refresh(files, folder)
    return _status(files, folder, claimed_before)


def _status(files: AccountFiles, folder: Folder, claimed_before: int) -> tuple[Status, bool]:
    recent = deleted_size = 0
    first_recent = max(folder.first_recent, claimed_before)
    if folder.messages and (first_recent < folder.uidnext or folder.deleted):
        with files.index.reader() as db:
            recent = records.count_from(db, folder.id, first_recent)
            deleted_size = mailbox_rows.deleted_size(db, folder.id) if folder.deleted else 0
    counts = Status(
        messages=folder.messages,
        recent=recent,
        unseen=folder.unseen,
        deleted=folder.deleted,
        deleted_size=deleted_size,
        uidnext=folder.uidnext,
        uidvalidity=folder.sidecar.uidvalidity,
        size=folder.size,
        highestmodseq=folder.highestmodseq,
        mailboxid=folder.sidecar.mailboxid,
    )
    return counts, folder.sure and folder.tells_all


def _unopened(files: AccountFiles, name: str) -> Folder | None:
    """A mailbox as the index has it, if its files are certainly as they were then; to look at only.

    So that the counts of many mailboxes cost two looks at the disk each, and not an opening.
    """
    folder_name = files.find(name)
    if folder_name is None or folder_name in files.folders:
        return None
    path = files.maildir / folder_name
    found = sidecar.read_mailbox(path)
    if found is None:
        return None
    folder = Folder(0, folder_name, path, found)
    folder.tells_all = not disk.is_linked(path)
    with files.index.reader() as db:
        folder.id = mailbox_rows.mailbox_with(db, found.mailboxid, found.uidvalidity)
        if not folder.id or not folder.load(db):
            return None
    unchanged = folder.sure and folder.times() == folder.known
    return folder if unchanged and folder.journal == journal.size(path) else None


def statuses(
    files: AccountFiles, wanted: Sequence[str], claimed: Mapping[str, int]
) -> dict[str, tuple[Status, bool]]:
    """Counts of several mailboxes, as `status`, without those that do not exist."""
    found: dict[str, tuple[Status, bool]] = {}
    for name in wanted:
        with contextlib.suppress(NoSuchMailbox):
            found[name] = status(files, name, claimed.get(name, 0))
    return found


def create(files: AccountFiles, name: str, special_use: str | None) -> str:
    """Make a mailbox and the levels above it; its mailboxid."""
    if special_use is not None:
        if special_use not in SPECIAL_USES.values():
            raise CannotChange(f"no mailbox can be made for {special_use}")
        if special_use in _special_uses(files, files.listing()).values():
            raise CannotChange(f"there is a mailbox for {special_use} already")
    if files.find(name) is not None:
        raise MailboxExists(name)
    for parent in names.parents(name):
        if files.find(parent) is None:
            _make(files, parent, None)
    return _make(files, name, special_use)


def _make(files: AccountFiles, name: str, special_use: str | None) -> str:
    aside = Path(files.scratch())
    folder = names.to_folder(name)
    disk.make_maildir(aside)
    try:
        sidecar.MailboxSidecar(
            uidvalidity=files.new_uidvalidity(),
            mailboxid=(mailboxid := sidecar.new_mailboxid()),
            special_use=special_use,
        ).write(aside)
        _inherit(files, name, aside)
        try:
            with files.tree.changing():
                aside.rename(files.maildir / folder)
                files.tree.add(folder, name)
        except OSError as error:
            if error.errno in _TAKEN:
                raise MailboxExists(name) from error
            raise
    except BaseException:
        disk.throw_away(aside)
        raise
    files.uses[folder] = special_use
    files.events.append(("created", name, ""))
    durable.fsync_dir(files.maildir)
    return mailboxid


def _inherit(files: AccountFiles, name: str, aside: Path) -> None:
    """A new mailbox is open to those to whom the one above it is (RFC 4314 §4)."""
    parent, _, _ = name.rpartition("/")
    folder = files.find(parent) if parent else None
    if folder is not None and (inherited := sidecar.read_acl(files.maildir / folder)).entries:
        sidecar.write_acl(aside, inherited)
        files.acls = None


def acls(files: AccountFiles) -> dict[str, Acl]:
    """The lists of all mailboxes that have one, by name."""
    if files.acls is None:
        listing = files.listing().items()
        found = {name: sidecar.read_acl(files.maildir / folder) for folder, name in listing}
        files.acls = {name: entries for name, entries in found.items() if entries.entries}
    return files.acls


def change_acl(
    files: AccountFiles, name: str, identifier: str, operation: str, rights: str, since: float
) -> dict[str, Acl]:
    """Change a mailbox's list; all lists of the account, as they are then."""
    folder = files.resolve(name)
    entries = sidecar.read_acl(folder.path).changed(
        identifier, operation, rights, since=since, now=files.clock.now()
    )
    if len(entries.entries) > MAX_ENTRIES:
        raise LimitReached("the access control list is full")
    known = acls(files)
    sidecar.write_acl(folder.path, entries)
    files.acls = {one: its for one, its in known.items() if one != name}
    if entries.entries:
        files.acls[name] = entries
    files.updates.append(Update(folder, 0, acl=entries))
    return files.acls


def set_special_use(files: AccountFiles, name: str, use: str | None) -> list[str]:
    """Give a mailbox a special use, or take it away; the names of those that have another one now.

    The use goes over from the mailbox that had it (RFC 6154 §5.4).
    """
    if use is not None and use not in SPECIAL_USES.values():
        raise CannotChange(f"no mailbox can be used for {use}")
    listing = files.listing()
    folder = files.resolve(name)
    changed = []
    if use is not None:
        for other, its_use in _special_uses(files, listing).items():
            if its_use == use and other != folder.name:
                _set_use(files, files.folder(other), None)
                changed.append(listing[other])
    if folder.sidecar.special_use != use:
        _set_use(files, folder, use)
        changed.append(name)
    return changed


def _set_use(files: AccountFiles, folder: Folder, use: str | None) -> None:
    folder.sidecar.special_use = use
    folder.write_sidecar()
    files.uses[folder.name] = use
    files.infos = None
    files.move_on(folder)


def delete(files: AccountFiles, name: str) -> Path:
    """Take a mailbox out of the tree; the caller throws the folder away that this returns."""
    if name == names.INBOX:
        raise CannotChange("INBOX cannot be deleted")
    found = files.find(name)
    if found is None:
        _refuse_absent(files, name)
    folder = files.folder(found or "")
    aside = Path(files.scratch())
    with files.tree.changing():
        folder.path.rename(aside)
        files.tree.remove(folder.name)
    durable.fsync_dir(files.maildir)
    files.drop(folder)
    with files.index.transaction() as db:
        held = records.held(db, folder.id, None)
        mailbox_rows.drop_mailbox(db, folder.id)
    for entry in held:
        disk.unlink_quietly(f"{files.tmp}/{entry.name}")
    return aside


def _refuse_absent(files: AccountFiles, name: str) -> None:
    below = name + "/"
    if any(other.startswith(below) for other in files.listing().values()):
        raise HasChildren("the name is only a level above other mailboxes")
    raise NoSuchMailbox(name)


def rename(files: AccountFiles, old: str, new: str) -> None:
    """Rename a mailbox and all below it; INBOX gives away its messages and stays."""
    if files.find(new) is not None:
        raise MailboxExists(new)
    if old == names.INBOX:
        _rename_inbox(files, new)
        return
    if new.startswith(old + "/"):
        raise CannotChange("a mailbox cannot go below itself")
    listing = files.listing()
    moving = {
        folder: new + name[len(old) :]
        for folder, name in listing.items()
        if name == old or name.startswith(old + "/")
    }
    if not moving:
        raise NoSuchMailbox(old)
    taken = set(listing.values())
    for name in moving.values():
        if names.canonical(name) in taken:
            raise MailboxExists(name)
    for parent in names.parents(new):
        if files.find(parent) is None:
            _make(files, parent, None)
    files.acls = None
    _move_folders(files, {files.folder(folder): name for folder, name in moving.items()})


def _move_folders(files: AccountFiles, moving: dict[Folder, str]) -> None:
    before = {folder: folder.name for folder in moving}
    try:
        for folder, name in moving.items():
            _move_folder(files, folder, names.to_folder(name))
        durable.fsync_dir(files.maildir)
        with files.index.transaction() as db:
            for folder in moving:
                folder.save(db)
    except BaseException:
        for folder, folder_name in before.items():
            if folder.name != folder_name:
                _move_folder(files, folder, folder_name)
        raise
    for folder, name in moving.items():
        update = Update(folder, 0)
        update.renamed = name
        update.old = names.from_folder(before[folder]) or before[folder]
        files.updates.append(update)


def _move_folder(files: AccountFiles, folder: Folder, folder_name: str) -> None:
    path = files.maildir / folder_name
    with files.tree.changing():
        folder.path.rename(path)
        files.tree.remove(folder.name)
        files.tree.add(folder_name, names.from_folder(folder_name) or folder_name)
    files.folders.pop(folder.name, None)
    files.uses.pop(folder.name, None)
    files.uses[folder_name] = folder.sidecar.special_use
    folder.move_to(folder_name, path)
    files.folders[folder_name] = folder


def _rename_inbox(files: AccountFiles, new: str) -> None:
    create(files, new, None)
    files.events[-1] = ("renamed", new, names.INBOX)
    inbox = files.folder("")
    metadata.copy_file(inbox.path, files.resolve(new).path)  # RFC 5464 §4.1
    with files.index.reader() as db:
        uids = records.uids(db, inbox.id)
    transfer.move(files, inbox, uids, new, keep=True, within=EVERY_FLAG)


def subscribe(files: AccountFiles, name: str, wanted: bool) -> None:
    """Put a name on the list of subscriptions, or take it off."""
    subscribed = sidecar.read_subscriptions(files.maildir)
    if (name in subscribed) == wanted:
        return
    if wanted:
        subscribed.add(name)
    else:
        subscribed.discard(name)
    with files.tree.changing():
        sidecar.write_subscriptions(files.maildir, subscribed)
    files.events.append(("subscribed" if wanted else "unsubscribed", name, ""))
