"""`mailsuite export ADDR DIR`: an account as Maildir++ with Dovecot's files beside it.

Dovecot started on it shows the same UIDs, UIDVALIDITY, flags and keywords, and POP3 clients their
same unique ids. May be run again: only what has changed since is written. Never writes into a
folder that is not an earlier export, nor into one that Dovecot has taken over.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

from mailsuite.base import durable
from mailsuite.base.errors import UserError
from mailsuite.base.tasks import Threads, committed
from mailsuite.message import mutf7
from mailsuite.store import AccountStore, Mailbox, MailboxInfo
from mailsuite.store.names import INBOX, to_folder
from mailsuite.transfer import export, uidlist
from mailsuite.transfer.choice import Choice
from mailsuite.transfer.maildir_folder import MARKER, Exported, FolderFiles
from mailsuite.transfer.progress import Progress


class MaildirExport:
    """See the module."""

    def __init__(
        self,
        account: AccountStore,
        root: Path,
        threads: Threads,
        choice: Choice,
        progress: Progress,
    ) -> None:
        self._account = account
        self._root = root
        self._threads = threads
        self._choice = choice
        self._progress = progress

    async def run(self) -> None:
        """Write everything. Raises UserError, StoreError."""
        infos = await export.chosen(self._account, self._choice)
        await export.count(self._account, [info.name for info in infos], self._progress)
        try:
            await self._threads.run(_begin, self._root)
            for info in infos:
                await self._folder(info.name)
                self._progress.folders += 1
            await committed(self._threads.run(self._end, infos))
        except OSError as error:
            raise UserError(f"{error.filename or self._root}: {error.strerror}") from error

    async def _folder(self, name: str) -> None:
        self._progress.doing = name
        if name != INBOX and "." in name:
            self._progress.note(f"{name}: Dovecot shows a folder with a dot in its name otherwise")
        files = await committed(self._threads.run(FolderFiles, self._root / folder_name(name)))
        try:
            async with export.opened(self._account, name) as mailbox:
                guid = blake2b(mailbox.mailboxid.encode(), digest_size=16).hexdigest()
                await self._threads.run(files.begin, mailbox.uidvalidity, mailbox.uidnext, guid)
                uids = mailbox.uids
                for start in range(0, len(uids), export.AT_ONCE):
                    await self._some(files, mailbox, uids[start : start + export.AT_ONCE])
            self._progress.removed += await committed(self._threads.run(files.end))
        finally:
            files.abandon()
        if files.left_out:
            words = " ".join(sorted(files.left_out))
            self._progress.note(f"{name}: a Maildir has 26 keywords at most; left out: {words}")

    async def _some(self, files: FolderFiles, mailbox: Mailbox, uids: Sequence[int]) -> None:
        rows = await mailbox.rows(uids, columns=("size", "internal_date"))
        present = [row for row in rows if mailbox.index(row[0]) is not None]
        messages = {row[0]: _exported(mailbox, *row) for row in present}

        def place() -> list[int]:
            return [uid for uid, message in messages.items() if not files.place(message)]

        missing = await committed(self._threads.run(place))
        gone: set[int] = set()
        async for read in export.small(mailbox, missing):
            whole = [(messages[uid], octets) for uid, octets in read if octets is not None]

            def write(whole: list[tuple[Exported, bytes]] = whole) -> None:
                for message, octets in whole:
                    with files.writing(message) as file:
                        file.write(octets)

            await committed(self._threads.run(write))
            self._progress.new += len(whole)
            self._progress.octets += sum(len(octets) for _, octets in whole)
            for uid, octets in read:
                if octets is None and not await self._large(files, mailbox, messages[uid]):
                    gone.add(uid)
        names = await mailbox.unique_ids() if mailbox.name == INBOX else None

        def number() -> None:
            for uid, message in messages.items():
                if uid not in gone:
                    files.number(message, "" if names is None else names.of(uid))

        await committed(self._threads.run(number))
        self._progress.known += len(messages) - len(missing)
        self._progress.done += len(uids)

    async def _large(self, files: FolderFiles, mailbox: Mailbox, message: Exported) -> bool:
        """False: it is gone."""
        writing = files.writing(message)
        try:
            file = await committed(self._threads.run(writing.__enter__))
            async for piece in export.large(mailbox, message.uid):
                await committed(self._threads.run(file.write, piece))
                self._progress.octets += len(piece)
        except export.MessageGone:
            return False
        await committed(self._threads.run(writing.__exit__, None, None, None))
        self._progress.new += 1
        return True

    def _end(self, infos: Sequence[MailboxInfo]) -> None:
        """Subscriptions; folders of an earlier export whose mailboxes are gone."""
        subscribed = [info.name for info in infos if info.subscribed]
        lines = "".join(f"{folder_name(name).lstrip('.') or INBOX}\n" for name in subscribed)
        durable.replace(self._root / uidlist.SUBSCRIPTIONS, lines.encode())
        wanted = {folder_name(info.name) for info in infos}
        if not self._choice.only and not self._choice.without:
            for path in self._root.glob(".*"):
                if path.name not in wanted and (path / MARKER).exists():
                    shutil.rmtree(path)
        # One call for all the messages.
        os.sync()


def folder_name(name: str) -> str:
    """The Maildir++ folder, as Dovecot spells it; "" for INBOX."""
    if name == INBOX:
        return ""
    if "." in name:
        return to_folder(name)
    return "".join("." + mutf7.encode(level).decode() for level in name.split("/"))


def _exported(mailbox: Mailbox, uid: int, size: int, date: float) -> Exported:
    head = f"{int(date)}.V{mailbox.uidvalidity:x}U{uid:x}.mailsuite,S={size},W={size}"
    return Exported(uid, head, mailbox.flags(uid), date)


def _begin(root: Path) -> None:
    """Make the folder, or see that it is an earlier export. Raises UserError."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(root.iterdir()) and not (root / MARKER).exists():
        raise UserError(f"{root}: is not empty, and not an earlier export")
    if (root / "dovecot.index.log").exists():
        raise UserError(f"{root}: Dovecot has taken it over since; export into another folder")
