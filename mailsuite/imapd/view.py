"""A session's own view of the selected mailbox: sequence numbers live only here.

Promises: the numbers that the client knows change only in `sync`, and messages leave only when it
`may_expunge` (RFC 3501 §7.4.1); until then they can still be fetched. Changes that this session
made itself are not told to it twice. Costs a few hundred octets: the columns are the store's.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from mailsuite.base import ranges
from mailsuite.imapd import positions
from mailsuite.imapd.enabled import Enabled
from mailsuite.imapd.flags import SYSTEM_FLAGS
from mailsuite.imapd.reply import Bad
from mailsuite.imapd.rights import WRITING, may_set
from mailsuite.imapd.syntax import response
from mailsuite.imapd.syntax.model import STAR, SequenceSet
from mailsuite.store import ALL_RIGHTS, Change, Mailbox, MessageGone

if TYPE_CHECKING:
    from mailsuite.imapd.contexts import Context

EVENTS = {"MESSAGENEW", "MESSAGEEXPUNGE", "FLAGCHANGE"}
FLAGS_AT_ONCE = 2000
"""Messages whose changed flags are told before other sessions get their turn."""
VANISHED_AT_ONCE = 500
"""Ranges in one VANISHED response."""


class View:
    """One selected mailbox of one session. Positions count from 0, sequence numbers from 1."""

    __slots__ = (
        "_changed",
        "_examined",
        "_expunge_untold",
        "_flag_octets",
        "_keywords",
        "_own_gone",
        "_recent",
        "_settable",
        "_synced",
        "_telling",
        "_untold",
        "_who",
        "attachment",
        "contexts",
        "deleted",
        "enabled",
        "mailbox",
        "own_new",
        "saved",
        "wake",
        "wanted",
    )

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        read_only: bool,
        who: tuple[str, float] | None = None,
        enabled: Enabled | None = None,
    ) -> None:
        """Takes over the mailbox: `close` gives it back.

        `who`: the account that uses it and since when there is one, when it is not the owner's.
        `enabled`: what the session has switched on (RFC 5161), looked at when something is told.
        """
        self.mailbox = mailbox
        self.enabled = Enabled() if enabled is None else enabled
        self._examined = read_only
        self._who = who
        self._settable = self._permanent
        self.deleted = False
        self.wake: Callable[[], object] | None = None
        """Called when there may be something to `sync` (IDLE)."""
        self.wanted: frozenset[str] | None = None
        """Events that the client wants to be told of by NOTIFY, None: all (RFC 5465 §6.1)."""
        self.saved: array[int] = array("I")
        """UIDs of the saved search result, `$` (RFC 5182)."""
        self.own_new: set[int] = set()
        """UIDs of messages that the client itself has just put here."""
        self.contexts: dict[str, Context] = {}
        """By tag: searches whose results are kept up to date (RFC 5267)."""
        self.attachment = mailbox.attach(self._on_change, claim_recent=not self.read_only)
        self._synced = False
        self._changed: set[int] = set()
        self._telling: list[int] = []
        self._own_gone: set[int] = set()
        self._untold = 0
        self._expunge_untold = 0
        self._flag_octets: list[bytes] = []
        self._keywords = len(mailbox.keywords)
        self._recent = len(self.attachment.recent)

    @property
    def rights(self) -> frozenset[str]:
        """What the session may do with the mailbox, at this moment."""
        return ALL_RIGHTS if self._who is None else self.mailbox.acl.rights_of(*self._who)

    @property
    def read_only(self) -> bool:
        """Opened by EXAMINE, or nothing in it may be changed."""
        return self._examined or not self.rights & WRITING

    @property
    def _permanent(self) -> frozenset[str]:
        """The rights that say which flags may be changed."""
        return frozenset() if self.read_only else self.rights & {"s", "t", "w"}

    def close(self) -> None:
        """Leave the mailbox. Once."""
        self.wake = None
        self.contexts.clear()
        self.attachment.detach()
        self.mailbox.release()

    # -- what has happened ----------------------------------------------------------------------

    def _on_change(self, change: Change) -> None:
        own = change.origin is self.attachment
        self._synced = False
        if change.kind == "deleted":
            self.deleted = True
        elif change.kind == "flags":
            for context in self.contexts.values():
                context.touch(change.uids)
            if not own:
                self._changed.update(change.uids)
        elif change.kind == "expunged":
            self._expunge_untold = self._expunge_untold or change.modseq
            if own:
                self._own_gone.update(change.uids)
        if not (own and change.kind == "flags"):  # of which its command tells
            self._untold = self._untold or change.modseq
        if self.wake is not None:
            self.wake()

    async def refresh(self) -> None:
        """Look for what other programs have done to the mailbox."""
        if not self.deleted:
            await self.mailbox.refresh()

    def sync(self, may_expunge: bool, *, by_uid: bool = False) -> Iterator[bytes]:
        """Bring the client up to date: untagged responses, in the order in which they hold.

        `by_uid`: a UID command is answered, and every FETCH tells the UID (RFC 3501 §6.4.8).
        """
        attachment = self.attachment
        for context in self.contexts.values():
            yield from context.removals(self)
        if self.wants("FLAGCHANGE"):
            yield from self.new_keywords()
        if may_expunge and (gone := attachment.expunged):
            if not self.wants("MESSAGEEXPUNGE"):
                gone = [uid for uid in gone if uid in self._own_gone]
            yield from self._expunges(gone)
            attachment.told(gone)
            self._changed.difference_update(gone)
            self._own_gone.clear()
        if not attachment.expunged:
            self._expunge_untold = 0
        if self.wanted is None or self.wanted >= EVENTS:
            self._untold = self._expunge_untold
        yield from self.arrivals()
        yield from self._recents()
        if (self._changed or self._telling) and self.wants("FLAGCHANGE"):
            self._telling = sorted(self._changed.union(self._telling), reverse=True)
            self._changed.clear()
            yield from self.more_flags(by_uid=by_uid)
        self._synced = not self._changed and not attachment.expunged

    @property
    def has_more(self) -> bool:
        """`sync` has not told of all flags: `more_flags` does, until this is False."""
        return bool(self._telling)

    def more_flags(self, *, by_uid: bool = False) -> Iterator[bytes]:
        """Flags that others have changed, of some messages."""
        yield from self.new_keywords()
        for _ in range(min(len(self._telling), FLAGS_AT_ONCE)):
            uid = self._telling.pop()
            if (number := self.attachment.sequence(uid)) is not None:
                yield self.flags_line(number, uid, by_uid=by_uid)

    @property
    def is_synced(self) -> bool:
        """The client knows all, as after nearly every command: a look at no more than this.

        Nobody has been told of a change since the last `sync`, which told of everything.
        """
        certain = self.wanted is None and self._who is None and not self.contexts
        return self._synced and certain and not self._telling

    def wants(self, event: str) -> bool:
        """Does the client want to be told of this?"""
        return self.wanted is None or event in self.wanted

    @property
    def arriving(self) -> int:
        """How many new messages the next `sync` tells of."""
        return self.attachment.arrived if self.wants("MESSAGENEW") else 0

    def arrivals(self) -> Iterator[bytes]:
        """EXISTS, where there is something new."""
        if self.arriving:
            yield b"* %d EXISTS\r\n" % self.attachment.grow()

    def _recents(self) -> Iterator[bytes]:
        """RECENT, where the number is another one."""
        if (recent := len(self.attachment.recent)) != self._recent and self.wants("MESSAGENEW"):
            self._recent = recent
            if not self.enabled.rev2:
                yield b"* %d RECENT\r\n" % recent

    def before_uids(self) -> Iterator[bytes]:
        """What is told before a UID command runs: that there are new messages.

        A client knows the UIDs of those that it has put here over another connection (APPENDUID,
        COPYUID), and may name them without having heard of them here.
        """
        if self.arriving:
            yield from self.arrivals()
            yield from self._recents()

    def _expunges(self, gone: list[int]) -> Iterator[bytes]:
        """VANISHED for a client that has enabled it (RFC 7162 §3.2.10.2), else EXPUNGE."""
        if self.enabled.vanished:
            yield from vanished(ranges.runs(gone))
            return
        # From the end, so that no number shifts one that is still to be told.
        for uid in reversed(gone):
            if (number := self.attachment.sequence(uid)) is not None:
                yield b"* %d EXPUNGE\r\n" % number

    def flags_line(self, number: int, uid: int, *, by_uid: bool = False) -> bytes:
        """Untagged FETCH that nobody has asked for (RFC 7162 §3.2.4)."""
        items = [b"FLAGS " + self.flags(uid)]
        by_uid = by_uid or self.enabled.by_uid or self.wanted is not None
        if by_uid and not self.enabled.uid_only:
            items.insert(0, b"UID %d" % uid)  # RFC 9051 §7.5.2, RFC 5465 §5.1
        if self.enabled.condstore:
            items.append(b"MODSEQ (%d)" % self.modseq(uid))
        return self.head(number, uid) + b" ".join(items) + b")\r\n"

    def head(self, number: int, uid: int) -> bytes:
        """What a FETCH response begins with; UIDFETCH (RFC 9586 §3.3)."""
        return b"* %d %b (" % (uid if self.enabled.uid_only else number, self.word)

    @property
    def word(self) -> bytes:
        """How messages are answered for: by number, or by UID."""
        return b"UIDFETCH" if self.enabled.uid_only else b"FETCH"

    @property
    def told(self) -> int:
        """The mod-sequence up to which the client has been told everything."""
        return self._untold - 1 if self._untold else self.mailbox.highestmodseq

    @property
    def behind(self) -> bool:
        """There are changes that could not be told yet, or that nobody wants to be told of."""
        return self._untold > 0

    def new_keywords(self) -> Iterator[bytes]:
        """FLAGS anew, when there are keywords that the client has not heard of, or other rights.

        Before any flags are told, in the same step: others may make a keyword at any time.
        """
        if len(self.mailbox.keywords) != self._keywords or self._permanent != self._settable:
            self._keywords = len(self.mailbox.keywords)
            self._settable = self._permanent
            yield from self.known_flags()

    def known_flags(self) -> Iterator[bytes]:
        r"""FLAGS and PERMANENTFLAGS (RFC 3501 §7.2.6, §7.1); `\*`: new keywords may be made."""
        known = (*SYSTEM_FLAGS, *self.mailbox.keywords)
        rights = self.rights
        yield b"* FLAGS (%b)\r\n" % " ".join(known).encode()
        if self.read_only:
            yield b"* OK [PERMANENTFLAGS ()] No flag can be changed\r\n"
        else:
            can = [flag for flag in (*known, r"\*") if may_set(flag, rights)]
            flags = " ".join(can).encode()
            yield b"* OK [PERMANENTFLAGS (%b)] Flags are kept\r\n" % flags

    def tell_again(self, uids: Iterable[int]) -> None:
        """The client has a wrong idea of these messages' flags."""
        self._synced = False
        self._changed.update(uids)

    def told_flags(self, uids: Iterable[int]) -> None:
        """The client has just been given the present flags of these messages."""
        if self._changed:
            self._changed.difference_update(uids)

    # -- the messages ---------------------------------------------------------------------------

    @property
    def exists(self) -> int:
        """How many messages the client knows of."""
        return self.attachment.count

    @property
    def uids(self) -> array[int]:
        """By position; only the first `exists` are this session's. Never to be changed."""
        return self.attachment.uids

    def flag_ids(self, positions: Iterable[int]) -> list[int]:
        """Ids into the mailbox's flag table, -1 for a message that is gone from the mailbox."""
        uids, mailbox = self.attachment.uids, self.mailbox
        flagsets = mailbox.flagsets
        if uids is mailbox.uids:
            return [flagsets[position] for position in positions]
        indices = (mailbox.index(uids[position]) for position in positions)
        return [-1 if index is None else flagsets[index] for index in indices]

    def flags_of(self, uid: int) -> frozenset[str]:
        r"""Flags with \Recent; none for a message whose flags nobody knows any more."""
        try:
            flags = self.mailbox.flags(uid)
        except MessageGone:
            flags = frozenset()
        return flags | {r"\Recent"} if uid in self._shown_recent else flags

    @property
    def _shown_recent(self) -> set[int]:
        return set() if self.enabled.rev2 else self.attachment.recent

    def modseq(self, uid: int) -> int:
        """Of a message, also one that is gone but not yet told to be."""
        try:
            return self.mailbox.modseq(uid)
        except MessageGone:
            return self.told

    def changed_since(self, pieces: Iterable[range], since: int) -> Iterator[int]:
        """Those of these positions whose messages have a greater mod-sequence."""
        uids, mailbox = self.attachment.uids, self.mailbox
        if uids is mailbox.uids:
            modseqs = mailbox.modseqs
            if since < mailbox.highestmodseq:
                for piece in pieces:
                    yield from (position for position in piece if modseqs[position] > since)
            return
        for piece in pieces:
            yield from (position for position in piece if self.modseq(uids[position]) > since)

    def flags(self, uid: int) -> bytes:
        """Flags in parentheses, as FETCH gives them."""
        if (index := self.mailbox.index(uid)) is None or uid in self._shown_recent:
            return response.flag_list(self.flags_of(uid))
        return self.flag_octets()[self.mailbox.flagsets[index]]

    def flags_at(self, positions: Sequence[int]) -> list[bytes]:
        """Flags in parentheses of many messages."""
        uids = self.attachment.uids
        if uids is not self.mailbox.uids:
            return [self.flags(uids[position]) for position in positions]
        octets, numbers = self.flag_octets(), self.flag_ids(positions)
        if not (recent := self._shown_recent):
            return [octets[number] for number in numbers]
        table, marked = self.mailbox.flag_table, dict[int, bytes]()
        found = []
        for position, number in zip(positions, numbers, strict=True):
            if uids[position] not in recent:
                found.append(octets[number])
                continue
            if number not in marked:
                marked[number] = response.flag_list(table[number] | {r"\Recent"})
            found.append(marked[number])
        return found

    def flag_octets(self) -> list[bytes]:
        r"""The flag table, rendered: `flag_octets()[id]` (without \Recent)."""
        octets, table = self._flag_octets, self.mailbox.flag_table
        for number in range(len(octets), len(table)):
            octets.append(response.flag_list(table[number]))
        return octets

    def first_unseen(self) -> int | None:
        r"""Sequence number of the first message without \Seen."""
        mailbox = self.mailbox
        if self.uids is mailbox.uids:
            place = mailbox.first_lacking(r"\Seen")
            return place + 1 if place is not None and place < self.exists else None
        for position in range(self.exists):
            index = mailbox.index(self.uids[position])
            if index is not None and r"\Seen" not in mailbox.flag_table[mailbox.flagsets[index]]:
                return position + 1
        return None

    # -- sequence sets --------------------------------------------------------------------------

    def resolve(self, numbers: SequenceSet, *, by_uid: bool, strict: bool = True) -> list[range]:
        """The positions that a sequence set names: ascending ranges that don't overlap.

        UIDs that don't exist are passed over. A sequence number that doesn't is an error, `*` in
        an empty mailbox too (RFC 3501 §9 seq-number); without `strict` it is passed over.
        """
        exists = self.exists
        if numbers.saved:
            return self._saved_ranges()
        found: list[range] = []
        for low, high in numbers.ranges:
            if by_uid:
                if not exists:
                    continue
                last = self.uids[exists - 1]
                low, high = sorted(last if n == STAR else n for n in (low, high))
                start = bisect_left(self.uids, low, 0, exists)
                stop = bisect_right(self.uids, high, 0, exists)
            else:
                low, high = sorted(exists if n == STAR else n for n in (low, high))
                if strict and (high > exists or low < 1):
                    raise Bad("No such message")
                start, stop = max(low - 1, 0), min(high, exists)
            if start < stop:
                found.append(range(start, stop))
        return ranges.merged(found)

    def place(self, uid: int) -> int:
        """The position of the first message with this UID or a greater one."""
        return bisect_left(self.uids, uid, 0, self.exists)

    def _saved_ranges(self) -> list[range]:
        """Those of the saved result that are still here."""
        if len(self.saved) * 8 > self.exists:
            here = bytes(map(set(self.saved).__contains__, self.uids[: self.exists]))
            return positions.runs(here)
        found = []
        for uid in self.saved:
            position = self.place(uid)
            if position < self.exists and self.uids[position] == uid:
                found.append(range(position, position + 1))
        return ranges.merged(found)

    def uids_in(self, pieces: Iterable[range]) -> array[int]:
        """The UIDs at these positions, which ascend; of very many without delay."""
        found = array("I")
        for piece in pieces:
            found += self.uids[piece.start : piece.stop]
        return found


def batches(places: Iterable[int], size: int) -> Iterator[list[int]]:
    """These positions, up to `size` at a time."""
    rest = iter(places)
    while batch := list(islice(rest, size)):
        yield batch


def vanished(pieces: Iterable[range], mark: bytes = b"") -> Iterator[bytes]:
    """VANISHED responses for these UIDs, none of them very long (RFC 7162 §3.2.10)."""
    spans = response.spans(pieces)
    while some := list(islice(spans, VANISHED_AT_ONCE)):
        yield b"* VANISHED " + mark + b",".join(some) + b"\r\n"
