"""The operator's view of a queue whose server is not running.

Promises: the same words and effects as with the running server; never changes anything while a
server (or another command) has the queue. Blocks; for commands only.
"""

import time
from pathlib import Path
from types import TracebackType

import apsw

from mailsuite.base.errors import UserError
from mailsuite.queue.entries import Counts, Entry
from mailsuite.queue.lock import Lock
from mailsuite.queue.records import Records
from mailsuite.queue.spool import Spool


class Offline:
    """``with Offline(root) as queue: queue.list()``. A queue that was never started is empty."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock: Lock | None = None
        self._records: Records | None = None

    def __enter__(self) -> "Offline":
        """Raises UserError: in use, or not readable."""
        if not (self._root / "queue.db").exists():
            return self
        try:
            self._lock = Lock(self._root)
            self._records = Records(self._root / "queue.db")
        except (OSError, apsw.Error) as error:
            self.__exit__(None, None, None)
            raise UserError(f"can't open the queue in {self._root}: {error}") from error
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._records is not None:
            self._records.close()
            self._records = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def list(self, *, after: str = "", limit: int = 1000) -> list[Entry]:
        """Up to `limit` messages with ids greater than `after`, the oldest first."""
        return self._records.entries(after=after, limit=limit) if self._records else []

    def show(self, id: str) -> Entry:
        """One message. UserError: not in the queue."""
        return self._require(id).require(id)

    def counts(self) -> Counts:
        """How many messages and recipients there are."""
        return self._records.counts() if self._records else Counts()

    def retry(self, id: str | None = None) -> int:
        """As `Queue.retry`, for the next start of the server."""
        if id is None:
            return self._records.retry(None, time.time()) if self._records else 0
        records = self._require(id)
        return records.retry(id, time.time())

    def hold(self, id: str) -> int:
        """As `Queue.hold`."""
        return self._require(id).hold(id)

    def release(self, id: str) -> int:
        """As `Queue.release`, for the next start of the server."""
        return self._require(id).release(id, time.time())

    def drop(self, id: str) -> None:
        """As `Queue.drop`."""
        self._require(id).drop(id)
        Spool(self._root / "spool").remove([id])

    def _require(self, id: str) -> Records:
        if self._records is None:
            raise UserError(f"no such message in the queue: {id} (see: mailsuite queue list)")
        self._records.require(id)
        return self._records
