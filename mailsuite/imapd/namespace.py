r"""All mailboxes that a session can name: its own account's, and those that others share with it.

A mailbox `Work` of bob@example.test is `Other Users/bob@example.test/Work` to everybody else
(RFC 2342). Speaks like `store.AccountStore`. Promises: no name reaches another account's mailbox
but with the rights that RFC 4314 §4 asks for; a mailbox that may not be looked up cannot be told
from one that does not exist; an account to which nobody shares anything pays nothing for all this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from mailsuite.accounts import AccountRow
from mailsuite.imapd.reply import No
from mailsuite.imapd.rights import WRITING, scope, settable
from mailsuite.store import (
    ALL_RIGHTS,
    EVERYBODY,
    AccountStore,
    Acl,
    Appended,
    Attachment,
    CannotChange,
    Copied,
    Mailbox,
    MailboxInfo,
    MessageGone,
    NewMessage,
    NoSuchMailbox,
    Status,
    Store,
    StoreError,
    TempMessage,
    across,
    metadata,
    sharing,
)

OTHERS = "Other Users"
PREFIX = OTHERS + "/"
_RANK = {"INBOX": 0}


class Accounts(Protocol):
    """`accounts.Directory`."""

    def lookup(self, address: str) -> object | None: ...


def made(accounts: Accounts, address: str) -> float:
    """When an account was made; 0 for who is none."""
    row = accounts.lookup(address)
    return row.created if isinstance(row, AccountRow) else 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name leads: an account, the name that it has there, and what may be done with it."""

    store: AccountStore
    name: str
    rights: frozenset[str] = ALL_RIGHTS


class Namespace:
    """Made at sign-in."""

    __slots__ = ("_accounts", "_all", "own", "who")

    def __init__(self, own: AccountStore, all_: Store, accounts: Accounts) -> None:
        self.own = own
        self.who = (own.address, made(accounts, own.address))
        """The account, and since when it is there: whose rights count."""
        self._all = all_
        self._accounts = accounts

    @property
    def address(self) -> str:
        """The account."""
        return self.own.address

    # -- names -------------------------------------------------------------------------------------

    async def place(self, name: str) -> Place:
        """Where a name leads, whether there is a mailbox or not.

        Raises No when it cannot be a mailbox that is shared with this account.
        """
        if not self.is_foreign(name):
            return Place(self.own, name)
        level, _, rest = name.removeprefix(PREFIX).partition("/")
        owner = _owner(level)
        if not rest or owner not in await self._sharers():
            raise No("No such mailbox", "NONEXISTENT")
        store = await self._all.account(owner)
        lists = await sharing.lists(store)
        return Place(store, rest, lists.get(rest, Acl()).rights_of(*self.who))

    async def need(self, name: str, rights: str) -> Place:
        """Where a name leads, if all these rights are there.

        Raises No with NOPERM where the mailbox may at least be looked up, else as if it were not
        there (RFC 4314 §6): NoSuchMailbox if it could be made, or No.
        """
        place = await self.place(name)
        if place.store is not self.own and not place.rights.issuperset(rights):
            if "l" not in place.rights:
                if await self._may_make(place):
                    raise NoSuchMailbox(name)
                raise No("No such mailbox", "NONEXISTENT")
            raise No("You have not the right to do this", "NOPERM")
        return place

    async def may_know(self, name: str) -> bool:
        """May UIDs of the mailbox be told, as to those who can select it (RFC 4315 §5)?"""
        try:
            return "r" in (await self.place(name)).rights
        except No:  # shared no longer
            return False

    def view_of(self, mailbox: Mailbox) -> tuple[str, float] | None:
        """`who` for a mailbox of others; None: it is its own."""
        return None if mailbox.account is self.own else self.who

    def title(self, store: AccountStore, name: str) -> str:
        """The name that this account knows a mailbox of any account by."""
        return name if store is self.own else f"{PREFIX}{_level(store.address)}/{name}"

    @staticmethod
    def is_foreign(name: str) -> bool:
        """Is it a name in the other users' namespace?"""
        return name == OTHERS or name.startswith(PREFIX)

    async def accounts(self, *, shared: bool) -> list[AccountStore]:
        """The accounts whose mailboxes can be named; `shared`: also others' that share any."""
        others = sorted(await self._sharers()) if shared else []
        return [self.own, *[await self._all.account(owner) for owner in others]]

    def on_sharing(self, listener: Callable[[AccountStore, str], None]) -> Callable[[], None]:
        """As `Sharing.watch`."""
        return self._all.sharing.watch(listener)

    async def _sharers(self) -> set[str]:
        """Accounts that may share something with this one."""
        owners = await self._all.sharing.owners((self.address, *EVERYBODY))
        return {o for o in owners if o != self.address and self._accounts.lookup(o) is not None}

    # -- the list ----------------------------------------------------------------------------------

    async def mailboxes(self) -> list[MailboxInfo]:
        """As `AccountStore.mailboxes`, and after them those that others share (right "l")."""
        own = await self.own.mailboxes()
        sharers = await self._sharers()
        if not sharers:
            return own
        found = {each.name: each for each in own}
        levels = set()
        for owner in sorted(sharers):
            store = await self._all.account(owner)
            for name, has_children in await self._visible(store):
                full = self.title(store, name)
                known = found.get(full)
                subscribed = known is not None and known.subscribed
                found[full] = MailboxInfo(full, True, subscribed, None, has_children)
                while "/" in full:
                    full = full.rpartition("/")[0]
                    levels.add(full)
        for level in levels:
            known = found.get(level, MailboxInfo(level, exists=False))
            found[level] = replace(known, has_children=True)
        return sorted(found.values(), key=_order)

    async def mailbox(self, name: str) -> MailboxInfo | None:
        """What `mailboxes` tells of one, but whether others' is subscribed; None: it has none."""
        if not self.is_foreign(name):
            return await self.own.mailbox(name)
        try:
            place = await self.place(name)
        except No:
            return None
        has_children = dict(await self._visible(place.store)).get(place.name)
        return None if has_children is None else MailboxInfo(name, has_children=has_children)

    async def _visible(self, store: AccountStore) -> list[tuple[str, bool]]:
        """Names of an account's mailboxes that may be looked up, and whether others are below."""
        lists = await sharing.lists(store)
        mine = [name for name, acl in lists.items() if "l" in acl.rights_of(*self.who)]
        above = {name[:place] for name in mine for place in _ends_of_levels(name)}
        return [(name, name in above) for name in mine]

    # -- mailboxes as such -------------------------------------------------------------------------

    async def create(self, name: str, *, special_use: str | None = None) -> str:
        """The new mailbox's mailboxid. Right "k" on the nearest mailbox above that exists (§4)."""
        place = await self._place_of_new(name)
        if place.store is not self.own and special_use is not None:
            raise CannotChange("a special use is for one's own mailboxes")
        return await place.store.create(place.name, special_use=special_use)

    async def _place_of_new(self, name: str) -> Place:
        try:
            place = await self.place(name)
        except No:
            raise No("No mailbox can be made there", "NOPERM") from None
        if place.store is self.own or await self._may_make(place):
            return place
        raise No("No mailbox can be made there", "NOPERM")

    async def _may_make(self, place: Place) -> bool:
        """Right "k" on the nearest mailbox above that exists."""
        there = {each.name for each in await place.store.mailboxes() if each.exists}
        above = place.name
        while "/" in above:
            above = above.rpartition("/")[0]
            if above in there:
                lists = await sharing.lists(place.store)
                return "k" in lists.get(above, Acl()).rights_of(*self.who)
        return False

    async def delete(self, name: str) -> None:
        """Right "x"."""
        place = await self.need(name, "x")
        await place.store.delete(place.name)

    async def rename(self, old: str, new: str) -> None:
        """Right "x" on it and on all mailboxes below, "k" above the new name."""
        place = await self.need(old, "x")
        target = await self._place_of_new(new)
        if target.store is not place.store:
            raise No("A mailbox cannot be renamed into another account", "CANNOT")
        if place.store is not self.own:
            lists = await sharing.lists(place.store)
            for each in await place.store.mailboxes():
                below = each.exists and each.name.startswith(place.name + "/")
                acl = lists.get(each.name, Acl())
                if below and "x" not in acl.rights_of(*self.who):
                    raise No("You have not the right to rename all that is below it", "NOPERM")
        await place.store.rename(place.name, target.name)

    async def subscribe(self, name: str) -> None:
        """No right is needed: names may be subscribed to that do not exist."""
        await self.own.subscribe(name)

    async def unsubscribe(self, name: str) -> None:
        """No right is needed."""
        await self.own.unsubscribe(name)

    async def open(self, name: str, *, claim: bool = False) -> Mailbox:
        r"""Right "r". `claim`: new messages become \Recent, if rights allow to change anything."""
        place = await self.need(name, "r")
        return await place.store.open(place.name, claim=claim and bool(place.rights & WRITING))

    async def status(self, name: str) -> Status:
        """Right "r"."""
        if not self.is_foreign(name):
            return await self.own.status(name)
        place = await self.need(name, "r")
        return await place.store.status(place.name)

    async def statuses(self, wanted: Sequence[str]) -> dict[str, Status]:
        """The same of many; without those that are gone or may not be read."""
        found: dict[str, Status] = {}
        for store, group in (await self._readable(wanted)).items():
            told = await store.statuses([name for name, _ in group])
            found.update((title, told[name]) for name, title in group if name in told)
        return found

    async def annotations(self, wanted: Sequence[str]) -> dict[str, metadata.Values]:
        """Annotations of many mailboxes; without those that are gone or may not be read."""
        found: dict[str, metadata.Values] = {}
        for store, group in (await self._readable(wanted)).items():
            told = await metadata.get_many(store, [name for name, _ in group], self.address)
            found.update((title, told[name]) for name, title in group if name in told)
        return found

    async def rights(self, wanted: Iterable[str]) -> dict[str, frozenset[str]]:
        """What may be done with many mailboxes; without those that are not shared any more."""
        found: dict[str, frozenset[str]] = {}
        for title in wanted:
            try:
                found[title] = (await self.place(title)).rights
            except No:
                continue
        return found

    async def _readable(self, wanted: Sequence[str]) -> dict[AccountStore, list[tuple[str, str]]]:
        """Names by account, each with the title that it was asked for by."""
        groups: dict[AccountStore, list[tuple[str, str]]] = {}
        for title in wanted:
            try:
                place = await self.need(title, "lr")
            except (No, NoSuchMailbox):
                continue
            groups.setdefault(place.store, []).append((place.name, title))
        return groups

    # -- messages ----------------------------------------------------------------------------------

    async def new_temp(self) -> TempMessage:
        """Room for a message that is still coming in, wherever it will go."""
        return await self.own.new_temp()

    async def admit(self, name: str, messages: int, octets: int) -> None:
        """Would so much be taken? Raises NoSuchMailbox, OverQuota, No. Right "i"."""
        place = await self.need(name, "i")
        await place.store.require(place.name)
        await place.store.admit(messages, octets)

    async def append(self, name: str, messages: Sequence[NewMessage]) -> Appended:
        """Right "i"; flags that may not be set are left out."""
        place = await self.need(name, "i")
        if place.store is not self.own:
            messages = [replace(m, flags=settable(m.flags, place.rights)) for m in messages]
        return await place.store.append(place.name, messages)

    async def replace(
        self,
        source: Mailbox,
        uid: int,
        target: str,
        message: NewMessage,
        *,
        origin: Attachment | None = None,
    ) -> Appended:
        """Right "i" on the target; the rights on the source are the caller's affair.

        Between accounts the new message is there before the old one goes, and does not stay if
        the old one cannot go.
        """
        place = await self.need(target, "i")
        if place.store is not self.own:
            message = replace(message, flags=settable(message.flags, place.rights))
        if place.store is source.account:
            return await place.store.replace(source, uid, place.name, message, origin=origin)
        if source.index(uid) is None:
            raise MessageGone(f"UID {uid}")
        appended = await place.store.append(place.name, [message])
        try:
            await source.expunge([uid], only_deleted=False, origin=origin, all_or_none=True)
        except StoreError:
            target_mailbox = await place.store.open(place.name)
            try:
                await target_mailbox.expunge(appended.uids, only_deleted=False)
            finally:
                target_mailbox.release()
            raise
        return appended

    async def copy(
        self, source: Mailbox, uids: Sequence[int], target: str, *, all_or_none: bool
    ) -> Copied:
        """Right "i" on the target; flags that may not be set there are left out."""
        place = await self.need(target, "i")
        store, name, within = place.store, place.name, scope(place.rights)
        if store is source.account:
            return await store.copy(source, uids, name, within=within, all_or_none=all_or_none)
        return await across.copy(source, uids, store, name, within, all_or_none=all_or_none)

    async def move(
        self,
        source: Mailbox,
        uids: Sequence[int],
        target: str,
        *,
        origin: Attachment | None = None,
    ) -> Copied:
        """As `copy`; the rights on the source are the caller's affair."""
        place = await self.need(target, "i")
        within = scope(place.rights)
        if place.store is source.account:
            return await place.store.move(source, uids, place.name, within=within, origin=origin)
        return await across.move(source, uids, place.store, place.name, within, origin)


def _ends_of_levels(name: str) -> Iterator[int]:
    """Where the names of the levels above end."""
    place = name.find("/")
    while place >= 0:
        yield place
        place = name.find("/", place + 1)


def _level(owner: str) -> str:
    """An address as one level of a name: "/" may stand in it, ":" may not (RFC 5321 §4.1.2)."""
    return owner.replace("/", ":")


def _owner(level: str) -> str:
    return level.replace(":", "/")


def _order(mailbox: MailboxInfo) -> tuple[int, list[str]]:
    levels = mailbox.name.split("/")
    return _RANK.get(levels[0], 2 if levels[0] == OTHERS else 1), levels
