"""Counts of mailboxes that nobody has selected, known to hold without a look at the disk.

Whoever polls many mailboxes by STATUS asks for the same numbers again and again. Once they have
been counted, both folders are watched; the first thing that happens there ends the glance, so that
mail that comes later costs nothing. Promises: bounded; never blocks. Loop thread only.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from pathlib import Path

from mailsuite.store.lineage import Lineage, Lineages
from mailsuite.store.notices import LOST, Listener, Notices
from mailsuite.store.values import Status

MAX_GLANCES = 4096


class Glance:
    """One mailbox. `status`: its counts, once they are known for sure."""

    __slots__ = ("generation", "lineage", "maildir", "path", "status", "watches")

    def __init__(self, maildir: Path, lineage: Lineage) -> None:
        self.maildir = maildir
        self.path = ""
        self.lineage = lineage
        self.generation = lineage.generation
        self.status: Status | None = None
        self.watches: list[tuple[int, Listener]] = []


class Glances:
    """All of a store."""

    def __init__(self, notices: Notices, lineages: Lineages, limit: int = MAX_GLANCES) -> None:
        self._notices = notices
        self._lineages = lineages
        self._limit = limit
        self._by_path: OrderedDict[str, Glance] = OrderedDict()

    def begin(self, maildir: Path, folder: str) -> Glance | None:
        """Watch a mailbox from now on, until something happens there; None: it can't be.

        What is counted after this may be kept as its `status`.
        """
        if not self._limit:
            return None
        self.end(maildir, folder)
        try:
            glance = Glance(maildir, self._lineages.take(maildir))
        except OSError:
            return None
        path = glance.path = _path(maildir, folder)
        self._by_path[path] = glance
        listener = partial(self._changed, path)
        try:
            for place in ("new", "cur"):
                glance.watches.append((self._notices.add(f"{path}/{place}", listener), listener))
        except OSError:
            self._end(path)
            return None
        if len(self._by_path) > self._limit:
            self._end(next(iter(self._by_path)))
        return glance

    def find(self, maildir: Path, folder: str) -> Status | None:
        """The mailbox's counts, if they are known."""
        path = _path(maildir, folder)
        if path not in self._by_path or not self._notices.drain():
            return None
        glance = self._by_path.get(path)  # unless something has happened by now
        if glance is None or glance.generation != glance.lineage.generation:
            return None
        self._by_path.move_to_end(path)
        return glance.status

    def end(self, maildir: Path, folder: str) -> None:
        """The counts of this mailbox may be others now."""
        if self._by_path:
            self._end(_path(maildir, folder))

    def drop(self, glance: Glance) -> None:
        """Its counts are not known for sure."""
        if self._by_path.get(glance.path) is glance:
            self._end(glance.path)

    def _end(self, path: str) -> None:
        glance = self._by_path.pop(path, None)
        if glance is None:
            return
        for number, listener in glance.watches:
            self._notices.remove(number, listener)
        glance.watches.clear()
        self._lineages.give_back(glance.maildir, glance.lineage)

    def end_all(self) -> None:
        """Their watches are needed elsewhere, or the store is being closed."""
        for path in list(self._by_path):
            self._end(path)

    def end_below(self, maildir: Path) -> None:
        """The account is not to be watched any more."""
        for path in [path for path, one in self._by_path.items() if one.maildir == maildir]:
            self._end(path)

    def _changed(self, path: str, mask: int, name: str) -> None:
        if mask & LOST or name[:1] != ".":
            self._end(path)


def _path(maildir: Path, folder: str) -> str:
    return f"{maildir}/{folder}" if folder else str(maildir)
