"""`mailsuite export ADDR DIR`: an account's folders, one after the other, to files.

What is common to both forms: which folders, how messages are read, progress.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing

from mailsuite.store import AccountStore, Mailbox, MailboxInfo, MessageFile, MessageGone
from mailsuite.transfer.choice import Choice
from mailsuite.transfer.progress import Progress

AT_ONCE = 500
IN_MEMORY = 1 << 22
PIECE = 1 << 18


async def chosen(account: AccountStore, choice: Choice) -> list[MailboxInfo]:
    """The mailboxes to be exported. Raises UserError where none is left."""
    there = [info for info in await account.mailboxes() if info.exists]
    found = [info for info in there if choice.takes(info.name)]
    choice.require(found, [info.name for info in there])
    return found


async def count(account: AccountStore, names: Sequence[str], progress: Progress) -> None:
    """Tell the progress how many messages there are."""
    statuses = await account.statuses(names)
    progress.total = sum(status.messages for status in statuses.values())


@asynccontextmanager
async def opened(account: AccountStore, name: str) -> AsyncIterator[Mailbox]:
    """A mailbox, given back at the end."""
    mailbox = await account.open(name)
    try:
        yield mailbox
    finally:
        mailbox.release()


async def small(
    mailbox: Mailbox, uids: Sequence[int]
) -> AsyncIterator[list[tuple[int, bytes | None]]]:
    """Whole messages in order, some at a time; None: one too large to be held, or gone."""
    at = 0
    while at < len(uids):
        read = await mailbox.read(uids[at : at + AT_ONCE], max_octets=IN_MEMORY)
        at += len(read)
        yield read


async def large(mailbox: Mailbox, uid: int) -> AsyncIterator[bytes]:
    """One message in pieces. Raises MessageGone."""
    file: MessageFile = await mailbox.open_message(uid)
    with closing(file):
        for offset in range(0, file.size, PIECE):
            yield await file.read(offset, PIECE)


__all__ = ["AT_ONCE", "MessageGone", "chosen", "count", "large", "opened", "small"]
