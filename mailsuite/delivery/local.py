"""The local courier: aliases resolved, then the message durably in the mailboxes of our accounts.

Promises: one copy an account, however many ways lead to it from a recipient; a repeated attempt
adds none. Where one of an alias's targets fails and another does not, each target that is left
becomes a message of its own in the queue, so that neither waits for, or repeats, the other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, Self

from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Threads, all_of
from mailsuite.delivery.binary import carried
from mailsuite.delivery.expansion import Expansion, expand
from mailsuite.delivery.trace import Head, delivered, key_of, return_path
from mailsuite.mail import (
    Bounced,
    Deferred,
    FollowUp,
    Job,
    Mailbox,
    Outcome,
    QueuedMessage,
    Recipient,
    Route,
    Sent,
)
from mailsuite.message import split_header
from mailsuite.store import (
    AccountStore,
    NewMessage,
    NoSuchMailbox,
    OverQuota,
    StoreError,
    StoreUnavailable,
)

log = get_logger("delivery")

HEADER = 1 << 18  # octets of a message that are searched for its earlier trace fields
LARGE = 1 << 14  # octets in memory from which on a thread searches them
TOGETHER = 50  # mailboxes that one attempt writes to at the same moment
LARGE_TOGETHER = 8  # as TOGETHER, of all attempts, where each copy's beginning is LARGE
FAN_OUT = 100  # recipients of one follow-up message (RFC 5321 §4.5.3.1.8)
# A message that somebody sends is not to be found among those that the user wrote.
OWN_FOLDERS = frozenset({r"\Sent", r"\Drafts"})


class Accounts(Protocol):
    """What is asked of the store."""

    async def account(self, address: str) -> AccountStore: ...


@dataclass(slots=True)
class _Tally:
    """How the accounts of one recipient fared."""

    delivered: list[str]
    failed: dict[str, Deferred]


@dataclass(frozen=True, slots=True)
class _Came:
    """A message as it came, less its Return-Path fields: `start`, then `source` from `offset` on.

    passed  whom it has been delivered to
    ready   it is just that in the spool file, with the trace fields of its one recipient in front
    """

    passed: set[str]
    start: bytes
    source: bytes | Path
    offset: int
    ready: bool

    @classmethod
    def of(cls, message: QueuedMessage) -> Self:
        """Blocks where it is not in memory. Raises OSError."""
        data, path = message.data, Path(message.path)
        head = Head.of(_read_header(message) if data is None else data)
        if head.own is None:
            ready = message.prefixed and bool(message.path)
            source, offset = (path, message.offset) if data is None else (data, 0)
            return cls(head.passed, b"", source, offset, ready)
        if data is None:
            return cls(head.passed, head.own, path, message.offset + head.size, False)
        return cls(head.passed, b"", head.own + data[head.size :], 0, False)


class LocalCourier:
    """Delivers to accounts of the store."""

    def __init__(
        self,
        store: Accounts,
        route: Callable[[str], Route],
        threads: Threads,
        *,
        forwarded_as: Callable[[str, str], Awaitable[str]] | None = None,
    ) -> None:
        """
        route         says where an address leads
        threads       read the headers of large messages
        forwarded_as  (sender, alias) -> sender of what the alias passes on to other hosts (SRS)
        """
        self._store = store
        self._forwarded_as = forwarded_as
        self._route = route
        self._threads = threads
        self._large = asyncio.Semaphore(LARGE_TOGETHER)

    def direct(self, job: Job) -> bool:
        """See `mail.DirectCourier`: accounts only, since mail may follow from an alias."""
        return all(isinstance(self._route(each.address), Mailbox) for each in job.recipients)

    async def deliver(self, job: Job) -> Sequence[Outcome]:
        """See `mail.Courier`."""
        octets = job.message.data
        if octets is None or len(octets) > LARGE:
            came = await self._threads.run(_Came.of, job.message)
        else:
            came = _Came.of(job.message)
        gate = asyncio.Semaphore(TOGETHER)
        if len(job.recipients) == 1:
            return [await self._recipient(job, 0, came, gate)]
        return await all_of(
            *(self._recipient(job, place, came, gate) for place in range(len(job.recipients)))
        )

    async def _recipient(
        self, job: Job, place: int, came: _Came, gate: asyncio.Semaphore
    ) -> Outcome:
        recipient = job.recipients[place]
        if key_of(recipient.address) in came.passed and not job.envelope.collected:
            return Bounced("5.4.6", f"mail loop: already delivered to {recipient.address}")
        expansion = expand(recipient.address, self._route)
        if expansion.looped:
            log.warning("alias leads round in a loop or to too many", alias=recipient.address)
        tally = _Tally([], {})
        make = partial(_new_message, job, place, came)
        # Many copies at once, each with a large beginning of its own, would fill the memory.
        gate = self._large if len(came.start) > LARGE else gate
        await self._all(job, make, expansion, tally, gate)
        if expansion.alias:
            sender = job.envelope.sender
            if expansion.remote and self._forwarded_as is not None:
                sender = await self._forwarded_as(sender, recipient.address)
            return _outcome_of_alias(job, recipient, expansion, tally, sender)
        return _outcome_of_account(recipient, expansion, tally)

    async def _all(
        self,
        job: Job,
        make: Callable[[], NewMessage],
        expansion: Expansion,
        tally: _Tally,
        gate: asyncio.Semaphore,
    ) -> None:
        async def one(account: str, address: str, detail: str) -> None:
            async with gate:
                try:
                    store = await self._store.account(account)
                    async with carried(job, make(), store, self._threads) as copy:
                        await self._append(store, detail, copy)
                except StoreError as error:
                    tally.failed[address] = _deferred(job, account, error)
                else:
                    tally.delivered.append(account)

        targets = [(account, *reached) for account, reached in expansion.accounts.items()]
        if len(targets) == 1:
            await one(*targets[0])
        elif targets:
            await all_of(*(one(*target) for target in targets))

    async def _append(self, store: AccountStore, detail: str, message: NewMessage) -> None:
        if detail:
            folder = await _folder(store, detail)
            if folder is not None:
                try:
                    await store.append(folder, [message])
                except NoSuchMailbox:
                    log.info("folder gone meanwhile", account=store.address, folder=folder)
                else:
                    return
        await store.append("INBOX", [message])


async def _folder(store: AccountStore, detail: str) -> str | None:
    """The folder that the subaddress names (RFC 5233), in any case; exact case goes first."""
    fitting = [
        each.name
        for each in await store.mailboxes()
        if each.exists
        and each.special_use not in OWN_FOLDERS
        and each.name.casefold() == detail.casefold()
    ]
    return detail if detail in fitting else min(fitting, default=None)


def _new_message(job: Job, place: int, came: _Came) -> NewMessage:
    """The copy for one recipient: a link of the spool file, where that is what it must be."""
    delivery_id = f"{job.id}.{job.indexes[place]}"
    repeat = job.repeat
    if job.envelope.collected:
        # After a crash it may have been collected, and queued, a second time.
        delivery_id, repeat = f"{job.envelope.collected}.{job.indexes[place]}", True
    if came.ready:
        path = Path(job.message.path)
        return NewMessage(path, delivery_id=delivery_id, repeat=repeat, exact=True)
    trace = return_path(job.envelope.sender) + delivered(job.recipients[place].address)
    return NewMessage(
        came.source,
        internal_date=job.received_at,
        prefix=trace + came.start,
        offset=came.offset,
        delivery_id=delivery_id,
        repeat=repeat,
        exact=True,
    )


def _deferred(job: Job, account: str, error: StoreError) -> Deferred:
    # A direct attempt comes again at once, from the queue: that one tells of it, in its place.
    direct = not job.message.path
    if isinstance(error, OverQuota):
        # Its owner may make room; the sender is told when the queue gives up.
        if not direct:
            log.info("mailbox full", id=job.id, account=account, why=str(error))
        return Deferred("4.2.2", f"mailbox of {account} is full")
    if isinstance(error, StoreUnavailable):
        # The disk's or another program's doing: where in our code it was met helps nobody.
        if not direct:
            log.error("mailbox not written", id=job.id, account=account, why=str(error))
        return Deferred("4.3.0", f"mailbox of {account} can't be written now")
    log.error("mailbox not written", id=job.id, account=account, exc_info=error)
    return Deferred("4.2.0", f"mailbox of {account} takes no message now")


def _outcome_of_alias(
    job: Job, recipient: Recipient, expansion: Expansion, tally: _Tally, sender: str
) -> Outcome:
    """`sender`: the sender of what goes on to other hosts."""
    if not tally.delivered and not expansion.remote:
        for failed in tally.failed.values():
            return failed
        if expansion.unknown:
            names = ", ".join(expansion.unknown[:3])
            return Bounced("5.1.1", f"{recipient.address} leads to {names}, and nobody is there")
        return Bounced("5.4.6", f"{recipient.address} is an alias that leads only to itself")
    # What is done is done for good; every target that is left goes on by itself.
    left = [*expansion.remote, *tally.failed, *expansion.unknown]
    one = len(left) + len(tally.delivered) == 1
    follow_ups = [
        _forwarded(job, recipient, expansion.remote[first : first + FAN_OUT], one, sender)
        for first in range(0, len(expansion.remote), FAN_OUT)
    ]
    follow_ups += [
        _forwarded(job, recipient, [address], one, job.envelope.sender)
        for address in (*tally.failed, *expansion.unknown)
    ]
    words = [f"delivered to {name}" for name in sorted(tally.delivered)]
    words += [f"passed on to {address}" for address in left]
    action = "expanded" if not one else "" if left else "delivered"
    return Sent("2.0.0", "; ".join(words), tuple(follow_ups), action=action)


def _outcome_of_account(recipient: Recipient, expansion: Expansion, tally: _Tally) -> Outcome:
    for failed in tally.failed.values():
        return failed
    for account in tally.delivered:
        return Sent("2.0.0", f"delivered to {account}")
    if expansion.remote:
        # The domain was ours when the message was accepted; the queue chooses a courier anew.
        return Deferred("4.3.5", f"the domain of {recipient.address} is no longer ours")
    return Bounced("5.1.1", f"nobody by the name {recipient.address} here")


def _forwarded(
    job: Job, recipient: Recipient, targets: Sequence[str], one: bool, sender: str
) -> FollowUp:
    """The same message on its way to where the alias leads; the alias is noted, against loops.

    An alias for one address (`one`) hands on what the sender wants to be told; one for several
    reports its own success as "expanded" (RFC 3461 §5.2.7).
    """
    notify = recipient.notify
    if not one and "SUCCESS" in notify:
        notify = tuple(each for each in notify if each != "SUCCESS") or ("NEVER",)
    recipients = tuple(Recipient(address, notify, recipient.orcpt) for address in targets)
    envelope = replace(job.envelope, sender=sender, recipients=recipients)
    return FollowUp(envelope, head=delivered(recipient.address))


def _read_header(message: QueuedMessage) -> bytes:
    """The beginning, with the whole header, or as many whole fields as are in HEADER octets."""
    with Path(message.path).open("rb") as octets:
        octets.seek(message.offset)
        block = octets.read(HEADER)
    if len(block) < HEADER or split_header(block)[0] < HEADER:
        return block
    # What is left out may not leave the lines folded onto it behind.
    last = block.rfind(b"\n")
    while last >= 0 and block[last + 1 : last + 2] in (b" ", b"\t", b""):
        last = block.rfind(b"\n", 0, last)
    return block[: last + 1]
