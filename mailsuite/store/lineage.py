"""Whether an account's folders still lie where they did: what nobody can tell by looking at them.

A watched folder goes on telling when it, or one above it, has been renamed or replaced; its path
then leads elsewhere. So the folders above are watched too, from the Maildir up to the store's own.
Loop thread only; never blocks.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mailsuite.store.notices import LOST, Listener, Notices

HEIGHT = 3
"""Folders above the Maildir: the account's, the domain's, the store's."""


class Lineage:
    """`generation`: another number once any mailbox of the account may be another one."""

    def __init__(self, notices: Notices, maildir: Path) -> None:
        """Raises OSError: no watch is to be had."""
        self.generation = 0
        self.users = 0
        self._notices = notices
        self._watches: list[tuple[int, Listener]] = []
        below = None
        for path in (maildir, *list(maildir.parents)[:HEIGHT]):
            listener = partial(self._changed, below)
            try:
                self._watches.append((notices.add(str(path), listener), listener))
            except OSError:
                self.close()
                raise
            below = path.name

    def _changed(self, below: str | None, mask: int, name: str) -> None:
        """`below`: the only name that matters in this folder; None: any mailbox's."""
        ours = name[:1] == "." or name in ("new", "cur") if below is None else name == below
        if ours or mask & LOST:
            self.generation += 1

    def close(self) -> None:
        """Watch nothing any more."""
        for number, listener in self._watches:
            self._notices.remove(number, listener)
        self._watches.clear()


class Lineages:
    """One for each account that has anything watched."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._by_maildir: dict[Path, Lineage] = {}

    def take(self, maildir: Path) -> Lineage:
        """The account's; to be given back. Raises OSError."""
        found = self._by_maildir.get(maildir)
        if found is None:
            found = self._by_maildir[maildir] = Lineage(self._notices, maildir)
        found.users += 1
        return found

    def give_back(self, maildir: Path, lineage: Lineage) -> None:
        """Nobody who took it needs it any more: then it ends."""
        lineage.users -= 1
        if not lineage.users:
            lineage.close()
            if self._by_maildir.get(maildir) is lineage:
                del self._by_maildir[maildir]
