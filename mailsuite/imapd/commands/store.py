"""STORE and UID STORE (RFC 3501 §6.4.6): flags of many messages at once.

With UNCHANGEDSINCE only of such as nobody has changed meanwhile (RFC 7162 §3.1.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from mailsuite.imapd.flags import settable_flags
from mailsuite.imapd.reply import EXPUNGE_ISSUED, OK, No, Reply
from mailsuite.imapd.rights import scope, settable
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.model import StoreArguments
from mailsuite.imapd.view import View, batches
from mailsuite.store import FlagsStored

BATCH = 5000
"""Answers written before other sessions get their turn."""


async def store(session: Session, arguments: StoreArguments) -> Reply:
    return await _store(session, arguments, by_uid=False)


async def uid_store(session: Session, arguments: StoreArguments) -> Reply:
    return await _store(session, arguments, by_uid=True)


async def _store(session: Session, arguments: StoreArguments, *, by_uid: bool) -> Reply:
    view = session.selected
    flags = settable_flags(arguments.flags)
    found = view.resolve(arguments.numbers, by_uid=by_uid)
    rights = view.rights
    if flags and not settable(flags, rights):
        # With a right to change any of them, the others are passed over (RFC 4314 §4).
        raise No("You have not the right to change these flags", "NOPERM")
    if arguments.unchanged_since is not None:
        session.enable_condstore()
    stored = await view.mailbox.store_flags(
        view.uids_in(found),
        arguments.operation,
        flags,
        unchanged_since=arguments.unchanged_since,
        within=scope(rights),
        origin=view.attachment,
    )
    session.write_all(view.new_keywords())
    failed = set(stored.modified)
    told = _wanted(view, arguments, stored)
    gone = False
    for positions in batches(chain.from_iterable(found), BATCH):
        here = _present(view, positions)
        gone = gone or len(here) < len(positions)
        if failed or told is not None:
            uids = view.uids
            here = [p for p in here if uids[p] not in failed and (told is None or uids[p] in told)]
        if here:
            session.write_all(view.new_keywords())
            session.write(_lines(view, here, arguments, by_uid=by_uid))
        await session.breathe()
    view.tell_again(failed)  # RECOMMENDED: why they were left alone
    gone = gone and not by_uid
    if failed:
        code = f"MODIFIED {_set(view, stored.modified, by_uid=by_uid)}"
        condition = "NO" if gone else "OK"
        return Reply("Some of the messages have been changed by others", code, condition)
    if not gone:
        return OK
    if arguments.silent and arguments.unchanged_since is None:
        # Flags of what has gone are nothing the client waits for (RFC 2180 §4.2.1).
        return Reply(code="EXPUNGEISSUED")
    return EXPUNGE_ISSUED


def _wanted(view: View, arguments: StoreArguments, stored: FlagsStored) -> set[int] | None:
    """UIDs that are answered for; None: all.

    .SILENT keeps the flags back, but a client that knows of mod-sequences needs the new ones; all
    of them after a conditional STORE (RFC 7162 §3.1.3).
    """
    if not arguments.silent or arguments.unchanged_since is not None:
        return None
    return set(stored.changed) if view.enabled.condstore else set()


def _present(view: View, positions: list[int]) -> list[int]:
    """Those whose messages are still in the mailbox."""
    mailbox, uids = view.mailbox, view.uids
    if uids is mailbox.uids:
        return positions
    return [position for position in positions if mailbox.index(uids[position]) is not None]


def _lines(view: View, positions: list[int], arguments: StoreArguments, *, by_uid: bool) -> bytes:
    """The answers for these messages, which are there."""
    uids = [view.uids[position] for position in positions]
    columns: list[Iterable[bytes]] = []
    if (by_uid or view.enabled.by_uid) and not view.enabled.uid_only:
        columns.append(b"UID %d" % uid for uid in uids)
    if not arguments.silent:
        columns.append(b"FLAGS " + flags for flags in view.flags_at(positions))
        view.told_flags(uids)
    if view.enabled.condstore:
        columns.append(b"MODSEQ (%d)" % view.modseq(uid) for uid in uids)
    heads = map(view.head, (position + 1 for position in positions), uids)
    items = map(b" ".join, zip(*columns, strict=True))
    return b"".join(b"%b%b)\r\n" % line for line in zip(heads, items, strict=True))


def _set(view: View, uids: Sequence[int], *, by_uid: bool) -> str:
    """These messages as the client has named them."""
    if by_uid:
        return response.sequence_set(uids).decode()
    return response.sequence_set([view.place(uid) + 1 for uid in uids]).decode()
