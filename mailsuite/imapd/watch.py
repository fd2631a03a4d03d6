"""What a session wants to be told of without asking (RFC 5465 §5, §6), and what there is to tell.

Promises: all groups that a mailbox fits count, up to one that says NONE; what the session itself
has done is not told to it; what waits is bounded: beyond the bound the session is told so and of
nothing more (§5.8).
Never writes and never waits: `commands.notify` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from mailsuite.imapd.namespace import Namespace
from mailsuite.imapd.syntax.model import EventGroup
from mailsuite.store import AccountChange, AccountStore

What = TypeVar("What", EventGroup, str)
MAX_PENDING = 1000
"""Mailboxes with something to tell, of messages and of names each."""
MESSAGE_EVENTS = {
    "appended": "MESSAGENEW",
    "expunged": "MESSAGEEXPUNGE",
    "flags": "FLAGCHANGE",
}
NAME_EVENTS = {
    "created": "MAILBOXNAME",
    "deleted": "MAILBOXNAME",
    "renamed": "MAILBOXNAME",
    "subscribed": "SUBSCRIPTIONCHANGE",
    "unsubscribed": "SUBSCRIPTIONCHANGE",
}


class Watch:
    """One NOTIFY SET, or NOTIFY NONE (no groups).

    groups    for mailboxes that are not selected
    selected  for the one that is
    messages  mailboxes of which a STATUS is to be told
    names     mailbox names to be listed, with the names that they had before, or ""
    visible   mailboxes of others that the session knows of
    access    mailboxes of others whose rights are others now
    overflow  there was more than could be kept
    """

    __slots__ = (
        "_accounts",
        "_actor",
        "_gone",
        "_is_selected",
        "_stops",
        "_store",
        "_subscribed",
        "_wake",
        "access",
        "groups",
        "messages",
        "names",
        "overflow",
        "selected",
        "visible",
    )

    def __init__(
        self,
        groups: Iterable[EventGroup],
        store: Namespace,
        actor: object,
        is_selected: Callable[[AccountStore, str], bool],
        wake: Callable[[], object],
    ) -> None:
        """`actor`: the session; `wake` is called when there is something to tell."""
        every = tuple(groups)
        self.groups = tuple(group for group in every if not group.filter.startswith("SELECTED"))
        chosen = (group for group in every if group.filter.startswith("SELECTED"))
        self.selected = next(chosen, EventGroup("SELECTED"))
        self.messages: dict[str, EventGroup] = {}
        self.names: dict[str, str] = {}
        self.visible: set[str] = set()
        self.access: set[str] = set()
        self.overflow = False
        self._store = store
        self._actor = actor
        self._is_selected = is_selected
        self._wake = wake
        self._subscribed: set[str] = set()
        self._gone: set[str] = set()
        self._stops: list[Callable[[], None]] = []
        self._accounts: set[AccountStore] = set()

    @property
    def immediate(self) -> bool:
        """Expunges are told as they happen, whatever numbers the client may have in mind (§6.1)."""
        return self.selected.filter == "SELECTED"

    def start(self, accounts: Iterable[AccountStore], subscribed: Iterable[str]) -> None:
        """Listen to these accounts."""
        self._subscribed.update(subscribed)
        for each in accounts:
            self._listen(each)
        if any(group.filter in ("SUBSCRIBED", "SUBTREE", "MAILBOXES") for group in self.groups):
            self._stops.append(self._store.on_sharing(self._on_rights))

    def _listen(self, account: AccountStore) -> None:
        if account not in self._accounts:
            self._accounts.add(account)
            self._stops.append(account.feed.watch(partial(self._on_change, account)))

    def stop(self) -> None:
        """Listen no more; forget what is to be told."""
        for stop in self._stops:
            stop()
        self._stops.clear()
        self._accounts.clear()
        self.messages.clear()
        self.names.clear()
        self.access.clear()

    def group_of(self, name: str) -> EventGroup:
        """The events of all groups that the mailbox fits (RFC 5465 §6); none of such after NONE."""
        events = dict[str, None]()
        for group in self.groups:
            if self._fits(group, name):
                if not group.events:
                    break
                events.update(dict.fromkeys(group.events))
        return EventGroup("MAILBOXES", (name,), tuple(events))

    def annotated(self, name: str) -> bool:
        """Are changed annotations of a mailbox ("": of the server) to be told (§5.6, §5.7)?"""
        if not name:
            return any("SERVERMETADATACHANGE" in group.events for group in self.groups)
        return "MAILBOXMETADATACHANGE" in self.group_of(name).events

    def _fits(self, group: EventGroup, name: str) -> bool:
        match group.filter:
            case "SUBSCRIBED":
                return name in self._subscribed
            case "SUBTREE":
                return any(name == each or name.startswith(each + "/") for each in group.names)
            case "MAILBOXES":
                return name in group.names
            case _:
                # Any mailbox can be delivered to: INBOXES are all that are one's own (§6.3).
                return not self._store.is_foreign(name)

    def _on_change(self, account: AccountStore, change: AccountChange) -> None:
        name = self._store.title(account, change.name)
        own = account is self._store.own
        if own and change.kind == "subscribed":
            self._subscribed.add(name)
        tells = change.actor is not self._actor and not self.overflow
        if change.kind in MESSAGE_EVENTS:
            if tells:
                self._note_messages(account, change, name)
        elif own or change.kind in ("created", "deleted", "renamed"):
            old = self._store.title(account, change.old) if change.old else ""
            is_back = self._is_back(change.kind, name, old)
            if tells:
                self._note_name(change.kind, name, old)
                if is_back:
                    self._keep(self.messages, name, self.group_of(name))
        if own and change.kind == "unsubscribed":
            self._subscribed.discard(name)

    def _on_rights(self, account: AccountStore, name: str) -> None:
        """Access may have been given or taken (§5.9); only the teller finds out for whom."""
        title = self._store.title(account, name)
        if account is not self._store.own and not self.overflow and self.group_of(title).events:
            self._listen(account)
            if len(self.access) < MAX_PENDING:
                self.access.add(title)
            self._wake()

    def _note_messages(self, account: AccountStore, change: AccountChange, name: str) -> None:
        group = self.group_of(name)
        if MESSAGE_EVENTS[change.kind] in group.events and not self._is_selected(
            account, change.name
        ):
            self._keep(self.messages, name, group)

    def _is_back(self, kind: str, name: str, old: str) -> bool:
        """The name stands for a mailbox again: one with another UIDVALIDITY (§5.1)."""
        gone = name if kind == "deleted" else old
        if gone and "FLAGCHANGE" in self.group_of(gone).events and len(self._gone) < MAX_PENDING:
            self._gone.add(gone)
        if kind not in ("created", "renamed") or name not in self._gone:
            return False
        self._gone.discard(name)
        return "FLAGCHANGE" in self.group_of(name).events

    def _note_name(self, kind: str, name: str, old: str) -> None:
        event = NAME_EVENTS[kind]
        if any(event in self.group_of(each).events for each in (name, old) if each):
            before = self.names.pop(old, "") if old else self.names.get(name, "")
            self._keep(self.names, name, before or old)
        if kind in ("created", "deleted"):  # the level above is affected too (§5.4)
            parent = name.rpartition("/")[0]
            if parent and event in self.group_of(parent).events:
                self._keep(self.names, parent, self.names.get(parent, ""))

    def _keep(self, pending: dict[str, What], name: str, what: What) -> None:
        if name not in pending and len(pending) >= MAX_PENDING:
            self.stop()
            self.overflow = True
        else:
            pending[name] = what
        self._wake()
