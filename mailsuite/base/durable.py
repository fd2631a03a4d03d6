"""Durable files: what these functions have written survives a power cut once they return.

They block on the disk, so callers run them in threads. They never leave a half-written file under
the final name.
"""

import contextlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

SYNCING = 4  # threads that help to wait for many files
FEW = 2  # for which to wait one after the other costs less than to wake a thread


def fsync_dir(folder: Path) -> None:
    """Make the folder's entries (names created, renamed or removed in it) durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_new(
    path: str | Path, chunks: Iterable[bytes], *, mode: int = 0o600, mtime: float | None = None
) -> int:
    """Write a new file and fsync its octets, not yet its name.

    Several files of one folder can so share one `fsync_dir`. `mtime` (seconds since the epoch) sets
    the modification time. Returns the file's size in octets.
    Raises FileExistsError when the name is taken, OSError otherwise; the file is then gone again.
    """
    fd, size = begin_new(path, chunks, mode=mode, mtime=mtime)
    settle(fd, path)
    return size


def begin_new(
    path: str | Path, chunks: Iterable[bytes], *, mode: int = 0o600, mtime: float | None = None
) -> tuple[int, int]:
    """As `write_new`, but its octets are durable only after `settle` of the descriptor given.

    Where several files are begun first, they are on their way to the disk together. Gives the
    descriptor and the size.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    size = 0
    try:
        for chunk in chunks:
            written = os.write(fd, chunk)
            size += written
            if written < len(chunk):
                size += _write_rest(fd, memoryview(chunk)[written:])
        if mtime is not None:
            os.utime(fd, (mtime, mtime))
    except BaseException:
        os.close(fd)
        _unlink(path)
        raise
    return fd, size


def _write_rest(fd: int, view: memoryview) -> int:
    size = len(view)
    while view:
        view = view[os.write(fd, view) :]
    return size


def settle(fd: int, path: str | Path) -> None:
    """Make what `begin_new` has written durable. Raises OSError; the file is then gone again."""
    try:
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except BaseException:
        _unlink(path)
        raise


def sync_all(fds: Sequence[int]) -> list[OSError | None]:
    """Make many files or folders durable, at the same moment; what went wrong with each.

    A file system that keeps a journal writes it once for all who wait together, and once for each
    of those who wait one after the other: ten take thirty times as long that way on ext4.
    """
    if len(fds) > FEW:
        for fd in fds:
            _start_writing(fd)
        count = min(SYNCING + 1, len(fds))
        others = [_syncing().submit(_sync_each, fds[first::count]) for first in range(1, count)]
        found: list[OSError | None] = [None] * len(fds)
        found[::count] = _sync_each(fds[::count])
        for first, other in enumerate(others, 1):
            found[first::count] = other.result()
        return found
    return _sync_each(fds)


def _start_writing(fd: int) -> None:
    """Linux begins to write dirty pages that won't be needed; elsewhere there is no such call."""
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):  # fsync will tell
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def _sync_each(fds: Sequence[int]) -> list[OSError | None]:
    found: list[OSError | None] = []
    for fd in fds:
        try:
            os.fsync(fd)
        except OSError as error:
            found.append(error)
        else:
            found.append(None)
    return found


@cache
def _syncing() -> ThreadPoolExecutor:
    """Threads that do nothing but wait for the disk, whoever asks."""
    return ThreadPoolExecutor(SYNCING, thread_name_prefix="fsync")


def _unlink(path: str | Path) -> None:
    with contextlib.suppress(OSError):
        Path(path).unlink()


def replace(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write `data` under `path`, replacing what stood there, in one durable step.

    After a crash at any instant the name holds either the old octets or the new ones.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    write_new(temporary, [data], mode=mode)
    try:
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    fsync_dir(path.parent)
