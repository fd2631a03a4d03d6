"""One open mailbox: the in-memory view that all its sessions share."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence

from mailsuite.store.attachment import Attachment
from mailsuite.store.message import MessageFile
from mailsuite.store.values import Change, FlagsStored, Row


class FlagTable:
    """Interned flag sets: the small ids in `Mailbox.flagsets` -> frozenset of flags.

    Ids count up from 0 and keep their meaning for the life of the view, so a door may keep
    rendered octets by id. Never holds \\Recent.
    """

    def __getitem__(self, number: int) -> frozenset[str]:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError


class Mailbox:
    r"""Made by `AccountStore.open`; give it back with `release`. Attributes change on the loop.

    name           present name (changes when it is renamed)
    uidvalidity    RFC 9051 §2.3.1.1
    uidnext        greater than every UID given so far
    highestmodseq  RFC 7162; at least 1
    mailboxid      RFC 8474; stable for the mailbox's whole life
    keywords       keyword names in use or once used, first spelling
    uids           array('I'), ascending; replaced by a new object when messages are expunged
    flagsets       array('I') parallel to uids: ids into `flag_table`
    modseqs        array('Q') parallel to uids
    gone           True once the mailbox has been deleted
    """

    name: str
    uidvalidity: int
    uidnext: int
    highestmodseq: int
    mailboxid: str
    keywords: list[str]
    uids: array[int]
    flagsets: array[int]
    modseqs: array[int]
    flag_table: FlagTable
    gone: bool

    def index(self, uid: int) -> int | None:
        """Position of a UID in the columns (from 0), or None."""
        raise NotImplementedError

    def flags(self, uid: int) -> frozenset[str]:
        r"""Flags without \Recent; also of an expunged message that some session still holds.

        Raises MessageGone.
        """
        raise NotImplementedError

    def modseq(self, uid: int) -> int:
        """MODSEQ of a message, present or held. Raises MessageGone."""
        raise NotImplementedError

    def attach(self, listener: Callable[[Change], None], *, claim_recent: bool) -> Attachment:
        r"""Begin a session on this mailbox.

        `listener` is called on the loop for every change from now on, its own included; it must be
        quick and must not raise. `claim_recent` (SELECT): messages nobody has seen become \Recent
        in this session only; without it (EXAMINE) they show as \Recent but stay unclaimed.
        """
        raise NotImplementedError

    async def refresh(self) -> None:
        """Notice and merge what other programs changed in the Maildir; cheap when nothing has."""
        raise NotImplementedError

    async def store_flags(
        self,
        uids: Iterable[int],
        operation: str,
        flags: Iterable[str],
        *,
        unchanged_since: int | None = None,
        origin: Attachment | None = None,
    ) -> FlagsStored:
        r"""Add ("+"), remove ("-") or replace ("") flags of messages.

        UIDs that do not exist are passed over; \Recent is ignored. Raises LimitReached (too many
        keywords), CannotChange (an unknown flag beginning with a backslash), NoSuchMailbox,
        StoreUnavailable.
        """
        raise NotImplementedError

    async def expunge(
        self, uids: Iterable[int] | None, *, only_deleted: bool, origin: Attachment | None = None
    ) -> list[int]:
        r"""Remove messages for ever; None: of the whole mailbox. Returns those removed, ascending.

        With `only_deleted` only such as have \Deleted (at this instant, not when it was asked).
        The origin counts as told, as far as keeping the files goes.
        """
        raise NotImplementedError

    async def rows(self, uids: Sequence[int], *, columns: Sequence[str]) -> list[Row]:
        """For each message: (uid, value of columns[0], value of columns[1], …), ascending by UID.

        Columns: "size" (int octets), "internal_date" (float seconds), "header" (bytes: the header
        block with its empty line), and the facets by name (bytes). Messages that are gone and not
        held are left out. Missing facets are computed on the way. Ask a few thousand at a time.
        """
        raise NotImplementedError

    async def read(
        self, uids: Sequence[int], *, max_octets: int = 1 << 20
    ) -> list[tuple[int, bytes | None]]:
        """Whole small messages in one go: from the front of `uids` as many as fit `max_octets`.

        (uid, None) stands for one that is gone, or for one too large (only ever at the first
        place: then use `open_message`). At least one entry for a non-empty `uids`.
        """
        raise NotImplementedError

    async def open_message(self, uid: int) -> MessageFile:
        """Open a message, present or held. Raises MessageGone, StoreUnavailable."""
        raise NotImplementedError

    async def vanished(self, since: int) -> list[int]:
        """UIDs expunged with a MODSEQ greater than `since` (RFC 7162 §3.2.5.2), ascending.

        May name UIDs that never were, or were expunged earlier, when the history does not reach
        back so far.
        """
        raise NotImplementedError

    def release(self) -> None:
        """Give the mailbox back to the account; once for each `AccountStore.open`."""
        raise NotImplementedError
