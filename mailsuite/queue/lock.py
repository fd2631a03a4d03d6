"""One owner of a queue at a time: the running server, or one command of the operator."""

from pathlib import Path

from mailsuite.base.lock import FileLock


class Lock(FileLock):
    """Holds the queue's folder."""

    __slots__ = ()

    def __init__(self, root: Path) -> None:
        """Take it. Raises UserError when another process has it, OSError otherwise."""
        super().__init__(root / "queue.lock", f"the queue in {root} is in use by another process")
