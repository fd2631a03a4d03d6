"""SQLite by way of APSW, so that other threads go on while the disk works.

APSW gives the interpreter to others while it executes a statement, but neither at the end of its
own `with connection` nor in `Connection.close`, which may write and sync a whole log: the event
loop would wait for the disk. Never opens a database.
"""

import contextlib
from collections.abc import Iterator

import apsw


@contextlib.contextmanager
def transaction(db: apsw.Connection) -> Iterator[None]:
    """Write: committed at the end, rolled back on any exception. Not within another. Blocks."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def close(db: apsw.Connection) -> None:
    """Close one that has written: what its log holds is taken over before. Blocks."""
    # Whatever is wrong with the file, whoever uses it next is told.
    with contextlib.suppress(apsw.Error):
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    db.close()
