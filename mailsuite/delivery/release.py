"""Sends captured mail after all: what its owner moves into the folder `Outbound/Release`.

Promises: only mail that was captured here is sent, as its envelope then was, and only under an
address of the account; it leaves the folder when the queue has it for good. What can't be sent
stays there, flagged. A crash in between may send it twice, never not at all.
"""

import re
from collections.abc import Callable, Collection
from typing import Protocol

from mailsuite.base.log import get_logger
from mailsuite.base.tasks import Tasks
from mailsuite.delivery.capture import FOLDER
from mailsuite.mail import Envelope, Recipient
from mailsuite.message import PathError, fields, parse_path, split_header
from mailsuite.store import AccountStore, Mailbox, MessageGone, NoSuchMailbox, StoreError

log = get_logger("delivery")

RELEASE = f"{FOLDER}/Release"
HEADER = 1 << 18  # octets in which the envelope must be found
PIECE = 1 << 16
_PATHS = re.compile(r"<([^<>]*)>")
_FLAGGED = r"\Flagged"


class Accounts(Protocol):
    """What is asked of the store."""

    async def account(self, address: str) -> AccountStore: ...


class Incoming(Protocol):
    """What is asked of a message on its way into the queue; see `queue.Incoming`."""

    @property
    def id(self) -> str: ...
    async def write(self, octets: bytes) -> None: ...
    async def commit(self, envelope: Envelope) -> None: ...
    async def discard(self) -> None: ...


class NotCaptured(Exception):
    """A message that can't be sent; the text says why."""


class Releaser:
    """`notice` is told what comes into mailboxes; the rest happens in the background."""

    def __init__(
        self,
        store: Accounts,
        receive: Callable[[], Incoming],
        may_send_as: Callable[[str, str], bool],
    ) -> None:
        """
        receive      begins a message in the queue
        may_send_as  (account, sender) -> whether the account may send under that address
        """
        self._store = store
        self._receive = receive
        self._may_send_as = may_send_as
        self._tasks = Tasks("release")
        self._waiting: set[str] = set()

    def notice(self, account: str, mailbox: str) -> None:
        """Something has come into a mailbox. Quick."""
        if mailbox == RELEASE and account not in self._waiting:
            self._waiting.add(account)
            self._tasks.start(self._release(account), account)

    async def stop(self) -> None:
        """End; what is not in the queue yet is sent after the next start."""
        await self._tasks.cancel()

    def resume(self, accounts: Collection[str]) -> None:
        """Look into the folders of these accounts: at the start."""
        for account in accounts:
            self.notice(account, RELEASE)

    async def _release(self, account: str) -> None:
        self._waiting.discard(account)
        try:
            store = await self._store.account(account)
            mailbox = await store.open(RELEASE)
        except NoSuchMailbox:
            return
        except StoreError as error:
            log.error("folder not opened", account=account, folder=RELEASE, exc_info=error)
            return
        try:
            for uid in list(mailbox.uids):
                if _FLAGGED not in mailbox.flags(uid):
                    await self._one(account, mailbox, uid)
        except MessageGone:
            self.notice(account, RELEASE)  # somebody else works in the folder: look again
        except StoreError as error:
            log.error("folder not read", account=account, folder=RELEASE, exc_info=error)
        finally:
            mailbox.release()

    async def _one(self, account: str, mailbox: Mailbox, uid: int) -> None:
        try:
            await self._send(account, mailbox, uid)
        except NotCaptured as error:
            log.warning("not released", account=account, uid=uid, why=str(error))
            await mailbox.store_flags([uid], "+", [_FLAGGED])
        else:
            await mailbox.expunge([uid], only_deleted=False)

    async def _send(self, account: str, mailbox: Mailbox, uid: int) -> None:
        message = await mailbox.open_message(uid)
        try:
            head = await message.read(0, HEADER)
            offset, sender, recipients = captured_envelope(head)
            if not self._may_send_as(account, sender):
                raise NotCaptured(f"<{sender}> is no address of this account")
            incoming = self._receive()
            try:
                eight_bit = False
                for start in range(offset, message.size, PIECE):
                    piece = await message.read(start, PIECE)
                    eight_bit = eight_bit or not piece.isascii()
                    await incoming.write(piece)
                block = head[offset : offset + split_header(head[offset:])[0]]
                envelope = Envelope(
                    sender,
                    tuple(map(Recipient, recipients)),
                    body="8BITMIME" if eight_bit else "7BIT",
                    smtputf8=not (block.isascii() and all(map(str.isascii, recipients))),
                    submitter=account,
                    released=True,
                )
                await incoming.commit(envelope)
            except BaseException:
                await incoming.discard()
                raise
        finally:
            message.close()
        log.info("released", id=incoming.id, account=account, recipients=len(recipients))


def captured_envelope(head: bytes) -> tuple[int, str, list[str]]:
    """Where the message itself begins, its sender and recipients, as the capture wrote them.

    Raises NotCaptured.
    """
    found = fields(head[: split_header(head)[0]])
    names = [field.key for field in found[:2]]
    if names != ["return-path", "x-envelope-to"]:
        raise NotCaptured("it was not captured here: it does not begin with its envelope")
    senders = _PATHS.findall(found[0].unfolded.decode("utf-8", "replace"))
    recipients = _PATHS.findall(found[1].unfolded.decode("utf-8", "replace"))
    try:
        for address in recipients:
            parse_path(f"<{address}>")
    except PathError as error:
        raise NotCaptured(f"X-Envelope-To: {error}") from error
    if len(senders) != 1 or not recipients:
        raise NotCaptured("its envelope is not whole")
    return len(found[0].raw) + len(found[1].raw), senders[0], recipients
