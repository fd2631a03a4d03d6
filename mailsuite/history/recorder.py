"""Takes the log's lines that name a message and writes them down, some at a time."""

import asyncio
import contextlib
import json
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import apsw

from mailsuite.base.clock import Clock
from mailsuite.base.log import get_logger
from mailsuite.base.sqlite import transaction
from mailsuite.base.tasks import Tasks, Threads
from mailsuite.history.database import open_for_writing

log = get_logger("history")
EVERY = 1.0  # seconds between two writes
WAITING = 50_000  # events in memory; what comes while the disk does not keep up is not kept
LONGEST = 2000  # characters of one value
_NOT_KEPT = frozenset({"id", "of", "message_id", "level", "timestamp", "exc_info", "exception"})
INSERT = (
    "INSERT INTO event (message, parent, message_id, at, fields)"
    " SELECT value->>0, value->>1, value->>2, value->>3, value->4 FROM json_each(?)"
)


class Recorder:
    """`take` is given to the log; `start` and `stop` belong to the server."""

    def __init__(self, path: Path, threads: Threads, clock: Clock, *, keep: float) -> None:
        """`keep`: seconds for which events are kept."""
        self._path = path
        self._threads = threads
        self._clock = clock
        self._keep = keep
        self._events: deque[list[Any]] = deque(maxlen=WAITING)
        self._tasks = Tasks("history")
        self._lock = threading.Lock()
        self._db: apsw.Connection | None = None

    def take(self, event: Mapping[str, Any]) -> None:
        """Keep an event that has an `id`; from any thread, without waiting."""
        fields = {
            name: value if isinstance(value, int | float | None) else str(value)[:LONGEST]
            for name, value in event.items()
            if name not in _NOT_KEPT
        }
        row = [str(event["id"]), event.get("of"), event.get("message_id"), self._clock.now()]
        self._events.append([*row, fields])

    def start(self) -> None:
        """Begin to write."""
        self._tasks.start(self._run(), "write")

    async def stop(self) -> None:
        """Write what is left, and close."""
        await self._tasks.cancel()
        await self._threads.run(self._write)
        await self._threads.run(self._close)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            if self._events:
                await self._threads.run(self._write)

    def _write(self) -> None:
        rows: list[list[Any]] = []
        while self._events:
            with contextlib.suppress(IndexError):
                rows.append(self._events.popleft())
        if not rows:
            return
        with self._lock:
            try:
                if self._db is None:
                    self._db = open_for_writing(self._path)
                with transaction(self._db):
                    self._db.execute(INSERT, (json.dumps(rows),))
                    self._forget(self._db)
            except apsw.Error as error:
                log.error("history not written", events=len(rows), why=str(error))
                self._reopen()

    def _forget(self, db: apsw.Connection) -> None:
        """Numbers rise with time, so the old ones are the first."""
        oldest = self._clock.now() - self._keep
        while True:
            found = db.execute("SELECT number, at FROM event ORDER BY number LIMIT 1 OFFSET 999")
            row = found.fetchone()
            if row is None or row[1] >= oldest:
                return
            db.execute("DELETE FROM event WHERE number <= ?", (row[0],))

    def _reopen(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _close(self) -> None:
        with self._lock:
            self._reopen()
