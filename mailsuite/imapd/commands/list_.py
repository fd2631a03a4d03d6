"""LIST in its basic and extended forms, and LSUB.

RFC 3501 §6.3.8, §6.3.9, RFC 5258, RFC 5819 (LIST-STATUS), RFC 6154 (SPECIAL-USE), RFC 8440
(LIST-MYRIGHTS), RFC 9590 (LIST-METADATA), RFC 3348.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mailsuite.imapd.commands.acl import myrights_response
from mailsuite.imapd.commands.mailboxes import status_response
from mailsuite.imapd.commands.metadata import requested, with_use
from mailsuite.imapd.reply import OK, Reply
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.mailbox_pattern import MailboxPattern, join_reference
from mailsuite.imapd.syntax.model import ListArguments
from mailsuite.store import MailboxInfo

BATCH = 200
"""Names told before other sessions get their turn."""
STEPS = 20_000
"""Characters compared with patterns before other sessions get their turn."""


async def list_(session: Session, arguments: ListArguments) -> Reply:
    if not arguments.extended and arguments.patterns == ("",):
        # Asks for the hierarchy separator (RFC 3501 §6.3.8).
        session.write(b'* LIST (\\Noselect) "/" ""\r\n')
        return OK
    if "HIGHESTMODSEQ" in arguments.status_items:
        session.enable_condstore()
    wanted = Wanted(session, arguments)
    mailboxes = await session.store.mailboxes()
    await wanted.look_through(session, (mailbox.name for mailbox in mailboxes))
    above = wanted.levels(mailboxes)
    if "RECURSIVEMATCH" in arguments.selection:
        # A level above a subscribed name may be in no list of its own.
        known = {mailbox.name for mailbox in mailboxes}
        levels = (MailboxInfo(name, exists=False) for name in above.keys() - known)
        mailboxes = sorted((*mailboxes, *levels), key=lambda mailbox: mailbox.name)
    for start in range(0, len(mailboxes), BATCH):
        batch = mailboxes[start : start + BATCH]
        await _write(session, [each for each in batch if wanted.takes(each, above)], wanted, above)
        await session.breathe()
    return OK


class Wanted:
    """What a LIST asks for: patterns and selection options (RFC 5258 §3)."""

    def __init__(self, session: Session, arguments: ListArguments) -> None:
        self.arguments = arguments
        self.extended = arguments.extended or session.enabled.rev2
        self._matched: dict[str, bool] = {}
        self._patterns = [
            MailboxPattern(join_reference(arguments.reference, pattern))
            for pattern in arguments.patterns
        ]

    async def look_through(self, session: Session, names: Iterable[str]) -> None:
        """Match all names; long work lets other sessions have their turn."""
        last = 0
        for name in names:
            self.matches(name)
            steps = sum(pattern.steps for pattern in self._patterns)
            if steps - last > STEPS:
                last = steps
                await session.breathe()

    @property
    def childinfo(self) -> bytes:
        """What a name is told for, when it is for what is below it (§3.5)."""
        options = [o for o in ("SUBSCRIBED", "SPECIAL-USE") if o in self.arguments.selection]
        return b' ("CHILDINFO" (%b))' % " ".join(f'"{option}"' for option in options).encode()

    def levels(self, mailboxes: Iterable[MailboxInfo]) -> dict[str, bool]:
        """Names that have something below that is selected; True: also such as no pattern matches.

        Only these need be told by their level above (§3.3, §3.5).
        """
        if not self.extended:
            return {}
        found: dict[str, bool] = {}
        for mailbox in mailboxes:
            if (mailbox.exists or mailbox.subscribed) and self.selects(mailbox):
                name, unmatched = mailbox.name, not self.matches(mailbox.name)
                while (end := name.rfind("/")) >= 0:
                    name = name[:end]
                    if found.get(name, False) >= unmatched and name in found:
                        break
                    found[name] = unmatched
        return found

    def matches(self, name: str) -> bool:
        """Does any pattern match?"""
        found = self._matched.get(name)
        if found is None:
            found = any(pattern.matches(name) for pattern in self._patterns)
            self._matched[name] = found
        return found

    def selects(self, mailbox: MailboxInfo) -> bool:
        """Does it meet the selection options, all of them (§3.1)?"""
        selection = self.arguments.selection
        if "SPECIAL-USE" in selection and mailbox.special_use is None:
            return False
        return mailbox.subscribed if "SUBSCRIBED" in selection else mailbox.exists

    def takes(self, mailbox: MailboxInfo, above: Mapping[str, bool]) -> bool:
        """Is it to be told?"""
        if not self.matches(mailbox.name):
            return False
        if self.selects(mailbox):
            return True
        selection = self.arguments.selection
        if not self.extended:
            return mailbox.has_children  # a mere level: \Noselect (RFC 3501 §6.3.8)
        if selection - {"REMOTE"} and "RECURSIVEMATCH" not in selection:
            return False
        return above.get(mailbox.name, False)


async def _write(
    session: Session, chosen: Sequence[MailboxInfo], wanted: Wanted, above: Mapping[str, bool]
) -> None:
    """A line for each; what was asked for besides follows it, where it is to be had."""
    arguments = wanted.arguments
    there = [each.name for each in chosen if each.exists and wanted.selects(each)]
    items, entries = arguments.status_items, arguments.metadata
    statuses = await session.store.statuses(there) if items and there else {}
    notes = await session.store.annotations(there) if entries and there else {}
    asks_rights = "MYRIGHTS" in arguments.returns
    rights = await session.store.rights(there) if asks_rights else {}
    for mailbox in chosen:
        name = mailbox.name
        attributes = list(_attributes(mailbox, wanted))
        if items and mailbox.exists and wanted.selects(mailbox) and name not in statuses:
            attributes.insert(0, r"\Noselect")  # gone, or not to be read (RFC 5819 §2)
        line = b'* LIST (%b) "/" %b' % (
            " ".join(attributes).encode(),
            response.mailbox(name, utf8=session.utf8),
        )
        if "RECURSIVEMATCH" in arguments.selection and name in above:
            line += wanted.childinfo
        session.write(line + b"\r\n")
        if name in rights:
            session.write(myrights_response(session, name, rights[name]))
        if name in statuses:
            session.write(status_response(session, name, items, statuses[name]))
        if name in notes:
            values = with_use(notes[name], mailbox.special_use)
            session.write(requested(session, name, values, entries))


async def selected_response(session: Session, name: str, given: str) -> bytes:
    """Untagged LIST of a mailbox that is being selected, with its attributes (RFC 9051 §6.3.2).

    `given`: how the client has spelt it, which is told where it is another name (§6.3.9.7).
    """
    mailbox = await session.store.mailbox(name)
    wanted = Wanted(session, ListArguments("", (name,)))
    attributes = () if mailbox is None else _attributes(mailbox, wanted)
    line = b'* LIST (%b) "/" %b' % (
        " ".join(attributes).encode(),
        response.mailbox(name, utf8=session.utf8),
    )
    if given != name:
        line += b' ("OLDNAME" (%b))' % response.mailbox(given, utf8=session.utf8)
    return line + b"\r\n"


def _attributes(mailbox: MailboxInfo, wanted: Wanted) -> Iterator[str]:
    if not mailbox.exists:
        # \NonExistent implies \Noselect, but older clients only know that (RFC 5258 §3).
        yield r"\NonExistent" if wanted.extended else r"\Noselect"
    options = wanted.arguments.selection | wanted.arguments.returns
    if mailbox.subscribed and "SUBSCRIBED" in options:
        yield r"\Subscribed"
    yield r"\HasChildren" if mailbox.has_children else r"\HasNoChildren"
    if mailbox.special_use is not None:
        yield mailbox.special_use


async def lsub(session: Session, reference: str, text: str) -> Reply:
    r"""Subscribed names, whether they exist or not.

    With `%` also levels above them that match, though not themselves subscribed: \Noselect.
    """
    wanted = Wanted(session, ListArguments(reference, (text,)))
    names = {m.name for m in await session.store.mailboxes() if m.subscribed}
    levels = _parents(names) - names if text.endswith("%") else set()
    await wanted.look_through(session, names | levels)
    for name in sorted(names | levels):
        if wanted.matches(name):
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
