"""Notices at once what other programs do in mailboxes that sessions have selected.

Linux tells by inotify which names come and go in new/ and cur/; `merge.noticed` compares them with
the index, so that our own changes cost no listing of the folder. Where the system has no inotify,
or no watch left, mailboxes are looked at about once a second. Promises: as many watches as
`MAX_WATCHED` mailboxes need and no more; names that wait are bounded; never reads a message.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Tasks
from mailsuite.store import inotify
from mailsuite.store.errors import NoSuchMailbox, StoreUnavailable
from mailsuite.store.folder import Name
from mailsuite.store.records import CUR, NEW

if TYPE_CHECKING:
    from mailsuite.store.mailbox import Mailbox

MAX_WATCHED = 8192
MAX_NAMES = 20_000
SETTLE = 0.05  # seconds in which further names are gathered
POLL = 0.8
POLL_SHARE = 20  # polling takes at most 1/20 of the time
log = get_logger("store")


class _Watched:
    """One mailbox: its watches, and the names not looked at yet."""

    __slots__ = ("begun", "cost", "lost", "mailbox", "names", "telling", "watches")

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.watches: list[int] = []
        self.names: Counter[Name] = Counter()
        self.lost = False  # more names than are remembered
        self.begun = True
        self.telling = False
        self.cost = 0.0


class Watcher:
    """One for all mailboxes of a store. Loop thread only."""

    def __init__(self, *, notices: bool = inotify.AVAILABLE, limit: int = MAX_WATCHED) -> None:
        """Without `notices` (inotify), and for mailboxes beyond `limit`, it polls."""
        self._limit = limit if notices else 0
        self._inotify: inotify.Inotify | None = None
        self._by_number: dict[int, tuple[_Watched, int]] = {}
        self._watched: dict[Mailbox, _Watched] = {}
        self._polled: set[Mailbox] = set()
        self._polling = False
        self._warned = False
        self._tasks = Tasks("watcher")

    def watch(self, mailbox: Mailbox) -> None:
        """A session is on this mailbox from now on."""
        one = _Watched(mailbox)
        try:
            if len(self._watched) >= self._limit:
                raise OSError("enough mailboxes are watched")
            self._add(one)
        except FileNotFoundError:
            return  # it is being deleted
        except OSError as error:
            if self._limit and not self._warned:
                self._warned = True
                log.warning(
                    "mailboxes are polled for changes by other programs",
                    reason=str(error),
                    remedy="raise fs.inotify.max_user_watches and max_user_instances (sysctl)",
                )
            self._poll(mailbox)
            return
        self._watched[mailbox] = one
        mailbox.watched_by(one)
        # What happened between the mailbox's opening and now has not been told of.
        one.begun = False
        self._tell(one)

    def unwatch(self, mailbox: Mailbox) -> None:
        """No session is on it any more."""
        self._polled.discard(mailbox)
        one = self._watched.pop(mailbox, None)
        if one is None:
            return
        mailbox.watched_by(None)
        self._remove(one)

    def _remove(self, one: _Watched) -> None:
        for watch in one.watches:
            self._by_number.pop(watch, None)
            if self._inotify is not None:
                with contextlib.suppress(OSError):  # the folder is gone, and the watch with it
                    self._inotify.remove(watch)

    async def close(self) -> None:
        """Watch nothing any more."""
        await self._tasks.cancel()
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fd)
            self._inotify.close()
            self._inotify = None
        self._by_number.clear()
        self._watched.clear()
        self._polled.clear()

    # -- inotify -----------------------------------------------------------------------------------

    def _add(self, one: _Watched) -> None:
        """Watch both folders. Raises OSError."""
        if self._inotify is None:
            self._inotify = inotify.Inotify()
            asyncio.get_running_loop().add_reader(self._inotify.fd, self._read, self._inotify)
        folder = one.mailbox.folder
        for place, path in ((NEW, folder.new), (CUR, folder.cur)):
            try:
                watch = self._inotify.add(path)
            except OSError:
                self._remove(one)
                raise
            one.watches.append(watch)
            self._by_number[watch] = (one, place)

    def _read(self, source: inotify.Inotify) -> None:
        for watch, mask, name in source.events():
            if mask & inotify.Q_OVERFLOW:
                for one in self._watched.values():
                    one.lost = True
                    self._tell(one)
                continue
            found = self._by_number.get(watch)
            if found is None or not name or name[0] == ".":
                continue
            one, place = found
            if len(one.names) < MAX_NAMES:
                one.names[place, name] += 1
            else:
                one.lost = True
            if not one.telling:
                self._tell(one)

    def _tell(self, one: _Watched) -> None:
        if not one.telling:
            one.telling = True
            self._tasks.start(self._tell_soon(one), "noticed")

    async def _tell_soon(self, one: _Watched) -> None:
        """Have names looked at, many at a time; what costs long is not done all the time."""
        loop = asyncio.get_running_loop()
        try:
            while one.names or one.lost or not one.begun:
                await asyncio.sleep(max(SETTLE, one.cost))
                names, one.names = one.names, Counter()
                lost, one.lost, one.begun = one.lost, False, True
                began = loop.time()
                if one.mailbox.attached:
                    await one.mailbox.noticed(names, one, lost=lost)
                one.cost = min(loop.time() - began, 1)
        except (NoSuchMailbox, StoreUnavailable) as error:
            # A deleted mailbox has told its sessions; a refusal of the disk is in the log.
            log.debug("changes not looked at", mailbox=one.mailbox.name, why=str(error))
        finally:
            one.telling = False

    # -- polling -----------------------------------------------------------------------------------

    def _poll(self, mailbox: Mailbox) -> None:
        self._polled.add(mailbox)
        if not self._polling:
            self._polling = True
            self._tasks.start(self._poll_all(), "polling")

    async def _poll_all(self) -> None:
        loop = asyncio.get_running_loop()
        took = 0.0
        try:
            while self._polled:
                await asyncio.sleep(max(POLL, POLL_SHARE * took))
                began = loop.time()
                for mailbox in list(self._polled):
                    try:
                        await mailbox.refresh()
                    except NoSuchMailbox:
                        self._polled.discard(mailbox)
                    except StoreUnavailable:
                        continue  # it is in the log; the next round tries again
                took = loop.time() - began
        finally:
            self._polling = False
