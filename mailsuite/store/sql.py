"""What all SQL over the index needs: the ids of rows, lists in short pieces.

A message's row id is `mailbox << 32 | uid`, so that a mailbox's messages lie side by side by UID.
Lists go in and come out as one JSON value, so that a query is one step, not one for each row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import apsw

WRITE_AT_ONCE = 1_000
IS_DELETED = "instr(substr(state, 1, instr(state || ' ', ' ')), 'T')"
r"""Of a message's row: it has \Deleted."""
T = TypeVar("T")


def row_id(mailbox: int, uid: int) -> int:
    """Where a message's row is."""
    return mailbox << 32 | uid


def ids(mailbox: int, uids: Iterable[int]) -> str:
    """The rows of messages, as one JSON value."""
    base = mailbox << 32
    return json.dumps([base | uid for uid in uids])


def pieces(whole: Sequence[T]) -> Iterator[Sequence[T]]:
    """Short lists, so that no single step keeps other threads from running for long."""
    for start in range(0, len(whole), WRITE_AT_ONCE):
        yield whole[start : start + WRITE_AT_ONCE]


def span(mailbox: int) -> tuple[int, int]:
    """Between which ids, without these, the rows of a mailbox lie."""
    return mailbox << 32, (mailbox + 1) << 32


def value(db: apsw.Connection, sql: str, arguments: Sequence[Any] = ()) -> Any:
    """The first column of the first row, or None."""
    row = db.execute(sql, arguments).fetchone()
    return None if row is None else row[0]
