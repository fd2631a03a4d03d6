"""What happens in any of an account's mailboxes, open or not, for those who want to know.

Promises: listeners are called on the loop, in the order of the changes, after the views have them;
nothing is kept for anybody, so a listener that remembers has to set itself a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mailsuite.store import names
from mailsuite.store.updates import Update

ACTOR: ContextVar[object | None] = ContextVar("actor", default=None)
"""Whoever asks for changes from here on: set once in its task, it comes back in their events."""

Kind: TypeAlias = Literal[
    "appended",
    "flags",
    "expunged",
    "created",
    "deleted",
    "renamed",
    "subscribed",
    "unsubscribed",
]
NameEvent: TypeAlias = tuple[Kind, str, str]
"""What has happened to a name, and the one before, or ""."""


@dataclass(frozen=True, slots=True)
class AccountChange:
    """One event.

    name   of the mailbox; of a renamed one the new name, and `old` the one before
    actor  who asked for it; None for deliveries and other programs, and where nobody can tell
    """

    kind: Kind
    name: str
    old: str = ""
    actor: object | None = None


Listener: TypeAlias = Callable[[AccountChange], None]


class Feed:
    """One for each account."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def watch(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every change from now on, until the answer is called (once).

        It must be quick and must not raise.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @property
    def watched(self) -> bool:
        """Anybody listens."""
        return bool(self._listeners)

    def publish(self, updates: list[Update], events: list[NameEvent], actor: object | None) -> None:
        """Tell the listeners of what one job, or several of appends, have changed."""
        if not self._listeners:
            return
        changes = [AccountChange(kind, name, old, actor) for kind, name, old in events]
        for update in updates:
            changes += _changes(update, actor)
        for change in changes:
            for listener in list(self._listeners):
                listener(change)


def _changes(update: Update, actor: object | None) -> Iterator[AccountChange]:
    name = names.from_folder(update.folder.name) or update.folder.name
    if update.renamed is not None:
        yield AccountChange("renamed", update.renamed, update.old, actor)
    if update.deleted:
        yield AccountChange("deleted", name, "", actor)
    if update.expunged:
        yield AccountChange("expunged", name, "", actor)
    if update.flags:
        yield AccountChange("flags", name, "", actor)
    if update.appended:
        yield AccountChange("appended", name, "", actor)
