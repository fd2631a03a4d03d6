"""`mailsuite import ADDR maildir DIR`: the folders of a Maildir into an account.

UIDs, UIDVALIDITY and keywords of Dovecot's are kept where the local mailbox is new or empty. May be
run again: what has come over does not come twice, and flags changed since are brought up to date.
"""

from __future__ import annotations

import asyncio
from array import array
from pathlib import Path

from mailsuite.base.errors import UserError
from mailsuite.base.tasks import Threads, committed
from mailsuite.store import TempMessage
from mailsuite.transfer import maildir_source as source
from mailsuite.transfer.choice import Choice
from mailsuite.transfer.filling import Filling
from mailsuite.transfer.maildir_source import MaildirFolder, MaildirListing, MaildirMessage
from mailsuite.transfer.names import assign
from mailsuite.transfer.state import Known
from mailsuite.transfer.target import Arrival, Target, TargetFolder
from mailsuite.transfer.uidlist import POP3_FORM

AT_ONCE = 200
IN_MEMORY = 1 << 20
PIECE = 1 << 18


class MaildirImport:
    """See the module."""

    def __init__(self, root: Path, target: Target, threads: Threads, choice: Choice) -> None:
        self._root = root
        self._target = target
        self._threads = threads
        self._choice = choice
        self._progress = target.progress

    async def run(self) -> None:
        """Bring everything over. Raises UserError, StoreError."""
        self._progress.doing = f"looking at {self._root}"
        links: list[Path] = []
        found = await self._threads.run(source.folders, self._root, links)
        for link in links:
            self._progress.note(f"{link} is a symbolic link, which is not followed")
        names = [folder.name for folder in found]
        found = [folder for folder in found if self._choice.takes(folder.name)]
        self._choice.require(found, names)
        counts = [await self._threads.run(source.count, folder) for folder in found]
        self._progress.total = sum(counts)
        subscribed = await self._threads.run(source.subscriptions, self._root)
        locals_ = assign([folder.named for folder in found], await self._target.special_uses())
        for folder in found:
            local = self._choice.placed(locals_[folder.name])
            self._progress.doing = local
            try:
                await self._folder(folder, local, subscribed=folder.name in subscribed)
            except OSError as error:
                raise UserError(f"{error.filename or folder.path}: {error.strerror}") from error
            self._progress.folders += 1

    async def _folder(self, folder: MaildirFolder, local: str, *, subscribed: bool) -> None:
        listing = await self._threads.run(source.listing, folder)
        target = await self._target.folder(
            folder.name,
            local,
            uidvalidity=listing.uidvalidity,
            uidnext=listing.uidnext,
            keep_uids=self._choice.keep_uids,
            unique_ids=self._choice.unique_ids or POP3_FORM,
            subscribed=subscribed,
        )
        fresh = await self._compare(target, listing)
        async with Filling(target) as filling:
            for start in range(0, len(fresh), AT_ONCE):
                some = [listing.message(place) for place in fresh[start : start + AT_ONCE]]
                await self._bring(filling, some)
        if self._choice.remove_vanished:
            there = set(listing.keys())
            await target.remove_all_but(there.__contains__)
        await target.finish(listing.uidvalidity, listing.uidnext)

    async def _compare(self, target: TargetFolder, listing: MaildirListing) -> array[int]:
        """Places of the messages that have not come over yet; flags of the others brought over."""
        fresh = array("I")
        for start in range(0, len(listing), AT_ONCE):
            stop = min(start + AT_ONCE, len(listing))
            some = [listing.message(place) for place in range(start, stop)]
            known = await target.known([message.key for message in some])
            changed: list[tuple[str | int, Known, frozenset[str]]] = []
            for place, message in enumerate(some, start):
                before = known.get(message.key)
                if before is None:
                    fresh.append(place)
                elif before.flags != message.flags:
                    changed.append((message.key, before, message.flags))
            await target.reflag(changed)
            self._progress.known += len(known)
            self._progress.done += len(known)
        return fresh

    async def _bring(self, filling: Filling, messages: list[MaildirMessage]) -> None:
        def load() -> list[source.Opened | None]:
            return [source.open_message(message.path, IN_MEMORY) for message in messages]

        for message, opened in zip(messages, await self._threads.run(load), strict=True):
            if opened is None:
                self._progress.note(
                    f"{message.path} is no regular file, or has moved meanwhile:"
                    " run the import again"
                )
                self._progress.left += 1
            else:
                await self._add(filling, message, opened)
            self._progress.done += 1

    async def _add(self, filling: Filling, message: MaildirMessage, opened: source.Opened) -> None:
        if opened.octets is not None:
            await filling.add(_arrival(message, opened.octets, opened.size, opened.date))
            return
        temp = await self._target.account.new_temp()
        try:
            pieces = source.pieces(message.path, PIECE)
            while (piece := await committed(self._threads.run(next, pieces, None))) is not None:
                await temp.write(piece)
        except BaseException:
            await asyncio.shield(temp.discard())
            raise
        await filling.add(_arrival(message, temp, temp.size, opened.date))


def _arrival(
    message: MaildirMessage, octets: bytes | TempMessage, size: int, date: float
) -> Arrival:
    uid, unique_id = message.uid or None, message.unique_id
    return Arrival(message.key, octets, size, message.flags, date, uid, unique_id=unique_id)
