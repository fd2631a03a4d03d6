"""Files that only the server's user may read, whoever makes them.

Promises: an empty file is there after `make_private`, readable by its owner only; what was there
stays as it was. Root makes it for the owner of the folder: a command run by root before the server
has ever run as its own user must not leave a file that this one can't open. SQLite gives the files
that it puts beside a database (`-wal`, `-shm`) the same owner and mode.
"""

import os
from pathlib import Path


def make_private(path: Path) -> None:
    """Make the file where it is missing. Raises OSError."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    try:
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(fd, owner.st_uid, owner.st_gid)
    finally:
        os.close(fd)
