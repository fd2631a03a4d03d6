"""NOTIFY (RFC 5465): the client is told what happens without asking, in other mailboxes too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mailsuite.base.log import get_logger
from mailsuite.imapd.commands.fetch import tell_new
from mailsuite.imapd.commands.mailboxes import status_response
from mailsuite.imapd.contexts import Update
from mailsuite.imapd.reply import OK, No, Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.model import EventGroup, FetchItem, NotifyArguments
from mailsuite.imapd.watch import Watch
from mailsuite.store import AccountStore, MailboxInfo, StoreError

log = get_logger("imapd")
EVENTS = (
    "MessageNew",
    "MessageExpunge",
    "FlagChange",
    "MailboxName",
    "SubscriptionChange",
    "MailboxMetadataChange",
    "ServerMetadataChange",
)
_KNOWN = {event.upper() for event in EVENTS}
_MESSAGES = {"MESSAGENEW", "MESSAGEEXPUNGE", "FLAGCHANGE"}
BATCH = 200
"""Mailboxes counted before other sessions get their turn."""


async def notify(session: Session, arguments: NotifyArguments) -> Reply:
    groups = arguments.groups
    if not all(_KNOWN.issuperset(group.events) for group in groups):
        raise No("There are no such events here", f"BADEVENT ({' '.join(EVENTS)})")
    await session.synchronize(may_expunge=True)  # RFC 5465 §3.1: as NOOP does
    session.stop_watching()
    watch = Watch(
        groups,
        session.store,
        session,
        lambda account, name: _is_selected(session, account, name),
        lambda: session.wake() if session.wake is not None else None,
    )
    mailboxes = await session.store.mailboxes() if watch.groups else []
    shared = any(group.filter in ("SUBSCRIBED", "SUBTREE", "MAILBOXES") for group in groups)
    watch.visible = _visible(session, mailboxes)
    accounts = await session.store.accounts(shared=shared) if watch.groups else []
    watch.start(accounts, (each.name for each in mailboxes if each.subscribed))
    session.start_watching(watch)
    session.door.announcer.join(session)
    if groups and session.view is not None:
        # What has gathered is told, wanted from now on or not (§3.1: an implicit NOOP).
        wanted, session.view.wanted = session.view.wanted, None
        try:
            await session.synchronize(may_expunge=True, by_uid=True)
        finally:
            session.view.wanted = wanted
    await _tell_refused(session, watch, mailboxes)
    if arguments.status:
        await _tell_counts(session, watch, mailboxes)
    return OK


def _visible(session: Session, mailboxes: Iterable[MailboxInfo]) -> set[str]:
    """Others' mailboxes that may be looked up; of what is above them there may be but the name."""
    return {each.name for each in mailboxes if each.exists and session.store.is_foreign(each.name)}


def _is_selected(session: Session, account: AccountStore, name: str) -> bool:
    view = session.view
    return view is not None and view.mailbox.account is account and view.mailbox.name == name


async def _tell_refused(session: Session, watch: Watch, mailboxes: list[MailboxInfo]) -> None:
    r"""Mailboxes that may be looked up, but not read: \NoAccess (RFC 5465 §3.1)."""
    foreign = [each.name for each in mailboxes if session.store.is_foreign(each.name)]
    watched = [name for name in foreign if watch.group_of(name).events]
    for start in range(0, len(watched), BATCH):
        batch = watched[start : start + BATCH]
        for name, rights in (await session.store.rights(batch)).items():
            if "l" in rights and "r" not in rights:
                title = response.mailbox(name, utf8=session.utf8)
                session.write(b'* LIST (\\NoAccess) "/" %b\r\n' % title)
        await session.breathe()


async def _tell_counts(session: Session, watch: Watch, mailboxes: list[MailboxInfo]) -> None:
    """STATUS of all mailboxes whose messages are watched, but the selected one (RFC 5465 §3.1)."""
    wanted: dict[str, EventGroup] = {}
    for mailbox in mailboxes:
        group = watch.group_of(mailbox.name)
        if mailbox.exists and _MESSAGES.intersection(group.events):
            wanted[mailbox.name] = group
    await _tell_messages(session, wanted)


async def tell(session: Session, arrived: Sequence[int], updates: Sequence[Update]) -> None:
    """What waits: items of new messages, names, counts. After the selected mailbox's own news.

    arrived  positions of messages that NOTIFY tells of
    updates  of search contexts
    """
    await _tell_arrived(session, arrived, updates)
    watch = session.watch
    if watch is None:
        return
    if watch.overflow:
        session.write(
            b"* OK [NOTIFICATIONOVERFLOW] Too much has happened: nothing more is told\r\n"
        )
        session.start_watching(Watch((), session.store, session, lambda *_: False, lambda: None))
        return
    names, watch.names = watch.names, {}
    messages, watch.messages = watch.messages, {}
    access, watch.access = watch.access, set()
    try:
        if names or access:
            await _tell_names(session, watch, names, access)
        if messages:
            await _tell_messages(session, messages)
    except StoreError:
        log.exception("news could not be told", account=session.account)
        watch.stop()
        watch.overflow = True


async def _tell_arrived(
    session: Session, arrived: Sequence[int], updates: Sequence[Update]
) -> None:
    """One FETCH of each new message, with all that NOTIFY and contexts want of it (§5.2)."""
    view, watch = session.view, session.watch
    wanted: dict[int, dict[FetchItem, None]] = {}
    if watch is not None and watch.selected.fetch:
        wanted = {place: dict.fromkeys(watch.selected.fetch) for place in arrived}
    for update in updates:
        for uid in update.new:
            if view is not None and (number := view.attachment.sequence(uid)) is not None:
                wanted.setdefault(number - 1, {}).update(dict.fromkeys(update.fetch))
    groups: dict[tuple[FetchItem, ...], list[int]] = {}
    for place in sorted(wanted):
        groups.setdefault(tuple(wanted[place]), []).append(place)
    for items, places in groups.items():
        await tell_new(session, items, places)


async def _tell_names(
    session: Session, watch: Watch, names: dict[str, str], access: set[str]
) -> None:
    r"""LIST, with OLDNAME after a RENAME (RFC 5465 §5.4, §5.5); \NoAccess for what has been taken
    from view, and what has been given back or anew as if it had been made (§5.9).

    Of others' mailboxes only what may be looked up, or could be before (RFC 4314 §6).
    """
    known = {each.name: each for each in await session.store.mailboxes()}
    before, watch.visible = watch.visible, _visible(session, known.values())
    for name in sorted(access - names.keys()):
        if name in before - watch.visible:
            title = response.mailbox(name, utf8=session.utf8)
            # For those who ask for names, as if it had been deleted (§5.4).
            gone = b"\\NonExistent " if "MAILBOXNAME" in watch.group_of(name).events else b""
            session.write(b'* LIST (%b\\NoAccess) "/" %b\r\n' % (gone, title))
        elif name in watch.visible - before:
            names[name] = ""
    for name, old in names.items():
        if old and _goes_along(name, old, names):
            continue
        if session.store.is_foreign(name) and name not in before | watch.visible:
            continue
        info = known.get(name, MailboxInfo(name, exists=False))
        attributes = [] if info.exists else [r"\NonExistent"]
        if info.subscribed:
            attributes.append(r"\Subscribed")
        attributes.append(r"\HasChildren" if info.has_children else r"\HasNoChildren")
        if info.special_use is not None:
            attributes.append(info.special_use)
        line = b'* LIST (%b) "/" %b' % (
            " ".join(attributes).encode(),
            response.mailbox(name, utf8=session.utf8),
        )
        if old and (old in before or not session.store.is_foreign(old)):
            line += b' ("OLDNAME" (%b))' % response.mailbox(old, utf8=session.utf8)
        session.write(line + b"\r\n")


def _goes_along(name: str, old: str, names: dict[str, str]) -> bool:
    """Renamed with the mailbox above it, which is all that is told (§5.4)."""
    while old and name.rpartition("/")[2] == old.rpartition("/")[2]:
        name, old = name.rpartition("/")[0], old.rpartition("/")[0]
        if old and names.get(name) == old:
            return True
    return False


async def _tell_messages(session: Session, messages: dict[str, EventGroup]) -> None:
    """STATUS (RFC 5465 §5.1 to §5.3); not of the selected mailbox, nor where it may not be read."""
    selected = session.view.mailbox if session.view is not None else None
    title = "" if selected is None else session.store.title(selected.account, selected.name)
    wanted = [name for name in messages if name != title]
    for start in range(0, len(wanted), BATCH):
        batch = wanted[start : start + BATCH]
        found = await session.store.statuses(batch)
        for name in batch:
            if name in found:
                items = _items(session, messages[name])
                session.write(status_response(session, name, items, found[name]))
        await session.breathe()


def _items(session: Session, group: EventGroup) -> tuple[str, ...]:
    items = ["MESSAGES", "UIDNEXT", "UIDVALIDITY"]
    flags = "FLAGCHANGE" in group.events
    if flags:
        items.append("UNSEEN")
    if flags or session.enabled.condstore:
        items.append("HIGHESTMODSEQ")
    return tuple(items)
