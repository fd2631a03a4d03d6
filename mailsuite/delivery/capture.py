"""The capture courier: mail to the world is kept here, in a folder of the one who sent it.

Promises: nothing leaves the machine; one copy an attempt, with the envelope in its first fields so
that the mail can be sent later on; a repeat adds none.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from mailsuite.base.log import get_logger
from mailsuite.delivery.expansion import expand
from mailsuite.delivery.trace import envelope_to, return_path
from mailsuite.mail import Deferred, Job, Outcome, Route, Sent
from mailsuite.store import (
    AccountStore,
    MailboxExists,
    NewMessage,
    NoSuchMailbox,
    OverQuota,
    StoreError,
)

log = get_logger("delivery")

FOLDER = "Outbound"


class Accounts(Protocol):
    """What is asked of the store."""

    async def account(self, address: str) -> AccountStore: ...


class CaptureCourier:
    """Puts mail into the folder `Outbound` of its sender's account.

    That is the account that handed it in, else the one that the sender's address leads to, else
    postmaster's.
    """

    def __init__(
        self, store: Accounts, route: Callable[[str], Route], *, folder: str = FOLDER
    ) -> None:
        self._store = store
        self._route = route
        self._folder = folder

    async def deliver(self, job: Job) -> Sequence[Outcome]:
        """See `mail.Courier`."""
        outcome = await self._capture(job)
        return [outcome] * len(job.recipients)

    async def _capture(self, job: Job) -> Outcome:
        account = self._keeper(job)
        if account is None:
            return Deferred(
                "4.3.5", "no account to keep captured mail in; name one in the setting `postmaster`"
            )
        try:
            await self._append(await self._store.account(account), _new_message(job))
        except OverQuota:
            return Deferred("4.2.2", f"mailbox of {account} is full")
        except StoreError as error:
            log.error("mailbox not written", id=job.id, account=account, exc_info=error)
            return Deferred("4.3.0", f"mailbox of {account} can't be written now")
        return Sent("2.0.0", f"captured, not sent: in folder {self._folder} of {account}")

    def _keeper(self, job: Job) -> str | None:
        for address in (job.envelope.submitter, job.envelope.sender, "postmaster"):
            if address:
                for account in expand(address, self._route).accounts:
                    return account
        return None

    async def _append(self, store: AccountStore, message: NewMessage) -> None:
        try:
            await store.append(self._folder, [message])
        except NoSuchMailbox:
            try:
                await store.create(self._folder)
                await store.subscribe(self._folder)
            except MailboxExists:
                log.debug("folder made meanwhile", folder=self._folder)
            await store.append(self._folder, [message])


def _new_message(job: Job) -> NewMessage:
    message = job.message
    recipients = envelope_to(recipient.address for recipient in job.recipients)
    return NewMessage(
        Path(message.path) if message.data is None else message.data,
        internal_date=job.received_at,
        prefix=return_path(job.envelope.sender) + recipients,
        offset=message.offset if message.data is None else 0,
        # Not the local courier's name for it: both may serve one account.
        delivery_id=f"{job.id}.out{min(job.indexes)}",
        repeat=job.repeat,
        exact=True,
    )
