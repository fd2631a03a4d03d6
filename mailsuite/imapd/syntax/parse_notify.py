"""Pure. NOTIFY (RFC 5465 §8)."""

from __future__ import annotations

from mailsuite.imapd.syntax.cursor import Cursor
from mailsuite.imapd.syntax.model import EventGroup, FetchItem, NotifyArguments
from mailsuite.imapd.syntax.parse_fetch import item_list
from mailsuite.imapd.syntax.parse_mailbox import mailbox_names

SELECTED = {"SELECTED", "SELECTED-DELAYED"}
NAMED = {"SUBTREE", "MAILBOXES"}
FILTERS = {*SELECTED, "INBOXES", "PERSONAL", "SUBSCRIBED", *NAMED}
MESSAGE_EVENTS = {"MESSAGENEW", "MESSAGEEXPUNGE", "FLAGCHANGE", "ANNOTATIONCHANGE"}
MAX_GROUPS = 100
MAX_EVENTS = 100


def notify(cursor: Cursor) -> tuple[NotifyArguments]:
    """(NotifyArguments,)"""
    cursor.sp()
    word = cursor.word("SET or NONE")
    if word == "NONE":
        return (NotifyArguments(()),)
    if word != "SET":
        raise cursor.problem(f"expected SET or NONE, found '{word[:40]}'")
    cursor.sp()
    status = cursor.skip_word(b"STATUS")
    if status:
        cursor.sp()
    groups = [_group(cursor)]
    while cursor.skip(b" "):
        groups.append(_group(cursor))
        if len(groups) > MAX_GROUPS:
            raise cursor.problem(f"more than {MAX_GROUPS} groups")
    if sum(group.filter in SELECTED for group in groups) > 1:
        raise cursor.problem("the selected mailbox in more than one group")
    return (NotifyArguments(tuple(groups), status),)


def _group(cursor: Cursor) -> EventGroup:
    """`event-group`"""
    cursor.expect(b"(")
    filter_ = cursor.word("a filter")
    if filter_ not in FILTERS:
        raise cursor.problem(f"unknown filter '{filter_[:40]}'")
    cursor.sp()
    names: tuple[str, ...] = ()
    if filter_ in NAMED:
        names = mailbox_names(cursor)
        cursor.sp()
    if cursor.skip_word(b"NONE"):
        group = EventGroup(filter_, names)
    else:
        events, fetch = _events(cursor)
        group = EventGroup(filter_, names, events, fetch)
    cursor.expect(b")")
    _check(cursor, group)
    return group


def _events(cursor: Cursor) -> tuple[tuple[str, ...], tuple[FetchItem, ...]]:
    """`events` but NONE: their names in upper case, and what is to be told of new messages."""
    cursor.expect(b"(")
    events: list[str] = []
    fetch: tuple[FetchItem, ...] = ()
    while True:
        event = cursor.word("an event")
        events.append(event)
        if event == "MESSAGENEW" and cursor.skip(b" ("):
            fetch = item_list(cursor)
        if cursor.skip(b")"):
            return tuple(dict.fromkeys(events)), fetch
        cursor.sp()
        if len(events) >= MAX_EVENTS:
            raise cursor.problem(f"more than {MAX_EVENTS} events")


def _check(cursor: Cursor, group: EventGroup) -> None:
    """What may stand together (RFC 5465 §5, §6.1)."""
    events = set(group.events)
    messages = events & {"MESSAGENEW", "MESSAGEEXPUNGE"}
    if len(messages) == 1 or (events & MESSAGE_EVENTS and not messages):
        raise cursor.problem("MessageNew and MessageExpunge must stand together")
    if group.filter not in SELECTED and group.fetch:
        raise cursor.problem("items can be told of messages in the selected mailbox only")
    others = {"MAILBOXNAME", "SUBSCRIPTIONCHANGE", "MAILBOXMETADATACHANGE", "SERVERMETADATACHANGE"}
    if group.filter in SELECTED and events & others:
        raise cursor.problem("there are only events of messages in the selected mailbox")
