"""One owner of a queue at a time: the running server, or one command of the operator."""

import fcntl
import os
from pathlib import Path

from mailsuite.base.errors import UserError


class Lock:
    """Holds the queue's folder; released by `release` or with the process, however it ends."""

    __slots__ = ("_fd",)

    def __init__(self, root: Path) -> None:
        """Take it. Raises UserError when another process has it, OSError otherwise."""
        self._fd = os.open(root / "queue.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._fd)
            raise UserError(f"the queue in {root} is in use by another process") from error
        except BaseException:
            os.close(self._fd)
            raise

    def release(self) -> None:
        """Give it back; idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
