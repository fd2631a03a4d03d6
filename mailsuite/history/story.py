"""Finds what was written down of a message, and of what followed from it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from mailsuite.history.database import open_for_reading

MOST = 100  # messages told of at a time


@dataclass(frozen=True, slots=True)
class Event:
    """`at`: seconds since the epoch; `fields`: as the log had them, "event" names what happened."""

    at: float
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Story:
    """One message's events in order; `parent`: the queue id of what it follows from, or None."""

    id: str
    message_id: str | None
    parent: str | None
    events: tuple[Event, ...]


def stories(path: Path, wanted: str) -> list[Story]:
    """The messages that `wanted` names, a Message-ID or a queue id, and those that followed.

    The Message-ID may have its angle brackets or not. Raises apsw.Error.
    """
    db = open_for_reading(path)
    if db is None:
        return []
    try:
        bare = wanted.strip().removeprefix("<").removesuffix(">")
        ids = [
            id
            for (id,) in db.execute(
                "SELECT DISTINCT message FROM event WHERE message_id = ? OR message = ? LIMIT ?",
                (f"<{bare}>", bare, MOST),
            )
        ]
        found: dict[str, Story] = {}
        while ids and len(found) < MOST:
            id = ids.pop(0)
            if id not in found:
                found[id] = _story(db, id)
                sql = "SELECT DISTINCT message FROM event WHERE parent = ? ORDER BY number LIMIT ?"
                ids += [child for (child,) in db.execute(sql, (id, MOST))]
        return list(found.values())
    finally:
        db.close()


def _story(db: apsw.Connection, id: str) -> Story:
    message_id: str | None = None
    parent: str | None = None
    events = []
    sql = "SELECT parent, message_id, at, fields FROM event WHERE message = ? ORDER BY number"
    for of, named, at, fields in db.execute(sql, (id,)):
        parent = parent or of
        message_id = message_id or named
        events.append(Event(at, json.loads(str(fields))))
    return Story(id, message_id, parent, tuple(events))
