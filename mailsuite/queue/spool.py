"""The spool: one file a message, written once under its final name, never changed.

Promises: what fails half-way is gone again. A file without a row in the database means nothing and
is swept at start. All functions block on the disk.

Writing and waiting (`base.durable.sync_all`) are two steps, since to wait for many files at once
takes as long as to wait for one.
"""

import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from mailsuite.base import durable
from mailsuite.queue.ids import is_id

CHUNK = 1 << 20
# What file systems without hard links, or with too many of one file, answer.
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


class Spool:
    """The folder of the spool files; a file's name is its message's queue id."""

    __slots__ = ("_fd", "_folder", "_prefix")

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.fsync_dir(folder.parent)
        self._folder = folder
        self._prefix = f"{folder.absolute()}/"
        self._fd = -1

    def path(self, id: str) -> str:
        """The absolute name of a message's file."""
        return self._prefix + id

    def sync(self) -> None:
        """Make the names of the files written so far durable."""
        durable.fsync_dir(self._folder)

    @property
    def fd(self) -> int:
        """The folder's descriptor, from `hold` on."""
        return self._fd

    def hold(self) -> None:
        """Keep the folder open until `close`."""
        self._fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Give the folder back."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def write(self, id: str, chunks: Iterable[bytes]) -> int:
        """A new file, not yet durable; gives its descriptor, to wait for and to close.

        FileExistsError, and then the file is another's; OSError.
        """
        return self.go_on(self.open_new(id), id, chunks)

    def share(self, id: str, source: str, skip: int, head: bytes, tail: bytes = b"") -> int:
        """A new file: `head`, the octets of the file of `source` after the first `skip`, `tail`.

        With nothing to add it is a hard link that keeps those octets too, and -1 instead
        of a descriptor says that there is nothing to wait for.
        """
        if not head and not tail:
            try:
                os.link(self.path(source), self.path(id))
                return -1
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
                skip = 0
        with (self._folder / source).open("rb") as octets:
            octets.seek(skip)
            return self.write(id, _chain(head, iter(lambda: octets.read(CHUNK), b""), tail))

    def open_new(self, id: str) -> int:
        """A descriptor for a new file that is to grow."""
        return os.open(self.path(id), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def go_on(self, fd: int, id: str, chunks: Iterable[bytes]) -> int:
        """Write the last octets of a file from `open_new`; gives its descriptor as `write` does."""
        try:
            for chunk in chunks:
                write_all(fd, chunk)
        except BaseException:
            os.close(fd)
            with contextlib.suppress(OSError):
                self.remove([id])
            raise
        return fd

    def remove(self, ids: Iterable[str]) -> None:
        """Remove files; those that are gone already don't matter."""
        for id in ids:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._prefix + id)  # noqa: PTH108 (half the time of a Path)

    def sweep(self, known: Callable[[Sequence[str]], set[str]], before: str) -> int:
        """Remove the files of ids below `before` that `known` does not know; gives their number."""
        removed = 0
        with os.scandir(self._folder) as found:
            names = (e.name for e in found if is_id(e.name) and e.name < before)
            while page := list(islice(names, 1000)):
                orphans = set(page) - known(page)
                self.remove(orphans)
                removed += len(orphans)
        return removed


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`, however often the system takes only a part."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _chain(head: bytes, rest: Iterator[bytes], tail: bytes) -> Iterator[bytes]:
    yield head
    yield from rest
    yield tail
