"""An IMAP account to be read: its folders, and where they would go here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mailsuite.message import mutf7
from mailsuite.remote import Refused
from mailsuite.remote.imap import ImapSession, Listed, Text, listed, namespaces, status, string
from mailsuite.transfer.choice import Choice
from mailsuite.transfer.names import INBOX, Named, is_virtual, local_name, without_prefix

STATUS_AT_ONCE = 20
_NOT_THERE = frozenset({"\\noselect", "\\nonexistent"})


@dataclass(frozen=True, slots=True)
class ImapFolder:
    """A folder over there.

    raw    its name as the server spells it
    named  with "/" between levels, without the prefix of the namespace
    """

    raw: bytes
    named: Named
    subscribed: bool
    messages: int = 0


async def folders(session: ImapSession, choice: Choice) -> list[ImapFolder]:
    """All that are wanted, the largest first. Raises RemoteError."""
    prefixes, others = await _namespaces(session)
    rows = await _list(session)
    subscribed = {
        listed(data).name for data in await session.call(b"LSUB", b'""', b'"*"') if _is(data.name)
    }
    found: dict[str, ImapFolder] = {}
    there = [
        row
        for row in rows
        if not row.attributes & _NOT_THERE
        and not any(row.name.startswith(other) for other in others if other)
    ]
    rows_by_name = distinct(there, prefixes)
    for name, row in rows_by_name.items():
        if is_virtual(row.attributes) and name not in choice.only:
            continue  # it shows what lies in other folders
        if choice.takes(name):
            named = Named(name, row.attributes)
            found[name] = ImapFolder(row.name, named, row.name in subscribed)
    choice.require(found, rows_by_name)
    counted = await _counted(session, list(found.values()))
    return sorted(counted, key=lambda folder: -folder.messages)


async def is_dovecot(session: ImapSession) -> bool:
    """By its own word (RFC 2971 §3.3)."""
    if "ID" not in session.capabilities:
        return False
    for data in await session.call(b"ID", b"NIL"):
        if data.name == "ID" and data.values and isinstance(pairs := data.values[0], list):
            told = [value.octets if isinstance(value, Text) else b"" for value in pairs]
            return dict(zip(told[::2], told[1::2], strict=False)).get(b"name") == b"Dovecot"
    return False


def distinct(rows: Iterable[Listed], prefixes: list[str]) -> dict[str, Listed]:
    """Folders by name; none takes the place of another ("INBOX.INBOX" that of INBOX, say)."""
    found: dict[str, Listed] = {}
    names = {row.name: (_name(row, prefixes), row) for row in rows}  # a name told twice is one
    for name, row in sorted(names.values(), key=lambda one: one[1].name.upper() != b"INBOX"):
        while name in found:
            name += "_"
        found[name] = row
    return found


def _is(name: str) -> bool:
    return name in ("LIST", "LSUB")


def _name(row: Listed, prefixes: list[str]) -> str:
    name = mutf7.decode_tolerant(row.name)
    if name.upper() == INBOX:
        return INBOX
    for prefix in prefixes:
        name = without_prefix(name, prefix)
    return local_name(name, row.delimiter)


async def _namespaces(session: ImapSession) -> tuple[list[str], list[bytes]]:
    """Prefixes of the personal namespace, and those of other people's (RFC 2342)."""
    if "NAMESPACE" not in session.capabilities:
        return [], []
    for data in await session.call(b"NAMESPACE"):
        if data.name == "NAMESPACE":
            own, others = namespaces(data)
            return [mutf7.decode_tolerant(prefix) for prefix in own if prefix], others
    return [], []


async def _list(session: ImapSession) -> list[Listed]:
    """With the attributes of special use, where the server knows them (RFC 6154 §2)."""
    parts = [b"LIST", b'""', b'"*"']
    if {"LIST-EXTENDED", "SPECIAL-USE"} <= session.capabilities:
        parts += [b"RETURN", b"(SPECIAL-USE)"]
    return [listed(data) for data in await session.call(*parts) if data.name == "LIST"]


async def _counted(session: ImapSession, found: list[ImapFolder]) -> list[ImapFolder]:
    """With the number of messages; many questions on their way at once."""
    counts: dict[bytes, int] = {}
    for start in range(0, len(found), STATUS_AT_ONCE):
        tags = []
        for folder in found[start : start + STATUS_AT_ONCE]:
            quoted = string(folder.raw)
            if quoted is not None:
                tags.append(await session.give(b"STATUS", quoted, b"(MESSAGES)"))
        for tag in tags:
            try:
                async for data in session.until(tag):
                    if data.name == "STATUS":
                        name, count = status(data)
                        counts[name] = count
            except Refused:
                continue  # it is told when the folder is opened
    return [replace(folder, messages=counts.get(folder.raw, 0)) for folder in found]
