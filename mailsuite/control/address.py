"""Where the control socket of a data folder is, however long the folder's name.

A Unix socket's name has about a hundred octets at most; the folder's may have more.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mailsuite.base.errors import UserError

NAME = "control.sock"
MAX_PATH = 100  # octets; Linux has 107, macOS 103
_DESCRIPTORS = Path("/proc/self/fd")


@contextlib.contextmanager
def reachable(data: Path) -> Iterator[str]:
    """A name under which the socket in `data` can be bound or connected to, within the block.

    Raises UserError, or OSError when the folder can't be opened.
    """
    path = data / NAME
    if len(os.fsencode(path)) <= MAX_PATH:
        yield str(path)
    elif _DESCRIPTORS.is_dir():
        fd = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"{_DESCRIPTORS}/{fd}/{NAME}"
        finally:
            os.close(fd)
    else:
        yield str(elsewhere(data))


def location(data: Path) -> Path:
    """The socket as a file, for removing it."""
    path = data / NAME
    if len(os.fsencode(path)) <= MAX_PATH or _DESCRIPTORS.is_dir():
        return path
    return elsewhere(data)


def elsewhere(data: Path) -> Path:
    """A short name among the temporary files, for systems without /proc.

    Its folder belongs to the owner of the data folder alone, or UserError is raised: anybody may
    make names among the temporary files.
    """
    owner = data.stat().st_uid
    folder = Path(tempfile.gettempdir()) / f"mailsuite-{owner}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(folder, owner, -1)
    found = folder.lstat()
    if not folder.is_dir() or folder.is_symlink() or found.st_uid != owner or found.st_mode & 0o077:
        raise UserError(
            f"{folder}: not a folder of the data folder's owner alone; "
            f"remove it, or choose a data folder with a name shorter than {data}"
        )
    digest = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:16]
    return folder / f"{digest}.sock"
