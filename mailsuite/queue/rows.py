"""From rows of the queue's database to values, and back; within a caller's transaction."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import apsw

from mailsuite.mail import Contact
from mailsuite.queue import codec
from mailsuite.queue.changes import Attempted, Loaded, Result
from mailsuite.queue.entries import AttemptEntry, Entry, RecipientEntry

DELETE_RECIPIENTS = "DELETE FROM recipient WHERE message IN (SELECT value FROM json_each(?))"
DELETE_MESSAGES = "DELETE FROM message WHERE id IN (SELECT value FROM json_each(?))"


def result_row(change: Attempted, place: int) -> list[Any]:
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


def delete(connection: apsw.Connection, ids: Sequence[str]) -> None:
    if ids:
        names = codec.dumps(list(ids))
        connection.execute(DELETE_RECIPIENTS, (names,))
        connection.execute(DELETE_MESSAGES, (names,))


def lease(connection: apsw.Connection, loaded: Sequence[Loaded]) -> None:
    rows = codec.dumps([[job.id, index] for job in loaded for index in job.indexes])
    connection.execute(
        "UPDATE recipient SET leased = 1 FROM (SELECT value->>0 AS message,"
        " value->>1 AS idx FROM json_each(?)) AS r"
        " WHERE recipient.message = r.message AND recipient.idx = r.idx",
        (rows,),
    )


class Row(NamedTuple):
    address: str
    params: str
    courier: str
    next_attempt: float
    free: int
    attempts: int
    tried: int
    last_attempt: float | None


def jobs_of(
    connection: apsw.Connection,
    id: str,
    wanted: Callable[[Row], bool],
    *,
    held_until: float = math.inf,
) -> list[Loaded]:
    """The `wanted` ones of a message's recipients that wait, those with equal history together.

    None where the sender has it held back longer than until `held_until`.
    """
    found: list[Any] = connection.execute(
        "SELECT address, params, courier, next_attempt, state = 'due' AND leased = 0,"
        " attempts, tried, last_attempt FROM recipient WHERE message = ? ORDER BY idx",
        (id,),
    ).fetchall()
    rows = [Row(*row) for row in found]
    groups: dict[tuple[int, bool, float | None], list[int]] = {}
    for index, row in enumerate(rows):
        if row.free and wanted(row):
            group = (row.attempts, bool(row.tried), row.last_attempt)
            groups.setdefault(group, []).append(index)
    if not groups:
        return []  # it may be gone meanwhile
    message: Any
    (message,) = connection.execute(
        'SELECT envelope, received_at, size, "offset", prefixed FROM message WHERE id = ?', (id,)
    )
    text, received_at, size, offset, prefixed = message
    envelope = codec.to_envelope(
        text, [codec.to_recipient(row.address, row.params) for row in rows]
    )
    if envelope.hold_until is not None and envelope.hold_until > held_until:
        return []
    return [
        Loaded(
            id=id,
            envelope=envelope,
            received_at=received_at,
            size=size,
            offset=offset,
            prefixed=bool(prefixed),
            indexes=tuple(indexes),
            due=tuple(rows[index].next_attempt for index in indexes),
            attempts=attempts,
            tried=tried,
            last_attempt=last,
        )
        for (attempts, tried, last), indexes in groups.items()
    ]


def entry_of(connection: apsw.Connection, row: Sequence[Any]) -> Entry:
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
