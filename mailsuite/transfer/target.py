"""The account that mail is brought into: folders made, messages added, flags brought up to date.

Promises: a message is in the account before it is noted as brought over; brought a second time
after a crash, it is known by its delivery id; what has been noted and is gone from the account
(its owner has removed it) never comes again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import ParamSpec, TypeVar

from mailsuite.base.tasks import Threads, committed
from mailsuite.store import (
    AccountStore,
    CannotChange,
    Form,
    InvalidName,
    LimitReached,
    Mailbox,
    MailboxExists,
    NewMessage,
    NoSuchMailbox,
    TempMessage,
)
from mailsuite.store.names import canonical
from mailsuite.transfer.names import INBOX, shortened
from mailsuite.transfer.progress import Progress
from mailsuite.transfer.state import Key, Known, State

P = ParamSpec("P")
T = TypeVar("T")
SYSTEM = {
    flag.lower(): flag for flag in ("\\Seen", "\\Answered", "\\Flagged", "\\Draft", "\\Deleted")
}
_KEYWORD = re.compile(r"[!-~]{1,255}\Z")
TOLD = 60  # characters of a name that can't be used
NO_KEYWORDS = "keywords of some messages are left out, there are too many different ones"
_SPECIAL = frozenset('(){%*"\\]')


@dataclass(slots=True)
class Arrival:
    """A message that comes over.

    key     what names it in its folder over there
    source  with CRLF line ends
    date    INTERNALDATE, seconds since the epoch; None: now
    uid     the UID to keep, where the folder keeps UIDs
    zone    in which the date is told, minutes east of UTC
    unique_id  by which POP3 clients know it over there; "": by its UID (`Target.folder`)
    """

    key: Key
    source: bytes | TempMessage
    size: int
    flags: frozenset[str]
    date: float | None
    uid: int | None = None
    zone: int = 0
    unique_id: str = ""


def clean(flags: Iterable[str]) -> frozenset[str]:
    r"""Flags that the store takes; \Recent and unknown system flags are not among them."""
    found = set()
    for flag in flags:
        if flag.startswith("\\"):
            if flag.lower() in SYSTEM:
                found.add(SYSTEM[flag.lower()])
        elif _KEYWORD.match(flag) and not _SPECIAL & set(flag):
            found.add(flag)
    return frozenset(found)


def _system(flags: Iterable[str]) -> frozenset[str]:
    return frozenset(flag for flag in flags if flag.startswith("\\"))


def _is_name(name: str) -> bool:
    try:
        canonical(name)
    except InvalidName:
        return False
    return True


class Target:
    """One account, for one source."""

    def __init__(
        self,
        account: AccountStore,
        source: str,
        state: State,
        threads: Threads,
        progress: Progress,
    ) -> None:
        """
        source   names it, the same at each run
        threads  one, for the state
        """
        self.account = account
        self.progress = progress
        self._source = source
        self._state = state
        self._threads = threads

    async def special_uses(self) -> Mapping[str, str]:
        r"""The account's own folders of special use: {"\Sent": "Sent", …}."""
        infos = await self.account.mailboxes()
        return {info.special_use: info.name for info in infos if info.special_use is not None}

    async def folder(
        self,
        name: str,
        local: str,
        *,
        uidvalidity: int = 0,
        uidnext: int = 0,
        keep_uids: bool = True,
        unique_ids: str = "",
        subscribed: bool,
        by_name: bool = True,
    ) -> TargetFolder:
        """The local mailbox for a folder over there; made where there is none.

        by_name      the name always means the same folder: what is new goes where its messages were
                     brought before, also when that is not `local`. Else its mailbox is made when
                     there is a message for it, or by `TargetFolder.make`
        uidvalidity  0: over there messages have no UIDs
        unique_ids   form of the unique ids that POP3 clients know there; "": not known
        """
        wanted, local = local, shortened(local, _is_name)
        if local != wanted:
            self.progress.note(f"{wanted[:TOLD]}: no mailbox can be called that; it is {local}")
        number = await self.work(
            self._state.folder, self.account.address, self._source, name, uidvalidity
        )
        if by_name:
            local = await self._place(number, local)
            await self.make(local, subscribed=subscribed)
        keeps = False
        if uidvalidity and keep_uids:
            form = unique_ids if local == INBOX else ""
            try:
                keeps = await self.account.take_over(local, uidvalidity, max(uidnext, 1), form=form)
            except CannotChange as error:
                self.progress.note(f"{local}: UIDs are not kept: {error}")
        if await self.work(self._state.anew, number):
            self.progress.note(
                f"{local}: the source has numbered it anew (UIDVALIDITY): its messages come again"
            )
        mark = f"{self._source}\n{name}\n{uidvalidity}\n"
        names = None
        if local == INBOX and unique_ids and uidvalidity:
            names = Form.read(unique_ids, uidvalidity)
        return TargetFolder(self, local, number, mark, names, keeps=keeps, made=by_name)

    async def make(self, local: str, *, subscribed: bool) -> None:
        """A mailbox, if it is not there."""
        try:
            await self.account.create(local)
        except MailboxExists:
            return
        if subscribed:
            await self.account.subscribe(local)

    async def _place(self, number: int, local: str) -> str:
        """Where this folder goes: a mailbox, if it is still there, that it was brought to before.

        Else, in another mailbox, later changes would miss its messages. INBOX is always there, also
        where nothing has come to it.
        """
        before = await self.work(self._state.place, number)
        if before == INBOX and not await self.work(self._state.count, number):
            before = ""
        infos = await self.account.mailboxes() if before else []
        if before != local and any(info.name == before and info.exists for info in infos):
            self.progress.note(f"{before} goes on where it was brought, not in {local}")
            return before
        await self.work(self._state.placed, number, local)
        return local

    async def work(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A call of the state, in its thread."""
        return await committed(self._threads.run(call, *args, **kwargs))

    @property
    def state(self) -> State:
        """What has been brought over."""
        return self._state


class TargetFolder:
    """One folder over there and the mailbox it goes to.

    keeps_uids  the mailbox has the UIDVALIDITY from over there
    """

    def __init__(
        self,
        target: Target,
        local: str,
        number: int,
        mark: str,
        names: Form | None,
        *,
        keeps: bool,
        made: bool,
    ) -> None:
        self.local = local
        self._made = made
        self._names = names
        self.keeps_uids = keeps
        self._target = target
        self._number = number
        self._mark = mark

    async def known(self, keys: Sequence[Key]) -> dict[Key, Known]:
        """Those of these that have been brought over."""
        return await self._target.work(self._target.state.known, self._number, keys)

    async def make(self) -> None:
        """Its mailbox is there."""
        if not self._made:
            await self._target.make(self.local, subscribed=True)
            self._made = True

    async def put(self, arrivals: Sequence[Arrival]) -> None:
        """Add messages; durable, and noted, when it returns. Raises StoreError."""
        if arrivals:
            await self.make()
            await committed(self._put(arrivals))

    async def _put(self, arrivals: Sequence[Arrival]) -> None:
        account, progress = self._target.account, self._target.progress
        flags = [clean(arrival.flags) for arrival in arrivals]
        messages = [
            NewMessage(
                arrival.source,
                its_flags,
                arrival.date,
                arrival.zone,
                delivery_id=self._delivery_id(arrival.key),
                repeat=True,
                exact=True,
                uid=arrival.uid if self.keeps_uids else None,
                unique_id=self._unique_id(arrival),
            )
            for arrival, its_flags in zip(arrivals, flags, strict=True)
        ]
        try:
            appended = await account.append(self.local, messages)
        except LimitReached:  # of different keywords: mail without its keywords is mail
            self._target.progress.note(f"{self.local}: {NO_KEYWORDS}")
            plain = [replace(message, flags=_system(message.flags)) for message in messages]
            appended = await account.append(self.local, plain)
        rows = [
            (arrival.key, Known(appended.uidvalidity, uid, its_flags))
            for arrival, uid, its_flags in zip(arrivals, appended.uids, flags, strict=True)
        ]
        await self._target.work(self._target.state.record, self._number, rows)
        progress.new += len(arrivals)
        progress.octets += sum(arrival.size for arrival in arrivals)

    def _unique_id(self, arrival: Arrival) -> str:
        """By which a POP3 client knows it, which only sees INBOX."""
        if self.local != INBOX:
            return ""
        if arrival.unique_id or self._names is None or arrival.uid is None:
            return arrival.unique_id
        return self._names.of(arrival.uid)

    def _delivery_id(self, key: Key) -> str:
        return (
            "I" + blake2b(f"{self._mark}{key}".encode(errors="replace"), digest_size=12).hexdigest()
        )

    async def reflag(self, changed: Sequence[tuple[Key, Known, frozenset[str]]]) -> None:
        """Bring over what has changed in flags since a message came; changes made here stay."""
        mailbox = await self._mailbox() if changed else None
        if mailbox is None:
            return
        try:
            here = [row for row in changed if row[1].uidvalidity == mailbox.uidvalidity]
            groups: dict[tuple[str, frozenset[str]], list[int]] = {}
            for _, known, flags in here:
                for operation, words in (("+", flags - known.flags), ("-", known.flags - flags)):
                    if words:
                        groups.setdefault((operation, words), []).append(known.uid)
            for (operation, words), uids in groups.items():
                try:
                    await mailbox.store_flags(uids, operation, words)
                except LimitReached:
                    self._target.progress.note(f"{self.local}: {NO_KEYWORDS}")
                    await mailbox.store_flags(uids, operation, _system(words))
        finally:
            mailbox.release()
        rows = [(key, Known(known.uidvalidity, known.uid, flags)) for key, known, flags in here]
        await self._target.work(self._target.state.record, self._number, rows)
        self._target.progress.changed += len(here)

    async def remove(self, keys: Sequence[Key]) -> None:
        """These are gone over there: remove them here too."""
        mailbox = await self._mailbox() if keys else None
        if mailbox is None:
            return
        known = await self.known(keys)
        try:
            here = {
                key: one for key, one in known.items() if one.uidvalidity == mailbox.uidvalidity
            }
            uids = [one.uid for one in here.values()]
            removed = await mailbox.expunge(uids, only_deleted=False)
        finally:
            mailbox.release()
        await self._target.work(self._target.state.forget, self._number, list(here))
        self._target.progress.removed += len(removed)

    async def _mailbox(self) -> Mailbox | None:
        """To be released; None: there is none yet, so that what has come over is elsewhere."""
        try:
            return await self._target.account.open(self.local)
        except NoSuchMailbox:
            return None

    async def remove_all_but(self, is_there: Callable[[Key], bool]) -> None:
        """Remove what has been brought over and is gone at the source; `is_there` in a thread."""

        def gone() -> list[Key]:
            return [key for key in self._target.state.keys(self._number) if not is_there(key)]

        await self.remove(await self._target.work(gone))

    async def finish(self, uidvalidity: int, uidnext: int) -> None:
        """All is there: from now on new messages get UIDs after those from over there."""
        if self.keeps_uids:
            await self._target.account.take_over(
                self.local, uidvalidity, max(uidnext, 1), whole=True
            )
