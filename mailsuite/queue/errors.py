"""What the queue raises when the disk does not do its part. A door answers 4xx to each."""

import errno

import apsw


class QueueUnavailable(Exception):
    """The message could not be taken; nothing of it is kept (reply 451 4.3.0)."""


class NoSpace(QueueUnavailable):
    """The disk or a quota is full (reply 452 4.3.1)."""


def typed(error: BaseException) -> QueueUnavailable:
    """`error`, from the file system or SQLite, as one of the two above, with it as the cause."""
    if isinstance(error, QueueUnavailable):
        return error
    full = isinstance(error, apsw.FullError) or (
        isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    )
    result = (NoSpace if full else QueueUnavailable)(str(error))
    result.__cause__ = error
    return result
