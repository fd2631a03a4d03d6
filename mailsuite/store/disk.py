"""Small steps on the file system. They block."""

import contextlib
import os
import shutil
import stat
from pathlib import Path

from mailsuite.base import durable
from mailsuite.base.log import get_logger

PLACES = ("new", "cur", "tmp")
log = get_logger("store")


def make_maildir(path: Path) -> None:
    """Make a folder's cur, new and tmp, as far as they are missing."""
    if not all((path / place).is_dir() for place in PLACES):
        for place in PLACES:
            (path / place).mkdir(parents=True, exist_ok=True, mode=0o700)
        durable.fsync_dir(path)


def is_linked(path: Path) -> bool:
    """The folder, or one of its places for mail, is a symbolic link."""
    return any(one.is_symlink() for one in (path, path / "new", path / "cur"))


def rename(old: str, new: str, source: int | None = None, target: int | None = None) -> None:
    """Rename a file. Raises FileNotFoundError.

    `source`, `target`: descriptors of both folders, which save looking for them.
    """
    if source is not None and target is not None:
        old, new = old.rpartition("/")[2], new.rpartition("/")[2]
    os.rename(old, new, src_dir_fd=source, dst_dir_fd=target)


def rename_back(new: str, old: str) -> None:
    """Undo a rename, as far as the file is still there."""
    with contextlib.suppress(FileNotFoundError):
        Path(new).rename(old)


def unlink(path: str, folder: int) -> None:
    """Remove a file; `folder`: its folder's descriptor. Raises FileNotFoundError."""
    os.unlink(path.rpartition("/")[2], dir_fd=folder)


def unlink_quietly(path: str) -> None:
    """Remove a file that may be gone already."""
    Path(path).unlink(missing_ok=True)


def changed_at(path: str) -> int:
    """Modification time, ns. Raises FileNotFoundError."""
    return os.stat(path).st_mtime_ns  # noqa: PTH116 (a Path costs more than the look itself)


def is_folder(path: str) -> bool:
    """It is there, and a folder."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)  # noqa: PTH116 (as above)
    except (FileNotFoundError, NotADirectoryError):
        return False


def list_messages(path: str) -> list[str]:
    """File names in new/ or cur/ that can be messages."""
    return [name for name in os.listdir(path) if not name.startswith(".")]


def names_sum(path: str) -> tuple[int, int]:
    """How many names `list_messages` would give, and the sum of their hashes."""
    count = total = 0
    with os.scandir(path) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                count += 1
                total += hash(entry.name)
    return count, total


def throw_away(path: Path) -> None:
    """Remove a file or a whole folder; what cannot be removed now goes at the next start."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("left over", path=str(path), reason=str(error))
