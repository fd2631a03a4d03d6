"""A mailbox that goes on under the UIDVALIDITY and UIDs it had with another server.

So that clients which had it there keep what they know of it. Only ever done to an empty mailbox:
a UID that was shown under one UIDVALIDITY stays what it was. UIDs that the other server has given
are kept back for the messages that had them: mail delivered meanwhile gets greater ones. Calls
block and belong to the account's writer.
"""

from __future__ import annotations

from mailsuite.base import durable
from mailsuite.store import disk, journal, mailbox_rows, merge, records, sidecar, unique_ids
from mailsuite.store.errors import CannotChange
from mailsuite.store.files import AccountFiles
from mailsuite.store.folder import MAX_FOREIGN_UID, Folder


def take_over(
    files: AccountFiles, name: str, uidvalidity: int, uidnext: int, *, whole: bool, form: str = ""
) -> bool:
    """See `AccountStore.take_over`."""
    if not 0 < uidvalidity <= sidecar.MAX_UIDVALIDITY or not 0 < uidnext <= MAX_FOREIGN_UID:
        raise CannotChange(f"no mailbox can have UIDVALIDITY {uidvalidity}, UIDNEXT {uidnext}")
    folder = files.resolve(name)
    merge.refresh(files, folder)
    if folder.sidecar.uidvalidity != uidvalidity:
        if folder.messages:
            return False
        _begin_anew(files, folder, uidvalidity, form)
        folder = files.resolve(name)
    if whole:
        folder.skip_uids(uidnext)
    folder.sidecar.reserved = uidnext if uidnext > folder.uidnext else 0
    folder.write_sidecar()
    with files.index.transaction() as db:
        folder.save(db)
    return True


def _begin_anew(files: AccountFiles, folder: Folder, uidvalidity: int, form: str) -> None:
    """The folder becomes another mailbox of the same name."""
    try:
        unique_ids.Form.read(form or unique_ids.OWN_FORM, uidvalidity)
    except ValueError as error:
        raise CannotChange(f"unique ids can't be {form!r}: {error}") from error
    files.note_uidvalidity(uidvalidity)
    # Keywords of messages that were there once must not stick to what comes under their UIDs.
    if journal.size(folder.path):
        (folder.path / journal.JOURNAL_FILE).unlink()
        durable.fsync_dir(folder.path)
    unique_ids.forget(folder.path)
    sidecar.MailboxSidecar(
        uidvalidity=uidvalidity,
        mailboxid=sidecar.new_mailboxid(),
        special_use=folder.sidecar.special_use,
        names=form,
    ).write(folder.path)
    files.drop(folder)
    with files.index.transaction() as db:
        held = records.held(db, folder.id, None)
        mailbox_rows.drop_mailbox(db, folder.id)
    for entry in held:
        disk.unlink_quietly(f"{files.tmp}/{entry.name}")
    files.infos = None
