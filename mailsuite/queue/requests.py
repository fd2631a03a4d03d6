"""What is asked of the queue from outside: by the operator, and by hosts that want their mail.

See `database` for what is promised.
"""

import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from mailsuite.base.errors import UserError
from mailsuite.mail import Envelope
from mailsuite.message import among, domain_of
from mailsuite.queue import codec
from mailsuite.queue.changes import Loaded
from mailsuite.queue.database import Database
from mailsuite.queue.entries import Counts, Entry
from mailsuite.queue.rows import entry_of, jobs_of, lease

Place = tuple[str, int]
"""A recipient, by message and index."""

START: Place = ("", -1)
PAGE = 2000  # recipients looked through at a time

# Along the primary key: the index of what is due would have to be sorted for every page.
WAITING = (
    "SELECT message, idx, address, leased FROM recipient WHERE (message, idx) > (?, ?)"
    " AND +state = 'due' AND ({}) ORDER BY message, idx LIMIT ?"
)
PATTERNS = 50  # domains up to which SQLite sorts out addresses before they are looked at here
SERVED_BY = (
    "SELECT r.message, r.idx, r.address, m.envelope FROM recipient AS r"
    " JOIN message AS m ON m.id = r.message WHERE (r.message, r.idx) > (?, ?)"
    " AND +r.courier IN (SELECT value FROM json_each(?)) AND +r.state = 'due' AND r.leased = 0"
    " ORDER BY r.message, r.idx LIMIT ?"
)


class Requests(Database):
    """See the module."""

    # -- the operator ---------------------------------------------------------------------------

    def entries(self, *, after: str = "", limit: int = 1000) -> list[Entry]:
        """Up to `limit` messages with ids greater than `after`, the oldest first."""
        sql = "SELECT id, envelope, received_at, size FROM message WHERE id > ? ORDER BY id LIMIT ?"
        with self._reading:
            rows = self._read.execute(sql, (after, limit)).fetchall()
            return [entry_of(self._read, row) for row in rows]

    def entry(self, id: str) -> Entry | None:
        """One message, or None when it is not in the queue."""
        sql = "SELECT id, envelope, received_at, size FROM message WHERE id = ?"
        with self._reading:
            rows = self._read.execute(sql, (id,)).fetchall()
            return entry_of(self._read, rows[0]) if rows else None

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

    def octets_held(self, account: str, now: float) -> int:
        """Octets of an account's messages that wait for the time that it has set."""
        sql = (
            "SELECT coalesce(sum(size), 0) FROM message WHERE envelope ->> '$.submitter' = ?"
            " AND envelope ->> '$.hold_until' > ?"
        )
        with self._reading:
            return int(self._read.execute(sql, (account, now)).get)

    def retry(self, id: str | None, now: float, parked: Iterable[str] = ()) -> int:
        """Plan the next attempt for `now`; gives the number of recipients.

        For one message also what was bounced, with None all that is due. What is held stays so, and
        what waits for somebody to ask for it, by the couriers `parked`.
        """
        asked = codec.dumps(list(parked))
        where, bindings = (
            ("state = 'due'", (now, asked))
            if id is None
            else ("state IN ('due', 'bounced') AND message = ?", (now, asked, id))
        )
        with self._transaction() as connection:
            connection.execute(
                "UPDATE recipient SET state = 'due', next_attempt = ? WHERE leased = 0"
                " AND (state != 'due' OR courier NOT IN (SELECT value FROM json_each(?)))"
                f" AND {where}",
                bindings,
            )
            return connection.changes()

    def retry_domain(self, domains: Collection[str], now: float) -> int:
        """As `retry`, for what waits for another attempt at `domains`; what is held back waits."""
        found, _, _ = self._waiting(domains, START, sys.maxsize)
        with self._transaction() as connection:
            connection.execute(
                "UPDATE recipient SET next_attempt = ? FROM (SELECT value->>0 AS message,"
                " value->>1 AS idx FROM json_each(?)) AS r"
                " WHERE recipient.message = r.message AND recipient.idx = r.idx"
                " AND leased = 0 AND state = 'due' AND attempts > 0",
                (now, codec.dumps(found)),
            )
            return connection.changes()

    def served_by(
        self, couriers: Iterable[str], after: Place, limit: int
    ) -> list[tuple[str, int, str, Envelope]]:
        """Recipients behind `after` that wait for one of `couriers`, with their envelopes."""
        names = codec.dumps(list(couriers))
        with self._reading:
            found: Iterable[Any] = self._read.execute(SERVED_BY, (*after, names, limit)).fetchall()
        return [
            (id, index, address, codec.to_envelope(text, [])) for id, index, address, text in found
        ]

    def set_due(self, places: Sequence[Place], now: float) -> None:
        """Have these recipients looked at again, as due now."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE recipient SET next_attempt = ? FROM (SELECT value->>0 AS message,"
                " value->>1 AS idx FROM json_each(?)) AS r WHERE recipient.message = r.message"
                " AND recipient.idx = r.idx AND leased = 0 AND state = 'due'",
                (now, codec.dumps([list(each) for each in places])),
            )

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

    # -- hosts that ask for their mail ----------------------------------------------------------

    def claim(
        self, domains: Collection[str], after: Place, limit: int, now: float
    ) -> tuple[list[Loaded], Place | None, bool]:
        """Lease what waits for `domains` behind `after`, due or not, of up to `limit` messages.

        What its sender or the operator holds back is not taken. Gives the place that was come to,
        None at the end, and whether some of it was in memory already.
        """
        found, come_to, busy = self._waiting(domains, after, limit)
        with self._transaction() as connection:
            loaded = [
                job
                for id in dict.fromkeys(id for id, _ in found)
                for job in jobs_of(
                    connection,
                    id,
                    lambda row: among(domain_of(row.address), domains),
                    held_until=now,
                )
            ]
            lease(connection, loaded)
        return loaded, come_to, busy

    def _waiting(
        self, domains: Collection[str], after: Place, limit: int
    ) -> tuple[list[Place], Place | None, bool]:
        """Recipients that wait for `domains`, without a transaction; as `claim`."""
        found: list[Place] = []
        messages: set[str] = set()
        busy = False
        where, patterns = _alike(domains)
        sql = WAITING.format(where)
        while True:
            with self._reading:
                rows: list[Any] = self._read.execute(sql, (*after, *patterns, PAGE)).fetchall()
            for id, index, address, leased in rows:
                if among(domain_of(address), domains):
                    if leased:
                        busy = True
                        continue
                    if id not in messages and len(messages) >= limit:
                        return found, after, busy
                    messages.add(id)
                    found.append((id, index))
                after = (id, index)
            if len(rows) < PAGE:
                return found, None, busy


def _alike(domains: Collection[str]) -> tuple[str, list[str]]:
    """A condition that is true for every address in `domains`, and for few others; its values."""
    if len(domains) > PATTERNS:
        return "1", []
    patterns = []
    for each in domains:
        name = each if each.startswith(".") else f"@{each}"
        plain = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        patterns += [f"%{plain}", f"%{plain}."]
    # What is not ASCII may be written in another way.
    tests = [*["address LIKE ? ESCAPE '\\'"] * len(patterns), "address GLOB '*[^ -~]*'"]
    return " OR ".join(tests), patterns
