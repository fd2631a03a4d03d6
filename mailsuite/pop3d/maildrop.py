"""INBOX as POP3 sees it: numbered messages, fixed while the session lasts.

Promises: numbers, sizes and unique-ids never change during a session, whatever other sessions do
to the mailbox; nothing is deleted but by `update`, which runs to its end once begun.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from weakref import WeakKeyDictionary

from mailsuite.base.log import get_logger
from mailsuite.base.tasks import committed
from mailsuite.message import Octets
from mailsuite.message.surrogate import Edit, surrogate
from mailsuite.pop3d.ahead import ReadAhead
from mailsuite.pop3d.policy import DAY
from mailsuite.pop3d.syntax import number
from mailsuite.store import AccountStore, Mailbox, MessageFile, MessageGone, StoreError, UniqueIds

log = get_logger("pop3d")
RETRIEVED = "$Retrieved"
"""Keyword of messages that were fetched with RETR and left, where mail expires after that."""
ROWS_AT_ONCE = 16_384
LINES_AT_ONCE = 2000
REMOVE_AT_ONCE = 2000
"""So that of a maildrop that is emptied at last, other sessions and deliveries have their turn."""


class NotThere(Exception):
    """There is no such message in the maildrop; the text is fit for the client."""


@dataclass(frozen=True, slots=True)
class Message:
    """size: octets with CRLF line ends, also of the last line, before byte-stuffing (§11)."""

    number: int
    uid: int
    size: int


class Sizes:
    """What is known of the sizes of messages, as long as the store keeps the mailbox in memory.

    A UID's octets never change, so nothing here grows old; expunged messages are left behind.
    """

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Mailbox, tuple[array[int], array[int], int]]
        self._known = WeakKeyDictionary()

    async def of(self, mailbox: Mailbox) -> tuple[array[int], array[int], int]:
        """UIDs and sizes of its messages now, and the sum; not to be changed. Raises StoreError."""
        present = array("I", mailbox.uids)
        uids, sizes, total = self._known.get(mailbox, (array("I"), array("Q"), 0))
        if present[: len(uids)] != uids:
            uids, sizes, total = array("I"), array("Q"), 0
        if len(present) > len(uids):
            new, their_sizes = await mailbox.sizes(present[len(uids) :])
            if new:
                for uid in await mailbox.open_ended(new[0], new[-1]):
                    # As it is sent (RFC 1939 §11): the last line of a response has its CRLF.
                    place = bisect_left(new, uid)
                    if new[place : place + 1] == array("I", [uid]):
                        their_sizes[place] += 2
            uids, sizes, total = uids + new, sizes + their_sizes, total + sum(their_sizes)
        self._known[mailbox] = uids, sizes, total
        return uids, sizes, total


class Maildrop:
    """A snapshot of INBOX. `close` it when the session ends."""

    __slots__ = (
        "_headers",
        "_mailbox",
        "_marked",
        "_marked_size",
        "_retrieved",
        "_sizes",
        "_total",
        "_uids",
        "_unique_ids",
        "_wholes",
    )

    def __init__(self, mailbox: Mailbox, uids: array[int], sizes: array[int], total: int) -> None:
        self._mailbox = mailbox
        self._uids = uids
        self._sizes = sizes
        self._total = total
        self._marked: set[int] = set()
        self._marked_size = 0
        self._retrieved: set[int] = set()
        self._unique_ids: UniqueIds | None = None
        self._wholes = ReadAhead(mailbox.read, uids, sizes)
        self._headers = ReadAhead(self._read_headers, uids, sizes)

    @classmethod
    async def open(cls, account: AccountStore, sizes: Sizes) -> Maildrop:
        """Take the snapshot. Raises StoreError."""
        mailbox = await account.open("INBOX")
        try:
            return cls(mailbox, *await sizes.of(mailbox))
        except BaseException:
            mailbox.release()
            raise

    def close(self) -> None:
        self._wholes.close()
        self._headers.close()
        self._mailbox.release()

    # -- looking --------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """Messages not marked as deleted."""
        return len(self._uids) - len(self._marked)

    @property
    def size(self) -> int:
        """Their octets in all."""
        return self._total - self._marked_size

    def sizes(self) -> Iterator[bytes]:
        """Lines of number and size of those not marked as deleted, many at a time."""
        return self._rows(_sized, self._sizes)

    async def unique_ids(self) -> Iterator[bytes]:
        """The same of numbers and unique-ids. Raises StoreError."""
        return self._rows((await self._names()).lines, self._uids)

    async def unique_id(self, message: Message) -> str:
        """Never used for another message, the same in every session (RFC 1939 §7 UIDL)."""
        return (await self._names()).of(message.uid)

    async def _names(self) -> UniqueIds:
        if self._unique_ids is None:
            self._unique_ids = await self._mailbox.unique_ids()
        return self._unique_ids

    def _rows(
        self, write: Callable[[Sequence[int], Sequence[int]], bytes], values: array[int]
    ) -> Iterator[bytes]:
        for start in range(0, len(values), LINES_AT_ONCE):
            some: Sequence[int] = values[start : start + LINES_AT_ONCE]
            numbers: Sequence[int] = range(start + 1, start + 1 + len(some))
            if self._marked:
                kept = [n not in self._marked for n in numbers]
                some, numbers = list(compress(some, kept)), list(compress(numbers, kept))
            yield write(numbers, some)

    def find(self, word: bytes) -> Message:
        """The message of that number. Raises NotThere."""
        n = number(word)
        if n is None or not 1 <= n <= len(self._uids):
            raise NotThere(f"no such message, there are {len(self._uids)} in the maildrop")
        if n in self._marked:
            raise NotThere(f"message {n} is marked as deleted")
        return Message(n, self._uids[n - 1], self._sizes[n - 1])

    # -- reading --------------------------------------------------------------------------------

    async def whole(self, message: Message) -> bytes | None:
        """A small message's octets; None of a large one, for which there is `read`.

        Raises NotThere when it was expunged, StoreError.
        """
        return await self._ahead(self._wholes, message)

    async def header(self, message: Message) -> bytes | None:
        """The header of a small message with the blank line after it; None of a large one.

        Raises NotThere when it was expunged, StoreError.
        """
        return await self._ahead(self._headers, message)

    def place(self, word: bytes) -> int:
        """The place, from 0, of the message of that number; -1: there is none, or it is marked."""
        n = number(word) or 0
        return n - 1 if n <= len(self._uids) and n not in self._marked else -1

    def at_hand(self, place: int, *, header: bool) -> bytes | None:
        """A message's octets, or its header's, if they have been read ahead and it is still there.

        When they are given to the client, `gave` is told.
        """
        if self._mailbox.index(self._uids[place]) is None:
            return None
        return (self._headers if header else self._wholes).peek(place)

    def gave(self, place: int, *, header: bool) -> None:
        """What was at hand has been given."""
        (self._headers if header else self._wholes).passed(place)
        if not header:
            self._retrieved.add(place + 1)

    async def _ahead(self, ahead: ReadAhead, message: Message) -> bytes | None:
        self._require(message)
        octets = await ahead.get(message.number - 1)
        self._require(message)
        return octets

    async def _read_headers(self, uids: Sequence[int]) -> list[tuple[int, bytes | None]]:
        return list(zip(*await self._mailbox.table(uids, columns=("header",)), strict=True))

    async def surrogate(self, message: Message) -> tuple[Edit, ...] | None:
        """What `mailsuite.message.surrogate` says of a large message.

        Raises NotThere when it was expunged, StoreError.
        """
        self._require(message)
        [(_, told)] = await self._mailbox.examine([message.uid], _surrogate)
        if told is None:
            raise _gone(message)
        return told[0]

    async def read(self, message: Message) -> MessageFile:
        """The message's octets; the caller closes it. Raises NotThere when it was expunged."""
        self._require(message)
        try:
            return await self._mailbox.open_message(message.uid)
        except MessageGone:
            raise _gone(message) from None

    def _require(self, message: Message) -> None:
        if self._mailbox.index(message.uid) is None:
            # Even while the store still keeps the file for a session that shows it.
            raise _gone(message)

    # -- deleting -------------------------------------------------------------------------------

    def mark(self, message: Message) -> None:
        self._marked.add(message.number)
        self._marked_size += message.size

    def unmark_all(self) -> None:
        self._marked.clear()
        self._marked_size = 0

    def retrieved(self, message: Message) -> None:
        """It is being sent with RETR."""
        self._retrieved.add(message.number)

    async def update(self, expire: int | None, now: float) -> int:
        """The UPDATE state (RFC 1939 §6, RFC 2449 §6.7), `now` in seconds since the epoch.

        Removes what is marked, and what was fetched and has been here for `expire` days (None: it
        stays). Returns how many messages these were. Raises StoreError.
        """
        return await committed(self._update(expire, now))

    async def _update(self, expire: int | None, now: float) -> int:
        leaving = {self._uids[n - 1] for n in self._marked}
        fetched = {self._uids[n - 1] for n in self._retrieved} - leaving
        if expire == 0:
            leaving |= fetched
        elif expire is not None:
            leaving |= await self._expired(fetched, now - expire * DAY)
        gone = sorted(leaving)
        for start in range(0, len(gone), REMOVE_AT_ONCE):
            some = gone[start : start + REMOVE_AT_ONCE]
            await self._mailbox.expunge(some, only_deleted=False, origin=None)
        if expire and (staying := fetched - leaving):
            try:
                await self._mailbox.store_flags(staying, "+", [RETRIEVED])
            except StoreError as error:  # they stay longer then: no reason to refuse QUIT
                log.warning("fetched messages not noted", why=str(error))
        return len(leaving)

    async def _expired(self, fetched: set[int], before: float) -> set[int]:
        """Of what was fetched, now or earlier, what has been here since before that time."""
        table = self._mailbox.flag_table
        noted = {number for number in range(len(table)) if RETRIEVED in table[number]}
        columns = zip(self._mailbox.uids, self._mailbox.flagsets, strict=True)
        candidates = sorted(fetched.union(uid for uid, flags in columns if flags in noted))
        expired: set[int] = set()
        for start in range(0, len(candidates), ROWS_AT_ONCE):
            some = candidates[start : start + ROWS_AT_ONCE]
            uids, times = await self._mailbox.table(some, columns=("saved",))
            expired.update(
                uid
                for uid, saved in zip(uids, times, strict=True)
                if saved is not None and saved <= before
            )
        return expired


def _sized(numbers: Sequence[int], sizes: Sequence[int]) -> bytes:
    # One formatting for all: a hundred thousand lines take some hundredths of a second.
    cells = [0] * (2 * len(sizes))
    cells[::2], cells[1::2] = numbers, sizes
    return b"%d %d\r\n" * len(sizes) % tuple(cells)


def _surrogate(octets: Octets) -> tuple[tuple[Edit, ...] | None]:
    """In a tuple of its own: for `examine`, None is a message that is gone."""
    return (surrogate(octets),)


def _gone(message: Message) -> NotThere:
    return NotThere(f"message {message.number} has been removed meanwhile")
