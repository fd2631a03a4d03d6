"""A session's hold on a mailbox: what it has been told of, and what is \\Recent for it."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from mailsuite.store.values import Change

if TYPE_CHECKING:
    from mailsuite.store.view import View


class Attachment:
    r"""Made by `Mailbox.attach`. Loop thread only.

    uids    array('I'), ascending; only the first `count` belong to this session, so sequence
            number n is `uids[n - 1]`. The array is shared with the mailbox and never changed in
            place except by appending; never change it.
    count   how many messages the client knows of
    recent  UIDs that are \Recent in this session (also such as `grow` has not taken in yet)
    claims  new mail becomes \Recent in this session (SELECT, not EXAMINE)
    actor   whose session it is, where anybody can tell (see `feed`)
    """

    __slots__ = (
        "_expunged",
        "_seen",
        "_view",
        "actor",
        "claims",
        "count",
        "listener",
        "recent",
        "uids",
    )

    def __init__(
        self,
        view: View,
        listener: Callable[[Change], None],
        *,
        claims: bool,
        actor: object | None = None,
    ) -> None:
        self._view: View | None = view
        self.actor = actor
        self.listener = listener
        self.claims = claims
        self.uids: array[int] = view.uids
        self.count = len(self.uids)
        self.recent: set[int] = set()
        self._seen = self.uids[-1] if self.uids else 0  # greatest UID ever taken in
        self._expunged: set[int] = set()

    def sequence(self, uid: int) -> int | None:
        """The sequence number (from 1) of a UID in this session, or None."""
        place = bisect_left(self.uids, uid, 0, self.count)
        return place + 1 if place < self.count and self.uids[place] == uid else None

    @property
    def expunged(self) -> list[int]:
        """UIDs in the snapshot that are gone from the mailbox but not yet `told`; ascending."""
        return sorted(self._expunged)

    @property
    def arrived(self) -> int:
        """How many messages of the mailbox the snapshot does not have yet."""
        if self._view is None:
            return 0
        return len(self._view.uids) - bisect_right(self._view.uids, self._seen)

    def told(self, uids: Iterable[int]) -> None:
        """The client knows that these are expunged: they leave the snapshot, files may go."""
        gone = self._expunged.intersection(uids)
        if not gone or self._view is None:
            return
        self._expunged -= gone
        self.recent -= gone
        if self._expunged:
            mine = self.uids[: self.count]
            self.uids = array("I", [uid for uid in mine if uid not in gone])
            self.count = len(self.uids)
        else:
            self._share()
        self._view.let_go(self, gone)

    def grow(self) -> int:
        """Take the messages that have arrived into the snapshot; the new `count` (EXISTS)."""
        if self._view is None:
            return self.count
        uids = self._view.uids
        if self._expunged:
            self.uids = self.uids[: self.count] + uids[bisect_right(uids, self._seen) :]
        else:
            self.uids = uids
        self.count = len(self.uids)
        self._seen = max(self._seen, uids[-1] if uids else 0)
        return self.count

    def detach(self) -> None:
        """End the session's hold; idempotent. The mailbox itself is released by its own call."""
        view, self._view = self._view, None
        if view is not None:
            view.detach(self)

    # -- what the view calls -----------------------------------------------------------------------

    def expunge(self, uids: list[int]) -> list[int]:
        """These are gone from the mailbox; which of them does this session still hold?"""
        if self._view is not None and self.uids is self._view.uids:
            # It has what the mailbox has, up to where it has been told.
            last = self.uids[self.count - 1] if self.count else 0
            held = uids[: bisect_right(uids, last)]
        else:
            held = [uid for uid in uids if self.sequence(uid) is not None]
        self._expunged.update(held)
        self.recent.difference_update(set(uids).difference(held))
        return held

    def follow(self) -> None:
        """The view has a new array: share it, unless messages are still to be told."""
        if not self._expunged:
            self._share()

    def _share(self) -> None:
        if self._view is not None:
            self.uids = self._view.uids
            self.count = bisect_right(self.uids, self._seen)
