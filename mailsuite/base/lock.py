"""A file that says who owns a folder: one process at a time."""

import fcntl
import os
from pathlib import Path

from mailsuite.base.errors import UserError


class Busy(UserError):
    """Another process has it."""


class FileLock:
    """Held from its making until `release` or the end of the process, however it ends."""

    __slots__ = ("_fd",)

    def __init__(self, path: Path, busy: str) -> None:
        """Take it. Raises Busy with the text `busy` when another has it, else OSError."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._fd)
            raise Busy(busy) from error
        except BaseException:
            os.close(self._fd)
            raise

    def release(self) -> None:
        """Give it back; idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
