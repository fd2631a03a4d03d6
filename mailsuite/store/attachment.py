"""A session's hold on a mailbox: what it has been told of, and what is \\Recent for it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from mailsuite.store.values import Change

if TYPE_CHECKING:
    from mailsuite.store.mailbox import Mailbox


class Attachment:
    r"""Made by `Mailbox.attach`. Loop thread only.

    uids    array('I'), ascending; only the first `count` belong to this session, so sequence
            number n is `uids[n - 1]`. The array is shared with the mailbox and never changed in
            place except by appending; never change it.
    count   how many messages the client knows of
    recent  UIDs that are \Recent in this session (also such as `grow` has not taken in yet)
    """

    __slots__ = ("_claims", "_listener", "_mailbox", "count", "recent", "uids")

    def __init__(
        self, mailbox: Mailbox, listener: Callable[[Change], None], *, claim_recent: bool
    ) -> None:
        self._mailbox = mailbox
        self._listener = listener
        self._claims = claim_recent
        self.uids: array[int] = mailbox.uids
        self.count = len(self.uids)
        self.recent: set[int] = set()

    def sequence(self, uid: int) -> int | None:
        """The sequence number (from 1) of a UID in this session, or None."""
        raise NotImplementedError

    @property
    def expunged(self) -> list[int]:
        """UIDs in the snapshot that are gone from the mailbox but not yet `told`; ascending."""
        raise NotImplementedError

    @property
    def arrived(self) -> int:
        """How many messages of the mailbox the snapshot does not have yet."""
        raise NotImplementedError

    def told(self, uids: Iterable[int]) -> None:
        """The client knows that these are expunged: they leave the snapshot, files may go."""
        raise NotImplementedError

    def grow(self) -> int:
        """Take the messages that have arrived into the snapshot; the new `count` (EXISTS)."""
        raise NotImplementedError

    def detach(self) -> None:
        """End the session's hold; idempotent. The mailbox itself is released by its own call."""
        raise NotImplementedError
