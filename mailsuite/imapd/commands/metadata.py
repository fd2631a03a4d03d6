"""GETMETADATA and SETMETADATA: annotations of mailboxes and of the server (RFC 5464).

The entry /private/specialuse is the mailbox's special use (RFC 6154 §4), for its owner.

Each user has private entries on every mailbox and on the server. Shared ones can be set on
mailboxes only (on the server they are the operator's, §3.3), by whoever may change the mailbox's
flags. Others who have asked for it by ENABLE are told which entries have changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mailsuite.imapd.namespace import Place
from mailsuite.imapd.reply import OK, No, Reply
from mailsuite.imapd.rights import ANNOTATING
from mailsuite.imapd.session import Session
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.entries import key
from mailsuite.imapd.syntax.parse_mailbox import canonical_use
from mailsuite.imapd.syntax.parse_metadata import GetMetadata
from mailsuite.store import SPECIAL_USES, LimitReached, metadata

MAX_VALUE = 1 << 16
"""Octets of one value."""
ADMIN = "/shared/admin"
SPECIAL_USE = "/private/specialuse"


async def getmetadata(session: Session, wanted: GetMetadata) -> Reply:
    found = await _values(session, wanted.mailbox)
    chosen = list(_chosen(found, wanted.entries, wanted.depth))
    limit = wanted.maxsize
    too_long = [len(value) for _, value in chosen if value is not None and _over(value, limit)]
    fitting = [(name, value) for name, value in chosen if value is None or not _over(value, limit)]
    if fitting:
        session.write(metadata_response(session, wanted.mailbox, fitting))
    return Reply(code=f"METADATA LONGENTRIES {max(too_long)}") if too_long else OK


def _over(value: bytes, limit: int | None) -> bool:
    return limit is not None and len(value) > limit


async def setmetadata(session: Session, mailbox: str, values: dict[str, bytes | None]) -> Reply:
    if any(value is not None and len(value) > MAX_VALUE for value in values.values()):
        raise No("A value is too long", f"METADATA MAXSIZE {MAX_VALUE}")
    by_key = {key(name): value for name, value in values.items()}
    shared = [name for name in by_key if not metadata.is_private(name)]
    if not mailbox:
        if shared:
            raise No("What all see of the server is set by its operator", "NOPERM")
        place = Place(session.store.own, "")
    else:
        place = await session.store.need(mailbox, "l")
        rights = frozenset("w") if shared else ANNOTATING
        if not place.rights & rights:
            raise No("You have not the right to do this", "NOPERM")
    entries = sorted(by_key)
    uses = [by_key.pop(SPECIAL_USE)] if place.name and SPECIAL_USE in by_key else []
    use = _use(session, place, uses[0]) if uses else None
    try:
        if by_key:
            await metadata.change(place.store, place.name or None, session.account, by_key)
    except LimitReached:
        raise No("There are too many annotations", "METADATA TOOMANY") from None
    if uses:
        await _set_special_use(session, place, use)
    await session.door.announcer.annotated(session, place, entries)
    return OK


def _use(session: Session, place: Place, value: bytes | None) -> str | None:
    """The special use that the mailbox is to have, checked before anything is changed."""
    if place.store is not session.store.own:
        raise No("A special use is for one's own mailboxes", "NOPERM")
    use = canonical_use(value.decode("ascii", "replace")) if value else None
    if use is not None and (place.name == "INBOX" or use not in SPECIAL_USES.values()):
        raise No("This special use is not to be had", "USEATTR")
    return use


async def _set_special_use(session: Session, place: Place, use: str | None) -> None:
    """Tells of the mailbox that loses its use to this one (RFC 6154 §5.4)."""
    for name in await place.store.set_special_use(place.name, use):
        if name != place.name:
            session.write(metadata_response(session, name, [(SPECIAL_USE, None)]))
            other = Place(place.store, name)
            await session.door.announcer.annotated(session, other, [SPECIAL_USE])


async def _values(session: Session, mailbox: str) -> Mapping[str, bytes]:
    if mailbox:
        place = await session.store.need(mailbox, "l")
        if not place.rights & ANNOTATING:
            raise No("You have not the right to do this", "NOPERM")
        kept = await metadata.get(place.store, place.name, session.account)
        own = place.store is session.store.own
        return with_use(kept, await _special_use(session, place.name) if own else None)
    found = dict(await metadata.get(session.store.own, None, session.account))
    if admin := session.door.settings.admin:
        found[ADMIN] = admin.encode()
    return found


def with_use(kept: Mapping[str, bytes], use: str | None) -> Mapping[str, bytes]:
    """A mailbox's annotations with its special use (RFC 6154 §4)."""
    return kept if use is None else {**kept, SPECIAL_USE: use.encode()}


async def _special_use(session: Session, name: str) -> str | None:
    uses = (m.special_use for m in await session.store.own.mailboxes() if m.name == name)
    return next(uses, None)


def _chosen(
    found: Mapping[str, bytes], wanted: Iterable[str], depth: int
) -> Iterator[tuple[str, bytes | None]]:
    """Entries that are asked for, in the client's spelling; NIL for one that has nothing."""
    given = set()
    for name in wanted:
        own = key(name)
        below = [
            entry
            for entry in sorted(found)
            if depth and entry.startswith(own + "/") and entry.count("/") - own.count("/") <= depth
        ]
        if own in found or not below:
            yield name, found.get(own)
            given.add(own)
        for entry in below:
            if entry not in given:
                given.add(entry)
                yield entry, found[entry]


def requested(
    session: Session, mailbox: str, found: Mapping[str, bytes], wanted: Iterable[str]
) -> bytes:
    """Untagged METADATA for LIST (RFC 9590 §3)."""
    return metadata_response(session, mailbox, _chosen(found, wanted, 0))


def metadata_response(
    session: Session, mailbox: str, values: Iterable[tuple[str, bytes | None]]
) -> bytes:
    """Untagged METADATA with values (§4.4.1)."""
    pairs = b" ".join(
        response.astring(entry.encode()) + b" " + _value(value, utf8=session.utf8)
        for entry, value in values
    )
    name = response.mailbox(mailbox, utf8=session.utf8) if mailbox else b'""'
    return b"* METADATA %b (%b)\r\n" % (name, pairs)


def _value(value: bytes | None, *, utf8: bool) -> bytes:
    if value is not None and b"\0" in value:
        return response.literal(value, binary=True)
    return response.nstring(value, utf8=utf8)
