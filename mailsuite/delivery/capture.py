"""The capture courier: mail to other hosts is kept in a folder of its sender, never sent.

Promises: one copy for all recipients of an attempt; the envelope stays readable in its head.
"""

from collections.abc import Callable, Sequence

from mailsuite.base.log import get_logger
from mailsuite.delivery.expansion import expand
from mailsuite.delivery.local import new_message
from mailsuite.delivery.trace import return_path
from mailsuite.mail import Deferred, Job, Outcome, Route, Sent
from mailsuite.store import AccountStore, MailboxExists, NoSuchMailbox, Store, StoreError

OUTBOUND = "Outbound"
log = get_logger("delivery")


class CaptureCourier:
    """See the module."""

    def __init__(self, store: Store, route: Callable[[str], Route]) -> None:
        self._store = store
        self._route = route

    async def deliver(self, job: Job) -> Sequence[Outcome]:
        """Keep `job` in the folder Outbound; see `mail.Courier`."""
        outcome = await self._keep(job)
        return [outcome] * len(job.recipients)

    async def _keep(self, job: Job) -> Outcome:
        account = self._account(job)
        if account is None:
            return Deferred(
                "4.3.5", "no account to keep captured mail in; name one in the setting `postmaster`"
            )
        try:
            await self._append(await self._store.account(account), job)
        except StoreError as error:
            log.warning("not captured", id=job.id, account=account, why=str(error))
            return Deferred("4.3.0", f"the mailbox of {account} can't be written now")
        log.info("captured", id=job.id, account=account, recipients=len(job.recipients))
        return Sent("2.0.0", f"captured in {OUTBOUND} of {account}")

    def _account(self, job: Job) -> str | None:
        """Whose folder: who handed the mail in, else the sender, else postmaster."""
        for address in (job.envelope.submitter, job.envelope.sender, "postmaster"):
            if address:
                for account in expand(address, self._route).mailboxes:
                    return account
        return None

    async def _append(self, mail: AccountStore, job: Job) -> None:
        recipients = ",\r\n ".join(f"<{one.address}>" for one in job.recipients)
        prefix = return_path(job.envelope.sender) + f"X-Envelope-To: {recipients}\r\n".encode()
        message = new_message(
            job, prefix, delivery_id=f"{job.id}.out{min(job.indexes)}", link=False
        )
        try:
            await mail.append(OUTBOUND, [message])
        except NoSuchMailbox:
            try:
                await mail.create(OUTBOUND)
                await mail.subscribe(OUTBOUND)
            except MailboxExists:
                log.debug("made by another attempt", mailbox=OUTBOUND)
            await mail.append(OUTBOUND, [message])
