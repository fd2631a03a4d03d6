"""The register of who shares mailboxes with whom: so that everybody else pays nothing for it.

`mailsuite.sharing` in the store's folder: a line an owner, with all identifiers that his or her
mailboxes' lists give rights to. It may name too many, never too few: an identifier is written here
before a list gives it rights, and taken out afterwards. It is made again from the lists
(`mailsuite.acl` in the mailboxes' folders) when it is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote

from mailsuite.base import durable
from mailsuite.base.tasks import Threads, committed
from mailsuite.store import sidecar, tree
from mailsuite.store.acl import Acl
from mailsuite.store.errors import StoreUnavailable

if TYPE_CHECKING:
    from mailsuite.store.account import AccountStore

FILE = "mailsuite.sharing"


T = TypeVar("T")


async def lists(account: AccountStore) -> dict[str, Acl]:
    """The access control lists of an account's mailboxes, by name; without those that are empty."""
    known = account.files.acls
    if known is None:
        known = await account.writer.do(lambda: tree.acls(account.files))
    return known


def _grantees(known: dict[str, Acl]) -> Iterator[set[str]]:
    for entries in known.values():
        yield entries.grantees


class Sharing:
    """One for a store. Asking costs a few look-ups in memory."""

    def __init__(self, root: Path, threads: Threads) -> None:
        self._root = root
        self._threads = threads
        self._lock = asyncio.Lock()
        self._identifiers: dict[str, frozenset[str]] | None = None  # by owner
        self._owners: dict[str, set[str]] = {}  # by identifier
        self._listeners: list[Callable[[AccountStore, str], None]] = []

    def watch(self, listener: Callable[[AccountStore, str], None]) -> Callable[[], None]:
        """Call `listener` with (account, mailbox) whenever a list has changed, until the answer is
        called (once). It must be quick and must not raise."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def owners(self, identifiers: Iterable[str]) -> set[str]:
        """Who may share something with one of these. Raises StoreUnavailable."""
        if self._identifiers is None:
            async with self._lock:
                await self._load()
        found: set[str] = set()
        for identifier in identifiers:
            found |= self._owners.get(identifier, set())
        return found

    async def change(
        self,
        account: AccountStore,
        name: str,
        identifier: str,
        operation: str,
        rights: str,
        *,
        since: float = 0.0,
    ) -> None:
        """Add ("+"), take out ("-") or replace ("") rights of an identifier in a mailbox's list.

        `since`: when the account that it names was made; older entries are not added to.
        Raises NoSuchMailbox, LimitReached, StoreUnavailable.
        """
        await committed(self._change(account, name, identifier, operation, rights, since))

    async def _change(
        self,
        account: AccountStore,
        name: str,
        identifier: str,
        operation: str,
        rights: str,
        since: float,
    ) -> None:
        async with self._lock:
            before = (await self._load()).get(account.address, frozenset())
            if operation != "-" and not identifier.startswith("-"):
                await self._note(account.address, before | {identifier})
            lists = await account.writer.do(
                lambda: tree.change_acl(account.files, name, identifier, operation, rights, since)
            )
            await self._note(account.address, frozenset().union(*(_grantees(lists))))
        for listener in list(self._listeners):
            listener(account, name)

    async def _note(self, owner: str, identifiers: frozenset[str]) -> None:
        known = await self._load()
        if identifiers != known.get(owner, frozenset()):
            await self._write({**known, owner: identifiers})

    async def _write(self, known: dict[str, frozenset[str]]) -> None:
        lines = (
            " ".join([owner, *sorted(names)]) + "\n"
            for owner, names in sorted(known.items())
            if names
        )
        octets = "".join(lines).encode()
        await self._run(lambda: durable.replace(self._root / FILE, octets))
        self._take(known)

    async def _load(self) -> dict[str, frozenset[str]]:
        """Under the lock."""
        if self._identifiers is None:
            self._take(await self._run(self._read))
        return self._identifiers or {}

    def _take(self, known: dict[str, frozenset[str]]) -> None:
        owners: dict[str, set[str]] = {}
        for owner, identifiers in known.items():
            for identifier in identifiers:
                owners.setdefault(identifier, set()).add(owner)
        self._identifiers, self._owners = known, owners

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            return await self._threads.run(call)
        except OSError as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error

    def _read(self) -> dict[str, frozenset[str]]:
        try:
            text = (self._root / FILE).read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            known = self._search()
            if known:
                lines = (" ".join([owner, *sorted(names)]) + "\n" for owner, names in known.items())
                durable.replace(self._root / FILE, "".join(lines).encode())
            return known
        words = (line.split(" ") for line in text.splitlines() if line)
        return {owner: frozenset(identifiers) for owner, *identifiers in words}

    def _search(self) -> dict[str, frozenset[str]]:
        """All lists of all accounts."""
        known: dict[str, frozenset[str]] = {}
        for pattern in ("", ".*/"):
            for path in self._root.glob(f"*/*/Maildir/{pattern}{sidecar.ACL_FILE}"):
                account = path.relative_to(self._root).parts
                owner = f"{unquote(account[1])}@{unquote(account[0])}"
                grantees = sidecar.read_acl(path.parent).grantees
                known[owner] = known.get(owner, frozenset()) | grantees
        return known
