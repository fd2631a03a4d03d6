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

if TYPE_CHECKING:
    from mailsuite.store.files import AccountFiles


class Change:
    """A change under way: files first, then `commit` for the rows."""

    __slots__ = ("_files", "_folders", "_undo")

    def __init__(self, files: AccountFiles, folders: tuple[Folder, ...]) -> None:
        self._files = files
        self._folders = folders
        self._undo = contextlib.ExitStack()

    def rename(self, old: str, new: str) -> None:
        """Rename a file; renamed back when the change fails. Raises FileNotFoundError."""
        disk.rename(old, new)
        self._undo.callback(disk.rename_back, new, old)

    def link(self, old: str, new: str) -> None:
        """Give a file a second name; removed when the change fails. Raises FileNotFoundError."""
        os.link(old, new, follow_symlinks=False)
        self._undo.callback(disk.unlink_quietly, new)

    @contextlib.contextmanager
    def commit(self) -> Iterator[apsw.Connection]:
        """Files are as they shall be: write the rows. The last step of a change."""
        for folder in self._folders:
            folder.after_change()
        with self._files.index.transaction() as db:
            yield db
            for folder in self._folders:
                folder.save(db)

    def undo_all(self) -> None:
        """The change has failed."""
        self._undo.close()

    def keep(self) -> None:
        """The change stands."""
        self._undo.pop_all()
