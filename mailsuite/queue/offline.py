"""The operator's view of a queue whose server is not running.

Promises: the same words and effects as with the running server; never changes anything while a
server (or another command) has the queue. Blocks; for commands only.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

import apsw

from mailsuite.base import durable
from mailsuite.base.errors import UserError
from mailsuite.mail import Envelope
from mailsuite.queue.boarding import NOBODY
from mailsuite.queue.changes import arrival
from mailsuite.queue.entries import Counts, Entry
from mailsuite.queue.ids import Ids
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

    def submit(
        self, envelope: Envelope, message: Callable[[str], Iterable[bytes]], *, limit: int
    ) -> str:
        """Take a message for the next start of the server; gives its queue id once it is durable.

        message  gives the octets for the id
        limit    octets of the largest message that is taken

        Raises UserError: in use, too large, or the disk refuses.
        """
        try:
            if self._records is None:
                self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._lock = self._lock or Lock(self._root)
                self._records = Records(self._root / "queue.db")
            return self._submit(self._records, envelope, message, limit)
        except (OSError, apsw.Error) as error:
            raise UserError(f"the message can't be kept in {self._root}: {error}") from error

    def _submit(
        self,
        records: Records,
        envelope: Envelope,
        message: Callable[[str], Iterable[bytes]],
        limit: int,
    ) -> str:
        spool = Spool(self._root / "spool")
        id = Ids(time.time).next()
        size = 0

        def counted() -> Iterable[bytes]:
            nonlocal size
            for piece in message(id):
                size += len(piece)
                if size > limit:
                    raise UserError(f"the message has more than {limit} octets")
                yield piece

        durable.settle(spool.write(id, counted()), spool.path(id))
        try:
            spool.sync()
            now = time.time()
            couriers = [NOBODY] * len(envelope.recipients)
            row = arrival(
                id,
                envelope,
                received_at=now,
                size=size,
                offset=0,
                prefixed=False,
                couriers=couriers,
                leased=(),
                due={NOBODY: now},
            )
            records.apply([row])
        except BaseException:
            spool.remove([id])
            raise
        return id

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
