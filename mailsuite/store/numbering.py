"""Files that other programs have put into a folder: their UIDs, their names, their rows.

Promises: UIDs rise with the files' times; what a name lacks (UID, sizes, a base that is safe) is
written into it by renaming, and nothing else is changed. A file that has moved on meanwhile is left
for the next look. Calls block.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailsuite.base.computing import let_go
from mailsuite.base.ordering import ordered
from mailsuite.store import content, filename, flags
from mailsuite.store.filename import FileName
from mailsuite.store.folder import Folder
from mailsuite.store.records import CUR, Entry

if TYPE_CHECKING:
    from mailsuite.store.files import AccountFiles


@dataclass(slots=True)
class _Fresh:
    """A file without a row. `plain` where its name lacks nothing but a UID, else `parsed`."""

    place: int
    name: str
    mtime: float
    size: int
    plain: filename.Unnumbered | None
    parsed: FileName | None
    uid: int = 0
    moved: bool = False
    """It has been in another mailbox."""


def number(
    files: AccountFiles,
    folder: Folder,
    fresh: list[tuple[int, str]],
    used: set[int],
    words: dict[int, list[str]],
    *,
    claim: bool,
) -> list[Entry]:
    r"""The rows of these files (place, name), ascending, once they are renamed.

    used   UIDs of the folder's other messages
    words  keywords by UID
    claim  a session takes them as \Recent: from new/ to cur/ at once
    """
    with content.Folders(folder.new, folder.cur) as folders:
        looked = _look(folders, fresh)
        _choose_uids(folder, looked, used)
        work = _Numbering(files, folder, folders, words, claim=claim)
        found = [entry for entry in map(work.entry, looked) if entry is not None]
    let_go(looked)
    return sorted(found, key=lambda entry: entry.uid)


def _look(folders: content.Folders, fresh: list[tuple[int, str]]) -> list[_Fresh]:
    """Those that are files, by their age."""
    looked: list[_Fresh] = []
    for place, name in fresh:
        try:
            status = os.stat(name, dir_fd=folders.fd(place))
        except FileNotFoundError:
            continue
        if stat.S_ISREG(status.st_mode):
            plain = filename.unnumbered(name, status.st_size)
            parsed = filename.parse(name) if plain is None else None
            looked.append(_Fresh(place, name, status.st_mtime, status.st_size, plain, parsed))
    ages = [(one.mtime, one.name) for one in looked]
    return [looked[place] for place in ordered(range(len(looked)), [(ages, False)])]


def _choose_uids(folder: Folder, looked: list[_Fresh], used: set[int]) -> None:
    used = set(used)
    without: list[_Fresh] = []
    highest = 0
    for one in looked:
        uid = None if one.parsed is None else one.parsed.uid
        if uid is None:
            without.append(one)
        elif folder.adopt_from <= uid < folder.adopt_below and uid not in used:
            one.uid = uid
            used.add(uid)
            highest = max(highest, uid)
        else:
            one.moved = True
            without.append(one)
    if highest:
        folder.skip_uids(highest + 1)
    if without:
        for uid, one in enumerate(without, folder.take_uids(len(without))):
            one.uid = uid


class _Numbering:
    """What is the same for all files of one look."""

    def __init__(
        self,
        files: AccountFiles,
        folder: Folder,
        folders: content.Folders,
        words: dict[int, list[str]],
        *,
        claim: bool,
    ) -> None:
        self._files = files
        self._folder = folder
        self._folders = folders
        self._words = words
        self._claim = claim
        self._now = int(files.clock.now())
        self._states: dict[str, str] = {}

    def entry(self, one: _Fresh) -> Entry | None:
        """The row of a file, renamed where its name lacks something; None when it has moved on."""
        place = CUR if self._claim else one.place
        try:
            if one.plain is not None:
                base, wire, info = one.plain
                if place != one.place:
                    info = info or ""
                text = filename.numbered(base, one.uid, one.size, wire, info)
            else:
                base, wire, info, text = self._named(one, place)
            if text != one.name or place != one.place:
                source, target = self._folders.fd(one.place), self._folders.fd(place)
                os.rename(one.name, text, src_dir_fd=source, dst_dir_fd=target)
        except FileNotFoundError:
            return None
        return Entry(
            uid=one.uid,
            place=place,
            name=text,
            state=self._state(one.uid, info or ""),
            modseq=0,
            internal_date=one.mtime,
            size=wire,
            delivery=filename.delivery_of(base),
        )

    def _named(self, one: _Fresh, place: int) -> tuple[str, int, str | None, str]:
        """(base, size over the wire, flag letters, whole name) that a file is to have."""
        parsed = one.parsed
        assert parsed is not None
        info = parsed.info if place == one.place else parsed.info or ""
        honest = parsed.size == one.size and parsed.wire is not None and parsed.wire >= one.size
        if honest and parsed.wire is not None:
            wire, extra = parsed.wire, parsed.extra
        else:
            wire, open_end = content.measured(self._folder.file(one.place, one.name))
            extra = filename.with_end(parsed.extra, is_open=open_end)
        when = self._now if one.moved or filename.saved(parsed) is None else parsed.saved
        name = FileName(parsed.base, one.uid, one.size, wire, extra, info, when, parsed.zone)
        if (text := name.plain) is None:
            letters = None if info is None else filename.letters_of(one.name)
            ours = filename.with_end((), is_open=filename.OPEN_END in extra)
            name = name._replace(
                base=self._files.new_base(), extra=ours, info=letters, saved=filename.saved(name)
            )
            text = str(name)
        return name.base, wire, name.info, text

    def _state(self, uid: int, info: str) -> str:
        words = self._words.get(uid, ())
        if words:
            return flags.state(filename.letters(info), words)
        if (state := self._states.get(info)) is None:
            state = self._states[info] = flags.state(filename.letters(info), ())
        return state
