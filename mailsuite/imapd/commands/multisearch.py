"""ESEARCH: a search of several mailboxes (MULTISEARCH, RFC 7377).

Promises: one response for each mailbox in which something was found, with UIDs; mailboxes that are
not there, or may not be read, are passed over; nothing changes in any of them.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

from mailsuite.imapd import contexts, modseq, positions, results
from mailsuite.imapd.reply import OK, Bad, No, Reply
from mailsuite.imapd.search import Search
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.model import SearchArguments, SearchSequence, SearchUid, Source
from mailsuite.imapd.syntax.search_keys import contains, dated, has_numbers
from mailsuite.imapd.view import View
from mailsuite.store import InvalidName, MailboxInfo, NoSuchMailbox


async def esearch(
    session: Session, sources: tuple[Source, ...], arguments: SearchArguments
) -> Reply:
    results.check_charset(session, arguments)
    only_selected = all(source.kind == "SELECTED" for source in sources)
    _check(session, sources, arguments, only_selected=only_selected)
    names = [] if only_selected else await _names(session, sources)
    if any(source.kind == "SELECTED" for source in sources):
        selected = _title(session, session.selected)
        names = [selected, *(name for name in names if name != selected)]
    context = _context(session, names, arguments)
    arguments = replace(arguments, key=dated(arguments.key, time.time()))
    try:
        for number, name in enumerate(names):
            session.report(number, len(names))
            async with _viewed(session, name) as view:
                if view is not None:
                    await _one(session, name, view, arguments, context)
    except BaseException:
        if context is not None:
            session.selected.contexts.pop(context.tag, None)
        raise
    return OK


def _context(
    session: Session, names: Iterable[str], arguments: SearchArguments
) -> contexts.Context | None:
    """UPDATE tells of changes in the selected mailbox only (§2.2)."""
    if "UPDATE" not in (arguments.returns or ()):
        return None
    name = _title(session, session.selected)
    if name not in names:
        contexts.refuse(session, b"Only the selected mailbox is kept up to date")
        return None
    where = _where(session, name, session.selected)
    return contexts.begin(session, arguments, by_uid=True, where=where)


def _check(
    session: Session,
    sources: Iterable[Source],
    arguments: SearchArguments,
    *,
    only_selected: bool,
) -> None:
    """Raises Bad for what has a meaning in the selected mailbox only (§2.2)."""
    if any(s.kind == "SELECTED" for s in sources) or "UPDATE" in (arguments.returns or ()):
        _ = session.selected  # raises Bad if there is none
    if only_selected:
        results.check_numbers(session, arguments)
        return
    if "SAVE" in (arguments.returns or ()):
        raise Bad("Only a result of the selected mailbox can be saved")
    if has_numbers(arguments.key) or contains(
        arguments.key,
        lambda key: (
            (isinstance(key, SearchSequence) and key.numbers.saved)
            or (isinstance(key, SearchUid) and key.uids.saved)
        ),
    ):
        raise Bad("Sequence numbers and $ belong to the selected mailbox")


async def _names(session: Session, sources: Iterable[Source]) -> list[str]:
    """All mailboxes that are meant, each once.

    Those that are named need not be in any list: the right "r" is enough there (§2.2).
    """
    named = [name for source in sources if source.kind == "MAILBOXES" for name in source.names]
    every = [each for each in await session.store.mailboxes() if each.exists]
    fit = [each.name for each in every if any(_fits(session, each, one) for one in sources)]
    return list(dict.fromkeys((*named, *fit)))


def _fits(session: Session, mailbox: MailboxInfo, source: Source) -> bool:
    name = mailbox.name
    match source.kind:
        case "PERSONAL" | "INBOXES":
            # A delivery may go to any of one's own.
            return not session.store.is_foreign(name)
        case "SUBSCRIBED":
            return mailbox.subscribed
        case "SUBTREE" | "SUBTREE-ONE":
            return any(
                name == top
                or (
                    name.startswith(f"{top}/" if top else "")
                    and (source.kind == "SUBTREE" or "/" not in name[len(top) + bool(top) :])
                )
                for top in source.names
            )
        case _:
            return False


def _title(session: Session, view: View) -> str:
    return session.store.title(view.mailbox.account, view.mailbox.name)


@asynccontextmanager
async def _viewed(session: Session, name: str) -> AsyncIterator[View | None]:
    """The session's own view of the selected mailbox; else one that is opened for the search."""
    if session.view is not None and _title(session, session.view) == name:
        yield session.view
        return
    try:
        mailbox = await session.store.open(name)
    except (No, InvalidName, NoSuchMailbox):
        yield None
        return
    who = session.store.view_of(mailbox)
    view = View(mailbox, read_only=True, who=who, enabled=session.enabled)
    try:
        yield view
    finally:
        view.close()


def _where(session: Session, name: str, view: View) -> bytes:
    """What names the mailbox in the response (§2.1)."""
    mailbox = response.mailbox(name, utf8=session.utf8)
    return b" MAILBOX %b UIDVALIDITY %d" % (mailbox, view.mailbox.uidvalidity)


async def _one(
    session: Session,
    name: str,
    view: View,
    arguments: SearchArguments,
    context: contexts.Context | None,
) -> None:
    search = Search(view, session.door.threads)
    places = positions.listed(await search.run(arguments.key))
    if context is not None and view is session.view:
        context.results = array("I", [view.uids[place] for place in places])
    returns = arguments.returns or frozenset()
    told = results.told(arguments, places)
    if "SAVE" in returns:
        view.saved = array("I", sorted(view.uids[place] for place in told))
    if not places or returns == {"SAVE"}:
        return  # also where only COUNT is wanted (§2)
    highest = modseq.highest(view, told) if modseq.asked(arguments.key) else None
    scores = results.scores_of(search, arguments, places)
    numbers = await results.numbers_of(view, places, by_uid=True)
    extra = results.Extra(highest, scores, _where(session, name, view))
    await results.write_esearch(session, arguments, numbers, extra, by_uid=True)
