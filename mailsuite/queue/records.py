"""The queue's database: messages, their recipients, and the state of each. SQLite.

Promises: `apply` is durable when it returns and takes all changes or none; every method may be
called from any thread. It is the only truth about the queue: the spool file of a message counts
only while its row is here. Blocks on the disk, so a server calls it in threads.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from mailsuite.queue import codec
from mailsuite.queue.changes import ENDED, Arrival, Change, Loaded, Unleased
from mailsuite.queue.requests import Requests
from mailsuite.queue.rows import delete, jobs_of, lease, result_row

HISTORY = 20  # attempts kept for a recipient: the first, and the latest of the others

# One statement a commit and kind of change, whatever their number: the rows travel as JSON.
ADD_MESSAGES = (
    "INSERT INTO message SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5"
    " FROM json_each(?)"
)
ADD_RECIPIENTS = (
    "INSERT INTO recipient (message, idx, address, params, courier, leased, next_attempt, tried)"
    " SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7"
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
    "UPDATE recipient SET leased = 0, tried = max(recipient.tried, r.tried),"
    " next_attempt = r.later, courier = coalesce(r.courier, recipient.courier)"
    " FROM (SELECT value->>0 AS message, value->>1 AS idx, value->>2 AS tried, value->>3 AS later,"
    " value->>4 AS courier FROM json_each(?)) AS r"
    " WHERE recipient.message = r.message AND recipient.idx = r.idx"
)
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


class Records(Requests):
    """The open database. Raises apsw.Error, for `errors.typed` to sort."""

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
                    [change.id, index, int(change.tried), change.next_attempt, change.courier]
                    for index in change.indexes
                ]
            elif change.sole and change.results[0].state in ENDED:
                gone.append(change.id)
            else:
                touched.add(change.id)
                results += [result_row(change, place) for place in range(len(change.results))]
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
            delete(connection, gone)
        return gone

    def recover(self, now: float, spread: float, parked: Iterable[str] = ()) -> int:
        """After a start: nothing is in memory. Gives the number of recipients found leased.

        What was leased may have been attempted, and is tried again at once, but for the couriers
        `parked`: there it waits to be asked for again. Retries that fell due meanwhile are spread
        over `spread` seconds.
        """
        with self._transaction() as connection:
            connection.execute(
                "UPDATE recipient SET leased = 0, tried = 1, next_attempt = CASE WHEN courier IN"
                " (SELECT value FROM json_each(?)) THEN next_attempt ELSE ? END WHERE leased = 1",
                (codec.dumps(list(parked)), now),
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
            loaded = [
                job
                for id in ids
                for job in jobs_of(
                    connection, id, lambda row: row.courier == courier and row.next_attempt <= now
                )
            ]
            lease(connection, loaded)
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
