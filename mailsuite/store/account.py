"""One account's mail: its mailboxes, and everything that concerns more than one of them."""

from __future__ import annotations

from collections.abc import Sequence

from mailsuite.store.mailbox import Mailbox
from mailsuite.store.temp import TempMessage
from mailsuite.store.values import Appended, Copied, MailboxInfo, NewMessage, Status


class AccountStore:
    """Made by `Store.account`; lives as long as the store."""

    address: str

    async def mailboxes(self) -> list[MailboxInfo]:
        """All names, sorted (INBOX first, then by code point, level by level).

        Also levels that have only children, and subscriptions without a mailbox (exists False).
        """
        raise NotImplementedError

    async def create(self, name: str, *, special_use: str | None = None) -> None:
        """Make a mailbox, and the levels above it. Raises MailboxExists, InvalidName."""
        raise NotImplementedError

    async def delete(self, name: str) -> None:
        """Remove a mailbox and its messages; mailboxes below it stay (RFC 9051 §6.3.5).

        Raises NoSuchMailbox; CannotChange for INBOX and for a mere level above others.
        """
        raise NotImplementedError

    async def rename(self, old: str, new: str) -> None:
        """Rename a mailbox and all below it. INBOX: its messages move, it stays (§6.3.6).

        Raises NoSuchMailbox, MailboxExists, InvalidName, CannotChange.
        """
        raise NotImplementedError

    async def subscribe(self, name: str) -> None:
        """Put a name into the short list, whether the mailbox exists or not. InvalidName."""
        raise NotImplementedError

    async def unsubscribe(self, name: str) -> None:
        """Take a name out of the short list; no error if it is not in."""
        raise NotImplementedError

    async def open(self, name: str) -> Mailbox:
        """The mailbox's shared view, refreshed; to be given back by `Mailbox.release`.

        Raises NoSuchMailbox, InvalidName, StoreUnavailable.
        """
        raise NotImplementedError

    async def status(self, name: str) -> Status:
        """Counts of a mailbox without opening it. Raises NoSuchMailbox, InvalidName."""
        raise NotImplementedError

    async def new_temp(self) -> TempMessage:
        """Room for a message that is still coming in."""
        raise NotImplementedError

    async def append(self, name: str, messages: Sequence[NewMessage]) -> Appended:
        """Append messages, all or none; durable when it returns; never cut short half-way.

        Raises NoSuchMailbox, LimitReached, CannotChange, StoreUnavailable.
        """
        raise NotImplementedError

    async def copy(self, source: Mailbox, uids: Sequence[int], target: str) -> Copied:
        """Copy messages, all or none, with flags, keywords and internal date."""
        raise NotImplementedError

    async def move(
        self, source: Mailbox, uids: Sequence[int], target: str, *, origin: object = None
    ) -> Copied:
        """Move messages, all or none (RFC 6851). `origin`: the session's Attachment on source."""
        raise NotImplementedError
