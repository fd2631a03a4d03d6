"""All or nothing: files are changed with an undo for each step, then the rows in one transaction.

Calls block.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import apsw

from mailsuite.store import disk
from mailsuite.store.folder import Folder
from mailsuite.store.records import CUR, NEW

if TYPE_CHECKING:
    from mailsuite.store.files import AccountFiles


class _Open:
    """A folder held open, and whose new/ or cur/ it is."""

    __slots__ = ("_owner", "_place", "fd")

    def __init__(self, path: str, folders: tuple[Folder, ...]) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._owner: Folder | None = None
        self._place = CUR
        for folder in folders:
            if path in (folder.new, folder.cur):
                self._owner, self._place = folder, NEW if path == folder.new else CUR

    def changes(self, name: str) -> None:
        """We have made this name come or go."""
        if self._owner is not None:
            self._owner.own_change(self._place, name)


class Change:
    """A change under way: files first, then `commit` for the rows.

    Paths are cut at their last "/": folders are held open, which halves the time of a step.
    """

    __slots__ = ("_files", "_folders", "_noted", "_open_folders", "_undo")

    def __init__(self, files: AccountFiles, folders: tuple[Folder, ...]) -> None:
        self._files = files
        self._folders = folders
        self._undo: list[tuple[str, str]] = []
        self._open_folders: dict[str, _Open] = {}
        self._noted = False

    def rename(self, old: str, new: str) -> None:
        """Rename a file; renamed back when the change fails. Raises FileNotFoundError."""
        (source, old_name), (target, new_name) = self._open(old), self._open(new)
        disk.rename(old, new, source.fd, target.fd)
        self._undo.append((new, old))
        source.changes(old_name)
        target.changes(new_name)

    def link(self, old: str, new: str) -> None:
        """Give a file a second name; removed when the change fails. Raises FileNotFoundError."""
        (source, old_name), (target, new_name) = self._open(old), self._open(new)
        os.link(
            old_name,
            new_name,
            src_dir_fd=source.fd,
            dst_dir_fd=target.fd,
            follow_symlinks=False,
        )
        self._undo.append((new, ""))
        target.changes(new_name)

    def adopt(self, path: str, new: str) -> None:
        """As `link`, for a file that lies in none of the account's folders."""
        target, name = self._open(new)
        os.link(path, name, dst_dir_fd=target.fd, follow_symlinks=False)
        self._undo.append((new, ""))
        target.changes(name)

    def fd(self, folder: str) -> int:
        """The descriptor of a folder, held open until `close`."""
        return self._open(f"{folder}/")[0].fd

    def unlink(self, path: str) -> None:
        """Remove a file, for good whatever becomes of the change. Raises FileNotFoundError."""
        folder, name = self._open(path)
        disk.unlink(path, folder.fd)
        folder.changes(name)

    def _open(self, path: str) -> tuple[_Open, str]:
        """(its folder, its name there)"""
        folder, _, name = path.rpartition("/")
        if (found := self._open_folders.get(folder)) is None:
            found = self._open_folders[folder] = _Open(folder, self._folders)
        return found, name

    @contextlib.contextmanager
    def commit(self, *, wait: bool = True) -> Iterator[apsw.Connection]:
        """Files are as they shall be: write the rows. The last step of a change.

        Without `wait`, where somebody else writes to the index: raises IndexBusy, and has not
        begun; it may be called again.
        """
        if not self._noted:
            self._noted = True
            for folder in self._folders:
                folder.after_change()
        with self._files.index.transaction(wait=wait) as db:
            yield db
            for folder in self._folders:
                folder.save(db)

    def undo_all(self) -> None:
        """The change has failed."""
        while self._undo:
            new, old = self._undo.pop()
            if old:
                disk.rename_back(new, old)
            else:
                disk.unlink_quietly(new)

    def close(self) -> None:
        """Give the folders back."""
        for folder in self._open_folders.values():
            os.close(folder.fd)
        self._open_folders.clear()
