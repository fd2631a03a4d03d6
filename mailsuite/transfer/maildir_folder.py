"""One folder of a Maildir that is being written: for an export. Every call blocks.

Promises: a message has its name only when it is whole; what is there already is kept, and gets its
flags by a new name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mailsuite.base import durable
from mailsuite.transfer import uidlist

MARKER = "mailsuite.export"
FLAGS = {
    "\\Draft": "D",
    "\\Flagged": "F",
    "\\Answered": "R",
    "\\Seen": "S",
    "\\Deleted": "T",
}


@dataclass(frozen=True, slots=True)
class Exported:
    """A message: its file's name without flags, its flags, and when it came (seconds)."""

    uid: int
    head: str
    flags: frozenset[str]
    date: float


class FolderFiles:
    """See the module.

    left_out  keywords for which there was no letter left
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left_out: set[str] = set()
        for place in ("cur", "new", "tmp"):
            (path / place).mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.name.startswith("."):
            (path / "maildirfolder").touch(mode=0o600)
        (path / MARKER).touch(mode=0o600)
        for leftover in (path / "tmp").iterdir():
            leftover.unlink()
        self._present: dict[str, str] = {}
        for place in ("new", "cur"):
            for entry in os.scandir(path / place):
                self._present[entry.name.partition(":")[0]] = f"{place}/{entry.name}"
        self._letters = self._known_letters()
        self._list: BinaryIO | None = None

    def _known_letters(self) -> dict[str, str]:
        try:
            octets = (self.path / uidlist.KEYWORDS).read_bytes()
        except FileNotFoundError:
            return {}
        return {word: letter for letter, word in uidlist.read_keywords(octets).items()}

    # -- the list of UIDs --------------------------------------------------------------------------

    def begin(self, uidvalidity: int, uidnext: int, guid: str) -> None:
        """The list of UIDs begins."""
        self._list = (self.path / "tmp" / uidlist.UIDLIST).open("wb")
        self._list.writelines(uidlist.write_uidlist(uidvalidity, uidnext, guid, ()))

    def number(self, message: Exported, pop3: str) -> None:
        """A message that is there gets its line; in the order of UIDs."""
        assert self._list is not None
        self._list.write(uidlist.uidlist_line(message.uid, pop3, message.head))
        self._present.pop(message.head, None)

    def end(self) -> int:
        """All messages are numbered: files of others are removed. How many they were."""
        assert self._list is not None
        self._list.flush()
        os.fsync(self._list.fileno())
        self._list.close()
        self._list = None
        for name in self._present.values():
            (self.path / name).unlink(missing_ok=True)
        if self._letters:
            durable.replace(self.path / uidlist.KEYWORDS, uidlist.write_keywords(self._letters))
        (self.path / "tmp" / uidlist.UIDLIST).replace(self.path / uidlist.UIDLIST)
        durable.fsync_dir(self.path)
        return len(self._present)

    def abandon(self) -> None:
        """The export is cut short: the next run goes on."""
        if self._list is not None:
            self._list.close()
            self._list = None

    # -- messages ----------------------------------------------------------------------------------

    def place(self, message: Exported) -> bool:
        """If the message is there, give it its flags; whether it is."""
        now = self._present.get(message.head)
        if now is None:
            return False
        wanted = self._name(message)
        if now != wanted:
            (self.path / now).rename(self.path / wanted)
        return True

    @contextmanager
    def writing(self, message: Exported) -> Iterator[BinaryIO]:
        """A new file, which gets its name at the end of the block."""
        aside = self.path / "tmp" / message.head
        with aside.open("wb") as file:
            yield file
        os.utime(aside, (message.date, message.date))
        aside.rename(self.path / self._name(message))

    def _name(self, message: Exported) -> str:
        info = [FLAGS[flag] for flag in message.flags if flag in FLAGS]
        info += [self._letter(word) for word in message.flags if word not in FLAGS]
        return f"cur/{message.head}:2,{''.join(sorted(info))}"

    def _letter(self, word: str) -> str:
        letter = self._letters.get(word)
        if letter is None:
            free = set(map(chr, range(ord("a"), ord("z") + 1))) - set(self._letters.values())
            if not free:
                self.left_out.add(word)
                return ""
            letter = self._letters[word] = min(free)
        return letter
