"""What lies in an account's Maildir: folder names and the mailbox names that they stand for.

Kept in memory and read anew when the Maildir's time shows that something has changed, so that a
look at 10,000 mailboxes does not list them. Our own changes are taken over as they are made; nobody
can tell whether others changed something at the same instant, so a while later the folder is listed
again. Calls block; from any thread.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from mailsuite.base.clock import Clock
from mailsuite.store import names

RACY_FINE = 0.05
RACY_COARSE = 2.0
CHEAP = 0.001  # seconds; what takes no longer is listed again whenever it is unsure
RECHECK_SHARE = 50  # listing again takes at most 1/50 of the time


class Listing:
    """`folders`: folder name -> mailbox name; `generation`: another number after any change."""

    def __init__(self, maildir: Path, clock: Clock) -> None:
        self._maildir = maildir
        self._clock = clock
        self._lock = threading.RLock()
        self._folders: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._time: int | None = None
        self._sure = False
        self._looked_at = 0.0
        self._cost = 0.0
        self.generation = 0

    def folders(self) -> dict[str, str]:
        """Folder name -> mailbox name, of all mailboxes on disk."""
        with self._lock:
            self._refresh()
            return dict(self._folders)

    def look(self) -> None:
        """See whether something has changed: `generation` tells."""
        with self._lock:
            self._refresh()

    def folder_of(self, name: str) -> str | None:
        """The folder of a mailbox, or None."""
        with self._lock:
            self._refresh()
            return self._names.get(name)

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Around our own changes of the Maildir; tell of folders by `add` and `remove`."""
        with self._lock:
            known = self._time is not None and self._time == self._now()
        try:
            yield
        finally:
            with self._lock:
                self._time = self._now() if known else None
                self._sure = False

    def add(self, folder: str, name: str) -> None:
        """We have made a folder."""
        with self._lock:
            self._folders[folder] = name
            self._names[name] = folder
            self.generation += 1

    def remove(self, folder: str) -> None:
        """We have removed a folder, or given it another name."""
        with self._lock:
            name = self._folders.pop(folder, None)
            if name is not None and self._names.get(name) == folder:
                del self._names[name]
            self.generation += 1

    def forget(self) -> None:
        """List anew at the next use."""
        with self._lock:
            self._time = None

    # -- the disk ----------------------------------------------------------------------------------

    def _now(self) -> int:
        return self._maildir.stat().st_mtime_ns

    def _refresh(self) -> None:
        time = self._now()
        if time == self._time and (self._sure or not self._may_be_old()):
            return
        began = self._clock.monotonic()
        found = _scan(self._maildir)
        if found != self._folders:
            self._folders = found
            self._names = {name: folder for folder, name in found.items()}
            self.generation += 1
        self._time = time
        window = RACY_FINE if time % 1_000_000_000 else RACY_COARSE
        self._sure = self._clock.now() - time / 1e9 >= window
        self._looked_at = self._clock.monotonic()
        self._cost = self._looked_at - began

    def _may_be_old(self) -> bool:
        if self._cost < CHEAP:
            return True
        return self._clock.monotonic() - self._looked_at >= RECHECK_SHARE * self._cost


def _scan(maildir: Path) -> dict[str, str]:
    found = {"": names.INBOX}
    taken = {names.INBOX}
    odd: list[tuple[str, str]] = []
    with os.scandir(maildir) as entries:
        for entry in entries:
            if entry.name.startswith(".") and entry.is_dir():
                name = names.from_folder(entry.name)
                if name is None:
                    continue
                if names.to_folder(name) == entry.name:
                    found[entry.name] = name
                    taken.add(name)
                else:
                    odd.append((entry.name, name))
    for folder, name in sorted(odd):
        if name not in taken:
            taken.add(name)
            found[folder] = name
    return found
