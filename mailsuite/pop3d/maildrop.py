"""INBOX as POP3 sees it: numbered messages, fixed while the session lasts.

Promises: numbers, sizes and unique-ids never change during a session, whatever other sessions do
to the mailbox; nothing is deleted but by `remove_marked`, which runs to its end once begun.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from mailsuite.base.tasks import committed
from mailsuite.pop3d.syntax import number
from mailsuite.store import AccountStore, Mailbox, MessageFile, MessageGone

ROWS_AT_ONCE = 4096


class NotThere(Exception):
    """There is no such message in the maildrop; the text is fit for the client."""


@dataclass(frozen=True, slots=True)
class Message:
    """size: octets with CRLF line ends, before byte-stuffing (RFC 1939 §11)."""

    number: int
    uid: int
    size: int


class Maildrop:
    """A snapshot of INBOX. `close` it when the session ends."""

    __slots__ = ("_mailbox", "_marked", "_sizes", "_total", "_uids")

    def __init__(self, mailbox: Mailbox, uids: array[int], sizes: array[int]) -> None:
        self._mailbox = mailbox
        self._uids = uids
        self._sizes = sizes
        self._total = sum(sizes)
        self._marked: set[int] = set()

    @classmethod
    async def open(cls, account: AccountStore) -> Maildrop:
        """Take the snapshot. Raises StoreError."""
        mailbox = await account.open("INBOX")
        try:
            await mailbox.refresh()
            uids = array("I")
            sizes = array("Q")
            present = array("I", mailbox.uids)
            for start in range(0, len(present), ROWS_AT_ONCE):
                part = present[start : start + ROWS_AT_ONCE]
                for uid, size in await mailbox.rows(part, columns=("size",)):
                    uids.append(uid)
                    sizes.append(size)
        except BaseException:
            mailbox.release()
            raise
        return cls(mailbox, uids, sizes)

    def close(self) -> None:
        self._mailbox.release()

    # -- looking --------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """Messages not marked as deleted."""
        return len(self._uids) - len(self._marked)

    @property
    def size(self) -> int:
        """Their octets in all."""
        return self._total - sum(self._sizes[n - 1] for n in self._marked)

    def messages(self) -> Iterator[Message]:
        """Those not marked as deleted, in their order."""
        for n in range(1, len(self._uids) + 1):
            if n not in self._marked:
                yield self._message(n)

    def find(self, word: bytes) -> Message:
        """The message of that number. Raises NotThere."""
        n = number(word)
        if n is None or not 1 <= n <= len(self._uids):
            raise NotThere(f"no such message, there are {len(self._uids)} in the maildrop")
        if n in self._marked:
            raise NotThere(f"message {n} is marked as deleted")
        return self._message(n)

    def _message(self, n: int) -> Message:
        return Message(n, self._uids[n - 1], self._sizes[n - 1])

    def unique_id(self, message: Message) -> str:
        """Never used for another message, the same in every session (RFC 1939 §7 UIDL)."""
        return f"{self._mailbox.uidvalidity}.{message.uid}"

    async def read(self, message: Message) -> MessageFile:
        """The message's octets; the caller closes it. Raises NotThere when it was expunged."""
        gone = NotThere(f"message {message.number} has been removed meanwhile")
        if self._mailbox.index(message.uid) is None:
            raise gone  # even while the store still keeps the file for a session that shows it
        try:
            return await self._mailbox.open_message(message.uid)
        except MessageGone:
            raise gone from None

    # -- deleting -------------------------------------------------------------------------------

    def mark(self, message: Message) -> None:
        self._marked.add(message.number)

    def unmark_all(self) -> None:
        self._marked.clear()

    async def remove_marked(self) -> int:
        """The UPDATE state (RFC 1939 §6); returns how many were marked. Raises StoreError."""
        count = len(self._marked)
        if count:
            uids = [self._uids[n - 1] for n in sorted(self._marked)]
            await committed(self._mailbox.expunge(uids, only_deleted=False, origin=None))
        return count
