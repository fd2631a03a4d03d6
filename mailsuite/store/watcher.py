"""Notices at once what other programs do in mailboxes that sessions have selected.

Linux tells by inotify which names come and go in new/ and cur/; `merge.noticed` compares them with
the index, so that our own changes cost no listing of the folder. Where the system has no inotify,
or no watch left, mailboxes are looked at about once a second. Promises: as many watches as
`MAX_WATCHED` mailboxes need and no more; names that wait are bounded; never reads a message;
`is_quiet` only where nothing can have happened unnoticed, so that nobody has to look.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Tasks
from mailsuite.store import inotify
from mailsuite.store.errors import NoSuchMailbox, StoreUnavailable
from mailsuite.store.folder import Name
from mailsuite.store.glance import MAX_GLANCES, Glances
from mailsuite.store.lineage import Lineage, Lineages
from mailsuite.store.notices import LOST, Listener, Notices
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
    """One mailbox: its watches, and the names not looked at yet.

    looked_at  the lineage's generation when the mailbox, which is certainly as the index has it,
               was looked at; None: that has not been so since something happened
    """

    __slots__ = (
        "begun",
        "cost",
        "lineage",
        "looked_at",
        "lost",
        "mailbox",
        "names",
        "telling",
        "watches",
    )

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.watches: list[tuple[int, Listener]] = []
        self.lineage: Lineage | None = None
        self.looked_at: int | None = None
        self.names: Counter[Name] = Counter()
        self.lost = False  # more names than are remembered
        self.begun = True
        self.telling = False
        self.cost = 0.0

    @property
    def generation(self) -> int:
        return -1 if self.lineage is None else self.lineage.generation


class Watcher:
    """One for all mailboxes of a store. Loop thread only."""

    def __init__(self, *, notices: bool = inotify.AVAILABLE, limit: int = MAX_WATCHED) -> None:
        """Without `notices` (inotify), and for mailboxes beyond `limit`, it polls."""
        self._limit = limit if notices else 0
        self._notices = Notices()
        self.lineages = Lineages(self._notices)
        self.glances = Glances(self._notices, self.lineages, min(self._limit, MAX_GLANCES))
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
        for number, listener in one.watches:
            self._notices.remove(number, listener)
        one.watches.clear()
        if one.lineage is not None:
            lineage, one.lineage = one.lineage, None
            self.lineages.give_back(one.mailbox.account.files.maildir, lineage)

    async def close(self) -> None:
        """Watch nothing any more."""
        await self._tasks.cancel()
        self._notices.close()
        self.glances.end_all()
        self._watched.clear()
        self._polled.clear()

    # -- is there anything to look at? -------------------------------------------------------------

    def is_quiet(self, mailbox: Mailbox) -> bool:
        """The view is what the disk has: nothing has happened since somebody looked."""
        one = self._watched.get(mailbox)
        if one is None or one.looked_at is None or not self._notices.drain():
            return False
        return one.looked_at == one.generation

    @property
    def is_drained(self) -> bool:
        """What has happened up to now has been told of."""
        return self._notices.drain()

    def lineage(self, maildir: Path) -> Lineage | None:
        """The account's, to be given back; None: it can't be watched."""
        try:
            return self.lineages.take(maildir) if self._limit else None
        except OSError:
            return None

    def before_look(self, mailbox: Mailbox) -> int:
        """Somebody is about to look at the mailbox: to be given to `looked`."""
        one = self._watched.get(mailbox)
        return -1 if one is None else one.generation

    def looked(self, mailbox: Mailbox, generation: int) -> None:
        """The mailbox has been looked at, and the view is what the disk has."""
        one = self._watched.get(mailbox)
        if one is None or one.lineage is None or one.telling or not mailbox.is_sure:
            return
        if self._notices.drain() and not one.telling:
            one.looked_at = generation

    # -- inotify -----------------------------------------------------------------------------------

    def _add(self, one: _Watched) -> None:
        """Watch both folders. Raises OSError."""
        folder, files = one.mailbox.folder, one.mailbox.account.files
        try:
            for place, path in ((NEW, folder.new), (CUR, folder.cur)):
                listener = partial(self._heard, one, place)
                one.watches.append((self._watch_folder(path, listener), listener))
            if files.tells_all and folder.tells_all:
                one.lineage = self.lineages.take(files.maildir)
        except OSError:
            self._remove(one)
            raise

    def _watch_folder(self, path: str, listener: Listener) -> int:
        try:
            return self._notices.add(path, listener)
        except FileNotFoundError:
            raise
        except OSError:  # no watch left: sessions come before glances
            self.glances.end_all()
            return self._notices.add(path, listener)

    def _heard(self, one: _Watched, place: int, mask: int, name: str) -> None:
        names = one.names
        if mask & LOST:
            one.lost = True
        elif not name or name[0] == ".":
            return
        elif len(names) < MAX_NAMES:
            key = place, name
            names[key] = names.get(key, 0) + 1
        else:
            one.lost = True
        one.looked_at = None
        if not one.telling:
            self._tell(one)

    def _tell(self, one: _Watched) -> None:
        if not one.telling:
            one.telling = True
            self._tasks.start(self._tell_soon(one), "noticed")

    async def _tell_soon(self, one: _Watched) -> None:
        """Have names looked at, many at a time; what costs long is not done all the time."""
        loop = asyncio.get_running_loop()
        generation = -1
        try:
            while one.names or one.lost or not one.begun:
                await asyncio.sleep(max(SETTLE, one.cost))
                names, one.names = one.names, Counter()
                lost, one.lost, one.begun = one.lost, False, True
                began, generation = loop.time(), one.generation
                if one.mailbox.attached:
                    await one.mailbox.noticed(names, one, lost=lost)
                one.cost = min(loop.time() - began, 1)
        except (NoSuchMailbox, StoreUnavailable) as error:
            # A deleted mailbox has told its sessions; a refusal of the disk is in the log.
            log.debug("changes not looked at", mailbox=one.mailbox.name, why=str(error))
            return
        finally:
            one.telling = False
        if self._watched.get(one.mailbox) is one:
            self.looked(one.mailbox, generation)

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
