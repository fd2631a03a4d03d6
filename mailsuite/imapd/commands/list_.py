"""LIST in its basic and extended forms, and LSUB.

RFC 3501 §6.3.8, §6.3.9, RFC 5258, RFC 5819 (LIST-STATUS), RFC 6154 (SPECIAL-USE), RFC 9590
(LIST-METADATA), RFC 3348.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mailsuite.imapd.commands.mailboxes import status_response
from mailsuite.imapd.commands.metadata import requested
from mailsuite.imapd.reply import OK, Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.mailbox_pattern import MailboxPattern, join_reference
from mailsuite.imapd.syntax.model import ListArguments
from mailsuite.store import MailboxInfo

BATCH = 200
"""Names looked at before other sessions get their turn."""


async def list_(session: Session, arguments: ListArguments) -> Reply:
    if not arguments.extended and arguments.patterns == ("",):
        # Asks for the hierarchy separator (RFC 3501 §6.3.8).
        session.write(b'* LIST (\\Noselect) "/" ""\r\n')
        return OK
    patterns = [MailboxPattern(join_reference(arguments.reference, p)) for p in arguments.patterns]
    mailboxes = await session.store.mailboxes()
    recursive = "RECURSIVEMATCH" in arguments.selection
    parents = _parents(m.name for m in mailboxes if _selected(m, arguments)) if recursive else set()
    if recursive:
        # A level above a subscribed name may be in no list of its own.
        known = {mailbox.name for mailbox in mailboxes}
        levels = (MailboxInfo(name, exists=False) for name in parents - known)
        mailboxes = sorted((*mailboxes, *levels), key=lambda mailbox: mailbox.name)
    for start in range(0, len(mailboxes), BATCH):
        chosen = [
            (mailbox, mailbox.name in parents)
            for mailbox in mailboxes[start : start + BATCH]
            if any(pattern.matches(mailbox.name) for pattern in patterns)
            and (mailbox.name in parents or _selected(mailbox, arguments))
        ]
        await _write(session, chosen, arguments)
        await session.breathe()
    return OK


async def _write(
    session: Session, chosen: Sequence[tuple[MailboxInfo, bool]], arguments: ListArguments
) -> None:
    """A line for each; what was asked for besides follows it, where it is to be had."""
    there = [mailbox.name for mailbox, _ in chosen if mailbox.exists]
    items, entries = arguments.status_items, arguments.metadata
    statuses = await session.store.statuses(there) if items and there else {}
    notes = await session.store.annotations(there) if entries and there else {}
    for mailbox, child_found in chosen:
        name = mailbox.name
        session.write(_line(session, mailbox, arguments, child_found=child_found))
        if name in statuses:
            session.write(status_response(session, name, items, statuses[name]))
        if name in notes:
            session.write(requested(session, name, notes[name], entries))


def _selected(mailbox: MailboxInfo, arguments: ListArguments) -> bool:
    """Does it meet the selection options, all of them (RFC 5258 §3.1)?"""
    selection = arguments.selection
    if "SUBSCRIBED" in selection and not mailbox.subscribed:
        return False
    if "SPECIAL-USE" in selection and mailbox.special_use is None:
        return False
    return mailbox.exists or mailbox.has_children or "SUBSCRIBED" in selection


def _line(
    session: Session, mailbox: MailboxInfo, arguments: ListArguments, *, child_found: bool
) -> bytes:
    name = response.mailbox(mailbox.name, utf8=session.utf8)
    attributes = " ".join(_attributes(mailbox, arguments)).encode()
    line = b'* LIST (%b) "/" %b' % (attributes, name)
    if child_found:
        options = [o for o in ("SUBSCRIBED", "SPECIAL-USE") if o in arguments.selection]
        line += b' ("CHILDINFO" (%b))' % " ".join(f'"{option}"' for option in options).encode()
    return line + b"\r\n"


def _attributes(mailbox: MailboxInfo, arguments: ListArguments) -> Iterator[str]:
    if not mailbox.exists:
        # \NonExistent implies \Noselect, but older clients only know that (RFC 5258 §3).
        yield r"\NonExistent" if arguments.extended else r"\Noselect"
    if mailbox.subscribed and "SUBSCRIBED" in arguments.selection | arguments.returns:
        yield r"\Subscribed"
    yield r"\HasChildren" if mailbox.has_children else r"\HasNoChildren"
    if mailbox.special_use is not None:
        yield mailbox.special_use


async def lsub(session: Session, reference: str, text: str) -> Reply:
    r"""Subscribed names, whether they exist or not.

    With `%` also levels above them that match, though not themselves subscribed: \Noselect.
    """
    pattern = MailboxPattern(join_reference(reference, text))
    names = {m.name for m in await session.store.mailboxes() if m.subscribed}
    levels = _parents(names) - names if text.endswith("%") else set()
    for name in sorted(names | levels):
        if pattern.matches(name):
            attributes = b"\\Noselect" if name in levels else b""
            mailbox = response.mailbox(name, utf8=session.utf8)
            session.write(b'* LSUB (%b) "/" %b\r\n' % (attributes, mailbox))
    return OK


def _parents(names: Iterable[str]) -> set[str]:
    """All levels above these names."""
    found = set()
    for name in names:
        while "/" in name:
            name = name.rpartition("/")[0]
            found.add(name)
    return found
