"""News that go to sessions whatever mailbox they have selected: annotations that have changed.

Promises: only sessions that have asked for it (ENABLE, RFC 5464 §4.1) and may see the entries are
told; never the one that made the change; what a session has not been told yet is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from weakref import WeakSet

from mailsuite.imapd.rights import ANNOTATING
from mailsuite.imapd.syntax import response
from mailsuite.store import Acl, metadata, sharing

if TYPE_CHECKING:
    from mailsuite.imapd.namespace import Place
    from mailsuite.imapd.session import Session

MAX_PENDING = 10_000
"""Entries that one session is still to be told of; more are left out."""


class Announcer:
    """One for all sessions of a door."""

    def __init__(self) -> None:
        self._sessions: WeakSet[Session] = WeakSet()

    def join(self, session: Session) -> None:
        """The session wants news."""
        self._sessions.add(session)

    async def annotated(self, origin: Session, place: Place, entries: Iterable[str]) -> None:
        """These entries of a mailbox (name "": of the account) have been set or removed."""
        others = [each for each in self._sessions if each is not origin and each.signed_in]
        if others:
            acl = (await sharing.lists(place.store)).get(place.name, Acl())
            for session in others:
                self._tell(session, origin, place, acl, entries)

    def rekeyed(self, origin: Session, mailboxid: str | None, line: bytes) -> None:
        """An account's access keys for a mailbox (None: for all) have been reset (RFC 4467 §7)."""
        for session in self._sessions:
            view = session.view
            if view is None or session is origin or session.account != origin.account:
                continue
            if mailboxid in (None, view.mailbox.mailboxid):
                session.news.say(line)
                if session.wake is not None:
                    session.wake()

    @staticmethod
    def _tell(
        session: Session, origin: Session, place: Place, acl: Acl, entries: Iterable[str]
    ) -> None:
        title = session.store.title(place.store, place.name) if place.name else ""
        enabled = session.enabled & ({"METADATA"} if title else {"METADATA", "METADATA-SERVER"})
        if not enabled and not (session.watch is not None and session.watch.annotated(title)):
            return
        same = session.account == origin.account
        seen = [entry for entry in entries if same or not metadata.is_private(entry)]
        if not seen:
            return
        if place.store is not session.store.own:
            rights = acl.rights_of(*session.store.who)
            if "l" not in rights or not rights & ANNOTATING:
                return
        session.news.add(title, seen)
        if session.wake is not None:
            session.wake()


class News:
    """What one session is still to be told."""

    __slots__ = ("_annotated", "_count", "_lines")

    def __init__(self) -> None:
        self._annotated: dict[str, dict[str, None]] = {}
        self._count = 0
        self._lines: dict[bytes, None] = {}

    def say(self, line: bytes) -> None:
        """An untagged response; the same one is told once."""
        self._lines[line] = None

    def add(self, mailbox: str, entries: Iterable[str]) -> None:
        """Entries of a mailbox ("": of the server) have changed."""
        known = self._annotated.setdefault(mailbox, {})
        for entry in entries:
            if entry not in known and self._count < MAX_PENDING:
                self._count += 1
                known[entry] = None

    @property
    def waiting(self) -> bool:
        """There is something to `take`."""
        return bool(self._lines or self._annotated)

    def take(self, *, utf8: bool) -> Iterable[bytes]:
        """What is to be said, and METADATA without values (RFC 5464 §4.4.2); each is told once."""
        lines, self._lines = self._lines, {}
        yield from lines
        annotated, self._annotated, self._count = self._annotated, {}, 0
        for mailbox, entries in annotated.items():
            name = response.mailbox(mailbox, utf8=utf8) if mailbox else b'""'
            names = b" ".join(response.astring(entry.encode()) for entry in entries)
            if names:
                yield b"* METADATA %b %b\r\n" % (name, names)
