"""The local courier: into the mailboxes of our accounts, by alias and subaddress.

Promises: each account once for a recipient; a repeat appends nothing twice (the delivery id is
part of the file's name); a failure of one account does not keep another's mail away. Follow-up mail
for addresses elsewhere comes with the final outcome only, so that it is given once.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Threads
from mailsuite.delivery.expansion import Expansion, expand
from mailsuite.delivery.trace import trace_fields
from mailsuite.mail import (
    Bounced,
    Deferred,
    Envelope,
    FollowUp,
    Job,
    Outcome,
    QueuedMessage,
    Recipient,
    Route,
    Sent,
)
from mailsuite.message import address_key, delivered_to
from mailsuite.store import (
    AccountStore,
    NewMessage,
    NoSuchMailbox,
    Store,
    StoreError,
)

INBOX = "INBOX"
HEADER_LIMIT = 1 << 18  # octets in which loops are looked for
log = get_logger("delivery")


class LocalCourier:
    """See the module."""

    def __init__(self, store: Store, route: Callable[[str], Route], threads: Threads) -> None:
        """`threads` read the heads of large messages."""
        self._store = store
        self._route = route
        self._threads = threads

    async def deliver(self, job: Job) -> Sequence[Outcome]:
        """Attempt `job`; see `mail.Courier`."""
        head = job.message.data
        if head is None:
            head = await self._threads.run(read_head, job.message)
        passed = {key_of(address) for address in delivered_to(head)}
        return [
            await self._deliver(job, index, recipient, passed)
            for index, recipient in zip(job.indexes, job.recipients, strict=True)
        ]

    async def _deliver(
        self, job: Job, index: int, recipient: Recipient, passed: set[str]
    ) -> Outcome:
        if key_of(recipient.address) in passed:
            return Bounced("5.4.6", f"mail loop: {recipient.address} has had this message before")
        goal = expand(recipient.address, self._route)
        if goal.too_far:
            return Bounced("5.4.6", f"aliases of {recipient.address} lead on and on")
        failed: list[str] = []
        for account, detail in goal.mailboxes.items():
            try:
                await self._append(job, index, recipient, account, detail)
            except StoreError as error:
                failed.append(account)
                log.warning("not delivered", id=job.id, account=account, why=str(error))
        if failed:
            return Deferred("4.3.0", f"the mailbox of {', '.join(failed)} can't be written now")
        return _final(job, recipient, goal)

    async def _append(
        self, job: Job, index: int, recipient: Recipient, account: str, detail: str
    ) -> None:
        mail = await self._store.account(account)
        folder = await _folder(mail, detail)
        message = new_message(
            job,
            trace_fields(job.envelope.sender, recipient.address),
            delivery_id=f"{job.id}.{index}",
        )
        try:
            await mail.append(folder, [message])
        except NoSuchMailbox:  # its owner has just deleted it
            folder = INBOX
            await mail.append(folder, [message])
        log.info(
            "delivered",
            id=job.id,
            recipient=recipient.address,
            account=account,
            mailbox=folder,
        )


def _final(job: Job, recipient: Recipient, goal: Expansion) -> Outcome:
    follow_ups: tuple[FollowUp, ...] = ()
    if goal.remote:
        envelope = Envelope(
            job.envelope.sender,
            tuple(map(Recipient, goal.remote)),
            body=job.envelope.body,
            smtputf8=job.envelope.smtputf8,
        )
        head = b"Delivered-To: " + recipient.address.encode() + b"\r\n"
        follow_ups = (FollowUp(envelope, head=head),)
    if goal.unknown:
        text = f"no such user here: {', '.join(goal.unknown)}"
        return Bounced("5.1.1", text, follow_ups)
    where = ", ".join([*goal.mailboxes, *goal.remote])
    return Sent("2.0.0", f"delivered to {where}" if where else "nobody to deliver to", follow_ups)


async def _folder(mail: AccountStore, detail: str) -> str:
    """The mailbox of a subaddress (RFC 5233), where it exists; whatever its case."""
    if not detail:
        return INBOX
    wanted = detail.casefold()
    found = [info.name for info in await mail.mailboxes() if info.exists]
    if detail in found:
        return detail
    return next((name for name in found if name.casefold() == wanted), INBOX)


def new_message(job: Job, prefix: bytes, *, delivery_id: str, link: bool = True) -> NewMessage:
    """The queued message under `prefix`; `link` where the file may begin with just that."""
    message = job.message
    repeat = job.repeat or job.attempt > 1
    if link and message.prefixed:
        return NewMessage(Path(message.path), delivery_id=delivery_id, repeat=repeat, exact=True)
    if message.data is not None:
        return NewMessage(
            message.data, prefix=prefix, delivery_id=delivery_id, repeat=repeat, exact=True
        )
    return NewMessage(
        Path(message.path),
        prefix=prefix,
        offset=message.offset,
        delivery_id=delivery_id,
        repeat=repeat,
        exact=True,
    )


def read_head(message: QueuedMessage) -> bytes:
    """The first octets of a queued message. Blocks."""
    with Path(message.path).open("rb") as file:
        file.seek(message.offset)
        return file.read(HEADER_LIMIT)


def key_of(address: str) -> str:
    """Addresses that are the same have the same key."""
    try:
        return address_key(address)
    except ValueError:
        return address.casefold()
