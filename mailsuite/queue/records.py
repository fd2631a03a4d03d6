"""The queue's database: messages, their recipients, and the state of each. SQLite.

Promises: `apply` is durable when it returns and takes all changes or none; every method may be
called from any thread. It is the only truth about the queue: the spool file of a message counts
only while its row is here. Blocks on the disk, so a server calls it in threads.
"""

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw

from mailsuite.base.errors import UserError
from mailsuite.mail import Contact
from mailsuite.queue import codec, schema
from mailsuite.queue.changes import ENDED, Arrival, Attempted, Change, Loaded, Result, Unleased
from mailsuite.queue.entries import AttemptEntry, Counts, Entry, RecipientEntry

BUSY = 10_000  # milliseconds to wait for another process's transaction
HISTORY = 20  # attempts kept for a recipient: the first, and the latest of the others

# One statement a commit and kind of change, whatever their number: the rows travel as JSON.
ADD_MESSAGES = (
    "INSERT INTO message SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5"
    " FROM json_each(?)"
)
ADD_RECIPIENTS = (
    "INSERT INTO recipient (message, idx, address, params, courier, leased, next_attempt)"
    " SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6"
    " FROM json_each(?)"
)
RECORD = (
    "UPDATE recipient SET leased = 0, tried = 1, attempts = attempts + 1,"
    # An operator's hold outlasts an attempt that was under way and failed.
    " state = CASE WHEN recipient.state = 'held' AND r.state = 'due' THEN 'held' ELSE r.state END,"
    " status = r.status, text = r.words, last_attempt = r.at,"
    " next_attempt = coalesce(r.later, recipient.next_attempt), courier = r.courier,"
    f" history = json_insert(CASE WHEN json_array_length(history) < {HISTORY} THEN history"
    " ELSE json_remove(history, '$[1]') END, '$[#]', json(r.attempt))"
    " FROM (SELECT value->>0 AS message, value->>1 AS idx, value->>2 AS state,"
    " value->>3 AS status, value->>4 AS words, value->>5 AS at, value->>6 AS later,"
    " value->>7 AS courier, value->>8 AS attempt FROM json_each(?)) AS r"
    " WHERE recipient.message = r.message AND recipient.idx = r.idx"
)
UNLEASE = (
    "UPDATE recipient SET leased = 0, tried = max(recipient.tried, r.tried), next_attempt = r.later"
    " FROM (SELECT value->>0 AS message, value->>1 AS idx, value->>2 AS tried, value->>3 AS later"
    " FROM json_each(?)) AS r"
    " WHERE recipient.message = r.message AND recipient.idx = r.idx"
)
DELETE_RECIPIENTS = "DELETE FROM recipient WHERE message IN (SELECT value FROM json_each(?))"
DELETE_MESSAGES = "DELETE FROM message WHERE id IN (SELECT value FROM json_each(?))"
COMPLETED = (
    "SELECT id FROM message WHERE id IN (SELECT value FROM json_each(?)) AND NOT EXISTS"
    " (SELECT 1 FROM recipient WHERE message = id AND state NOT IN ('sent', 'returned'))"
)
DUE_MESSAGES = (
    "SELECT DISTINCT message FROM (SELECT message FROM recipient"
    " WHERE courier = ? AND state = 'due' AND leased = 0 AND next_attempt <= ?"
    " ORDER BY next_attempt LIMIT ?)"
)
FIRST_DUE = (
    "SELECT min(next_attempt) FROM recipient WHERE courier = ? AND state = 'due' AND leased = 0"
)
# From one courier's name to the next, without reading what lies between.
COURIERS = (
    "WITH RECURSIVE known(name) AS (SELECT min(courier) FROM recipient"
    " WHERE state = 'due' AND leased = 0 UNION ALL SELECT (SELECT min(courier) FROM recipient"
    " WHERE state = 'due' AND leased = 0 AND courier > name) FROM known WHERE name IS NOT NULL)"
    " SELECT name FROM known WHERE name IS NOT NULL"
)


class Records:
    """The open database. Raises apsw.Error, for `errors.typed` to sort."""

    def __init__(self, path: Path) -> None:
        """Open or create `path`, whose folder exists."""
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._write = apsw.Connection(str(path))
        self._read = self._write
        try:
            self._write.set_busy_timeout(BUSY)
            self._write.pragma("journal_mode", "wal")
            self._write.pragma("synchronous", "full")
            if self._write.pragma("user_version") != schema.VERSION:
                with self._transaction() as connection:
                    schema.migrate(connection, path)
            # Long listings have a connection of their own, so that no commit waits for them.
            self._read = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
            self._read.set_busy_timeout(BUSY)
            self._read.pragma("query_only", True)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the database."""
        with self._reading:
            self._read.close()
        with self._lock:
            self._write.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[apsw.Connection]:
        with self._lock:
            self._write.execute("BEGIN IMMEDIATE")
            try:
                yield self._write
                self._write.execute("COMMIT")
            except BaseException:
                if self._write.in_transaction:
                    self._write.execute("ROLLBACK")
                raise

    # -- the running queue ----------------------------------------------------------------------

    def apply(self, changes: Iterable[Change]) -> list[str]:
        """Write all `changes` durably; gives the messages that are completed and gone by them."""
        arrivals: list[Arrival] = []
        results: list[list[Any]] = []
        given_back: list[list[Any]] = []
        touched: set[str] = set()
        gone: list[str] = []
        for change in changes:
            if isinstance(change, Arrival):
                arrivals.append(change)
            elif isinstance(change, Unleased):
                given_back += [
                    [change.id, index, int(change.tried), change.next_attempt]
                    for index in change.indexes
                ]
            elif change.sole and change.results[0].state in ENDED:
                gone.append(change.id)
            else:
                touched.add(change.id)
                results += [_result_row(change, place) for place in range(len(change.results))]
        with self._transaction() as connection:
            if arrivals:
                rows = ",".join(each.row for each in arrivals)
                recipients = ",".join(each.recipients for each in arrivals)
                connection.execute(ADD_MESSAGES, (f"[{rows}]",))
                connection.execute(ADD_RECIPIENTS, (f"[{recipients}]",))
            if results:
                connection.execute(RECORD, (codec.dumps(results),))
            if given_back:
                connection.execute(UNLEASE, (codec.dumps(given_back),))
            if touched:
                names = codec.dumps(list(touched))
                gone += [id for (id,) in connection.execute(COMPLETED, (names,))]
            _delete(connection, gone)
        return gone

    def recover(self, now: float, spread: float) -> int:
        """After a start: nothing is in memory. Gives the number of recipients found leased.

        What was leased may have been attempted, and is tried again at once; retries that fell due
        meanwhile are spread over `spread` seconds.
        """
        with self._transaction() as connection:
            connection.execute(
                "UPDATE recipient SET leased = 0, tried = 1, next_attempt = ? WHERE leased = 1",
                (now,),
            )
            found = connection.changes()
            if spread > 0:
                connection.execute(
                    "UPDATE recipient SET next_attempt = ? + abs(random() % 65536) / 65536.0 * ?"
                    " WHERE state = 'due' AND attempts > 0 AND next_attempt < ?",
                    (now, spread, now),
                )
        return found

    def couriers(self) -> list[str]:
        """Names of the couriers that have due recipients."""
        with self._reading:
            return [name for (name,) in self._read.execute(COURIERS)]

    def load(self, courier: str, now: float, limit: int) -> tuple[list[Loaded], float | None]:
        """Lease up to about `limit` recipients of `courier` due at `now`, the longest due first.

        With them comes when the next one falls due. A message's recipients come together.
        """
        with self._transaction() as connection:
            ids = [id for (id,) in connection.execute(DUE_MESSAGES, (courier, now, limit))]
            loaded = [job for id in ids for job in _jobs(connection, id, courier, now)]
            if loaded:
                rows = codec.dumps([[job.id, index] for job in loaded for index in job.indexes])
                connection.execute(
                    "UPDATE recipient SET leased = 1 FROM (SELECT value->>0 AS message,"
                    " value->>1 AS idx FROM json_each(?)) AS r"
                    " WHERE recipient.message = r.message AND recipient.idx = r.idx",
                    (rows,),
                )
            return loaded, connection.execute(FIRST_DUE, (courier,)).get

    def first_due(self, courier: str) -> float | None:
        """When the next recipient of `courier` falls due, if any."""
        with self._reading:
            found: float | None = self._read.execute(FIRST_DUE, (courier,)).get
            return found

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of `ids` that are messages in the queue."""
        with self._reading:
            sql = "SELECT id FROM message WHERE id IN (SELECT value FROM json_each(?))"
            return {id for (id,) in self._read.execute(sql, (codec.dumps(list(ids)),))}

    # -- the operator ---------------------------------------------------------------------------

    def entries(self, *, after: str = "", limit: int = 1000) -> list[Entry]:
        """Up to `limit` messages with ids greater than `after`, the oldest first."""
        sql = "SELECT id, envelope, received_at, size FROM message WHERE id > ? ORDER BY id LIMIT ?"
        with self._reading:
            rows = self._read.execute(sql, (after, limit)).fetchall()
            return [_entry(self._read, row) for row in rows]

    def entry(self, id: str) -> Entry | None:
        """One message, or None when it is not in the queue."""
        sql = "SELECT id, envelope, received_at, size FROM message WHERE id = ?"
        with self._reading:
            rows = self._read.execute(sql, (id,)).fetchall()
            return _entry(self._read, rows[0]) if rows else None

    def require(self, id: str) -> Entry:
        """As `entry`, or a UserError."""
        found = self.entry(id)
        if found is None:
            raise UserError(f"no such message in the queue: {id} (see: mailsuite queue list)")
        return found

    def counts(self) -> Counts:
        """How many there are."""
        with self._reading:
            messages = self._read.execute("SELECT count(*) FROM message").get
            states = dict(
                self._read.execute("SELECT state, count(*) FROM recipient GROUP BY state")
            )
            active = self._read.execute("SELECT count(*) FROM recipient WHERE leased = 1").get
        return Counts(messages=messages, active=active, **states)

    def retry(self, id: str | None, now: float) -> int:
        """Plan the next attempt for `now`; gives the number of recipients.

        For one message also what was bounced, with None all that is due. What is held stays so.
        """
        where, bindings = (
            ("state = 'due'", (now,))
            if id is None
            else ("state IN ('due', 'bounced') AND message = ?", (now, id))
        )
        with self._transaction() as connection:
            connection.execute(
                "UPDATE recipient SET state = 'due', next_attempt = ?"
                f" WHERE leased = 0 AND {where}",
                bindings,
            )
            return connection.changes()

    def retry_domain(self, domain: str, below: bool, now: float) -> int:
        """As `retry`, for what waits for another attempt at a domain; what is held back waits."""
        plain = domain.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        patterns = [f"%@{plain}", f"%.{plain}" if below else f"%@{plain}"]
        with self._transaction() as connection:
            connection.execute(
                "UPDATE recipient SET next_attempt = ?"
                " WHERE leased = 0 AND state = 'due' AND attempts > 0"
                " AND (address LIKE ? ESCAPE '\\' OR address LIKE ? ESCAPE '\\')",
                (now, *patterns),
            )
            return connection.changes()

    def hold(self, id: str, unleased: Sequence[int] = ()) -> int:
        """Attempt no more until `release`; `unleased` are back from memory, not attempted."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE recipient SET state = 'held' WHERE message = ? AND state = 'due'", (id,)
            )
            changed = connection.changes()
            for index in unleased:
                connection.execute(
                    "UPDATE recipient SET leased = 0 WHERE message = ? AND idx = ?", (id, index)
                )
            return changed

    def release(self, id: str, now: float) -> int:
        """Let a held message go on; gives the number of recipients."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE recipient SET state = 'due', next_attempt = ?"
                " WHERE message = ? AND state = 'held'",
                (now, id),
            )
            return connection.changes()

    def drop(self, id: str) -> bool:
        """Forget a message; its spool file is the caller's to remove. False: not in the queue."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM message WHERE id = ?", (id,))
            found = bool(connection.changes())
            connection.execute("DELETE FROM recipient WHERE message = ?", (id,))
            return found


def _result_row(change: Attempted, place: int) -> list[Any]:
    result = change.results[place]
    return [
        change.id,
        result.index,
        result.state,
        result.status,
        result.text,
        change.at,
        result.next_attempt,
        change.courier,
        codec.attempt_text(_attempt(change, result)),
    ]


def _attempt(change: Attempted, result: Result) -> AttemptEntry:
    met = result.contact or Contact()
    return AttemptEntry(
        change.at,
        result.state,
        change.courier,
        result.status,
        result.text,
        met.host,
        met.address,
        met.reply,
        met.tls,
        met.why,
    )


def _delete(connection: apsw.Connection, ids: Sequence[str]) -> None:
    if ids:
        names = codec.dumps(list(ids))
        connection.execute(DELETE_RECIPIENTS, (names,))
        connection.execute(DELETE_MESSAGES, (names,))


def _jobs(connection: apsw.Connection, id: str, courier: str, now: float) -> list[Loaded]:
    """The due recipients of a message, those with equal history together."""
    rows: list[Any] = connection.execute(
        "SELECT address, params, courier = ? AND state = 'due' AND leased = 0"
        " AND next_attempt <= ?, attempts, tried, last_attempt"
        " FROM recipient WHERE message = ? ORDER BY idx",
        (courier, now, id),
    ).fetchall()
    message: Any
    (message,) = connection.execute(
        'SELECT envelope, received_at, size, "offset", prefixed FROM message WHERE id = ?', (id,)
    )
    text, received_at, size, offset, prefixed = message
    envelope = codec.to_envelope(text, [codec.to_recipient(row[0], row[1]) for row in rows])
    groups: dict[tuple[int, bool, float | None], list[int]] = {}
    for index, (_, _, due, attempts, tried, last) in enumerate(rows):
        if due:
            groups.setdefault((attempts, bool(tried), last), []).append(index)
    return [
        Loaded(
            id=id,
            envelope=envelope,
            received_at=received_at,
            size=size,
            offset=offset,
            prefixed=bool(prefixed),
            indexes=tuple(indexes),
            attempts=attempts,
            tried=tried,
            last_attempt=last,
        )
        for (attempts, tried, last), indexes in groups.items()
    ]


def _entry(connection: apsw.Connection, row: Sequence[Any]) -> Entry:
    id, text, received_at, size = row
    envelope = codec.to_envelope(text, ())
    recipients: Iterable[Any] = connection.execute(
        "SELECT address, state, courier, attempts,"
        " CASE WHEN state = 'due' AND leased = 0 THEN next_attempt END,"
        " last_attempt, status, text, leased, history, params"
        " FROM recipient WHERE message = ? ORDER BY idx",
        (id,),
    )
    found = []
    for address, state, courier, attempts, later, last, status, words, *more in recipients:
        leased, history, params = more
        one = codec.to_recipient(address, params)
        found.append(
            RecipientEntry(
                address,
                state,
                courier,
                attempts,
                later,
                last,
                status,
                words,
                bool(leased),
                codec.to_attempts(history),
                one.notify,
                one.orcpt,
            )
        )
    return Entry(
        id,
        envelope.sender,
        envelope.submitter,
        received_at,
        size,
        tuple(found),
        envelope.hold_until,
        envelope.require_tls,
        envelope.envid,
    )
