"""Durable files: what these functions have written survives a power cut once they return.

They block on the disk, so callers run them in threads. They never leave a half-written file under
the final name.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path


def fsync_dir(folder: Path) -> None:
    """Make the folder's entries (names created, renamed or removed in it) durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_new(
    path: Path, chunks: Iterable[bytes], *, mode: int = 0o600, mtime: float | None = None
) -> int:
    """Write a new file and fsync its octets, not yet its name.

    Several files of one folder can so share one `fsync_dir`. `mtime` (seconds since the epoch) sets
    the modification time. Returns the file's size in octets.
    Raises FileExistsError when the name is taken, OSError otherwise; the file is then gone again.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    size = 0
    try:
        try:
            for chunk in chunks:
                view = memoryview(chunk)
                while view:
                    written = os.write(fd, view)
                    size += written
                    view = view[written:]
            if mtime is not None:
                os.utime(fd, (mtime, mtime))
            os.fsync(fd)
        finally:
            os.close(fd)
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    return size


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
