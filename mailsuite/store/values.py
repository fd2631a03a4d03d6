r"""Pure. The values that go in and out of the store. They only hold.

Mailbox names are Unicode with "/" between levels; "INBOX" is the canonical spelling. Flags are
strings: the system flags `\Seen \Answered \Flagged \Draft \Deleted`, else keywords. Times are
seconds since the epoch, sizes are octets as they go over the wire (lines end in CRLF).
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from mailsuite.store.attachment import Attachment
    from mailsuite.store.temp import TempMessage

Octets: TypeAlias = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Facets:
    """Opaque values computed once from a message's octets and kept in the index beside it.

    names    what they are called in `Mailbox.rows`; lower-case identifiers
    version  to be raised whenever `compute` would answer differently: old values are then dropped
    compute  pure: the message as it goes over the wire (a large one as mmap) -> one value for each
             name, in order; runs in threads, must not raise
    apart    those of the names that are asked for of many messages without the others: they are
             kept by themselves, so that the others need not be read as well
    """

    names: tuple[str, ...]
    version: int
    compute: Callable[[bytes | mmap.mmap], tuple[bytes, ...]]
    apart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MailboxInfo:
    r"""One name of the mailbox list.

    exists        False: only a level above other mailboxes, or a subscription without mailbox
    subscribed    the user wants it in the short list
    special_use   r"\Sent", r"\Drafts", … (RFC 6154), or None
    has_children  there are mailboxes below it
    """

    name: str
    exists: bool = True
    subscribed: bool = False
    special_use: str | None = None
    has_children: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """What STATUS tells of a mailbox (RFC 9051 §6.3.11, RFC 7162, RFC 8474)."""

    messages: int
    recent: int
    unseen: int
    deleted: int
    deleted_size: int
    uidnext: int
    uidvalidity: int
    size: int
    highestmodseq: int
    mailboxid: str


class Totals(NamedTuple):
    r"""Of a mailbox: messages, their octets, how many lack \Seen, how many have \Deleted."""

    messages: int = 0
    size: int = 0
    unseen: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class Quota:
    """What an account may keep; None: as much as it likes. `storage` in octets over the wire."""

    storage: int | None = None
    messages: int | None = None

    @property
    def limited(self) -> bool:
        """There is any limit at all."""
        return self.storage is not None or self.messages is not None


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account keeps, in all its mailboxes."""

    storage: int
    messages: int


@dataclass(frozen=True, slots=True)
class NewMessage:
    r"""A message to be appended.

    source         the octets, a `TempMessage` (used up when the append succeeds), or the path of a
                   durable file, which is hard-linked where nothing is to be added or left out
    flags          system flags and keywords; \Recent is the store's own affair
    internal_date  seconds since the epoch; None: now (for a linked file: its modification time)
    zone           in which the internal date is told, minutes east of UTC
    prefix         octets put before the source
    offset         octets of a file source that are left out at its beginning
    delivery_id    names this delivery for all time, so that its repeat can be known
    repeat         an earlier attempt with this `delivery_id` may have succeeded: if the message is
                   anywhere in the account, nothing is appended and its UID is the answer
    exact          the octets are given back exactly as they are, without a look for bare LF; for
                   files known to have CRLF everywhere, and for binary messages (RFC 3516)
    uid            the UID it brings from elsewhere, kept where the mailbox has not given it or a
                   greater one (see `AccountStore.take_over`); None: the next one
    unique_id      the unique id it brings from elsewhere (`store.unique_ids`), or ""; it is kept
    """

    source: bytes | TempMessage | Path
    flags: frozenset[str] = frozenset()
    internal_date: float | None = None
    zone: int = 0
    prefix: bytes = b""
    offset: int = 0
    delivery_id: str | None = None
    repeat: bool = False
    exact: bool = False
    uid: int | None = None
    unique_id: str = ""


@dataclass(frozen=True, slots=True)
class Appended:
    """UIDs of the appended messages, in the order given (RFC 4315 APPENDUID)."""

    uidvalidity: int
    uids: list[int]


@dataclass(frozen=True, slots=True)
class Copied:
    """RFC 4315 COPYUID: `target_uids[i]` is the copy of `source_uids[i]`; ascending by source.

    Messages that were gone before the copy are left out of both.
    """

    uidvalidity: int
    source_uids: list[int]
    target_uids: list[int]


@dataclass(frozen=True, slots=True)
class FlagsStored:
    """Result of `Mailbox.store_flags`.

    changed   UIDs whose flags are now other than before (messages that had them already are not
              listed), all with the MODSEQ of this change
    modified  UIDs left alone because they had changed after `unchanged_since` (RFC 7162 §3.1.3)

    Arrays: half a million numbers in a list hold the event loop up when they are freed.
    """

    changed: array[int]
    modified: array[int]


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a mailbox's change feed; the view has it already when listeners are called.

    kind    "appended", "flags" (read the new ones from the view), "expunged"; without UIDs:
            "rights" (the access control list is another one), or "deleted": the mailbox itself is
            gone and nothing more will come
    uids    ascending
    modseq  of all these messages in this change
    origin  the attachment that caused it, None for deliveries, other programs and other mailboxes
    actor   who asked for it, where anybody can tell (see `feed`)
    """

    kind: Literal["appended", "flags", "expunged", "rights", "deleted"]
    uids: list[int]
    modseq: int
    origin: Attachment | None = None
    actor: object | None = None


@dataclass(frozen=True, slots=True)
class Derived:
    """A column that is computed from the header block.

    key      values are kept in the index under it, and given without computing from then on, so it
             names the function and its version; "" for values that are not to be kept
    compute  pure: header block -> value; runs in threads, must not raise
    """

    key: str
    compute: Callable[[bytes], bytes] = field(compare=False)


Column: TypeAlias = str | Derived
Row: TypeAlias = tuple[Any, ...]
"""Answer of `Mailbox.rows`: the UID, then the values of the asked columns in the asked order."""

SYSTEM_COLUMNS = ("size", "internal_date", "zone", "saved", "identity", "header")
"""Columns that `Mailbox.rows` knows besides the facets.

size           int octets
internal_date  float seconds
zone           int minutes east of UTC: where the internal date was given; 0 where nothing is known
saved          int seconds: since when the message is in this mailbox (RFC 8514); None: not known
identity       str of letters and digits, the same for copies of a message (RFC 8474 EMAILID)
header         header block
"""
