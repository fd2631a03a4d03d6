"""`mailsuite export ADDR DIR --format mbox`: an mboxrd file for each folder.

A file has its name only when it is whole; run again, each file is written anew. Never writes into
a folder that holds other things than an earlier export.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from mailsuite.base import durable
from mailsuite.base.errors import UserError
from mailsuite.base.tasks import Threads, committed
from mailsuite.store import AccountStore, Mailbox
from mailsuite.transfer import export, mbox
from mailsuite.transfer.choice import Choice
from mailsuite.transfer.progress import Progress

SUFFIX = ".mbox"
MARKER = ".mailsuite-mbox-export"
_RETURN_PATH = re.compile(rb"return-path:\s*<([^<>\r\n]*)>", re.IGNORECASE)
MAX_LEVEL = 200
"""Octets; file systems take 255."""
_UNSAFE = re.compile(r"^\.|[\\:*?\"<>|]")


class MboxExport:
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
        names = [info.name for info in await export.chosen(self._account, self._choice)]
        await export.count(self._account, names, self._progress)
        files = file_names(names)
        await committed(self._threads.run(_begin, self._root))
        for name in names:
            self._progress.doing = name
            try:
                await self._folder(name, self._root / files[name])
            except OSError as error:
                raise UserError(f"{error.filename or self._root}: {error.strerror}") from error
            self._progress.folders += 1

    async def _folder(self, name: str, path: Path) -> None:
        aside = path.with_name(f".{path.name}.tmp")
        file = await committed(self._threads.run(_open, aside))
        try:
            async with export.opened(self._account, name) as mailbox:
                uids = mailbox.uids
                for start in range(0, len(uids), export.AT_ONCE):
                    some = list(uids[start : start + export.AT_ONCE])
                    rows = await mailbox.rows(some, columns=("internal_date",))
                    dates = {row[0]: row[1] for row in rows}
                    async for read in export.small(mailbox, [uid for uid in some if uid in dates]):
                        for uid, octets in read:
                            await self._message(file, mailbox, uid, dates[uid], octets)
                    self._progress.done += len(some)
            await committed(self._threads.run(_close, file, aside, path))
        finally:
            file.close()

    async def _message(
        self, file: BinaryIO, mailbox: Mailbox, uid: int, date: float, octets: bytes | None
    ) -> None:
        try:
            flags = mailbox.flags(uid)
            if octets is not None:
                await committed(self._threads.run(file.writelines, _whole(octets, date, flags)))
                self._progress.octets += len(octets)
            else:
                await self._large(file, mailbox, uid, date, flags)
        except export.MessageGone:
            return
        self._progress.new += 1

    async def _large(
        self, file: BinaryIO, mailbox: Mailbox, uid: int, date: float, flags: frozenset[str]
    ) -> None:
        quoting = mbox.Quoting()
        first = True
        async for piece in export.large(mailbox, uid):
            octets = quoting.feed(piece)
            if first:
                octets = mbox.head(sender_of(piece), date, flags) + octets
                first = False
            await committed(self._threads.run(file.write, octets))
            self._progress.octets += len(piece)
        await committed(self._threads.run(file.write, quoting.end()))


def _whole(octets: bytes, date: float, flags: frozenset[str]) -> Iterator[bytes]:
    quoting = mbox.Quoting()
    yield mbox.head(sender_of(octets), date, flags)
    yield quoting.feed(octets)
    yield quoting.end()


def sender_of(message: bytes) -> str:
    """The envelope's sender, by the Return-Path that delivery has put first; "" without one."""
    match = _RETURN_PATH.match(message)
    return match[1].decode("ascii", "replace") if match else ""


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Where folders go, below the export's folder: each into a file of its own."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    # Those whose names can stay as they are come first.
    for name in sorted(names, key=lambda name: (file_name(name) != name + SUFFIX, name)):
        file = file_name(name)
        while file in taken:
            file = file.removesuffix(SUFFIX) + "_" + SUFFIX
        taken.add(file)
        found[name] = file
    return found


def file_name(name: str) -> str:
    """Where a folder goes, if no other goes there."""
    levels = [_UNSAFE.sub("_", level).encode() for level in name.split("/")]
    return "/".join(level[:MAX_LEVEL].decode(errors="ignore") for level in levels) + SUFFIX


def _begin(root: Path) -> None:
    """Make the folder, or see that it is an earlier export. Raises UserError."""
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (root / MARKER).exists():
            if any(root.iterdir()):
                raise UserError(f"{root}: is not empty, and not an earlier export to mbox files")
            (root / MARKER).touch(mode=0o600)
    except OSError as error:
        raise UserError(f"{error.filename or root}: {error.strerror}") from error


def _open(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path.open("wb")


def _close(file: BinaryIO, aside: Path, path: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
    aside.replace(path)
    durable.fsync_dir(path.parent)
