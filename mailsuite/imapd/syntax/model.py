"""Pure. What the IMAP grammar yields: the arguments of commands as values.

Names are those of the ABNF in RFC 3501 §9 and RFC 9051 §9.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias

STAR = 0xFFFFFFFF + 1
"""`*` in a sequence set: the largest number in use; greater than any real number."""


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """RFC 9051 `sequence-set`: inclusive ranges in the client's order, each low <= high.

    `STAR` stands for `*`. `saved` is the SEARCHRES variable `$` (RFC 5182); ranges is then empty.
    """

    ranges: tuple[tuple[int, int], ...]
    saved: bool = False


@dataclass(frozen=True, slots=True)
class StoredLiteral:
    """A literal that the receiver streamed into a sink instead of memory (APPEND).

    `sink` is the object that `Receiver` was given for it; `size` its octets; `binary` is literal8.
    """

    sink: object
    size: int
    binary: bool = False


# -- FETCH ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Section:
    """`section` / `section-binary`: BODY[1.2.HEADER.FIELDS (From To)].

    part    part numbers, () for the message itself
    text    "", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT" or "MIME"
    fields  header names of HEADER.FIELDS[.NOT], as the client wrote them
    """

    part: tuple[int, ...] = ()
    text: str = ""
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FetchItem:
    """One `fetch-att`.

    name     upper-case: FLAGS, UID, ENVELOPE, INTERNALDATE, RFC822, RFC822.HEADER, RFC822.TEXT,
             RFC822.SIZE, BODY (non-extensible structure), BODYSTRUCTURE, or "BODY[" for a section,
             "BINARY[", "BINARY.SIZE["
    peek     BODY.PEEK[…], BINARY.PEEK[…]
    section  for the three bracketed forms
    partial  (first octet, count), or None
    """

    name: str
    peek: bool = False
    section: Section | None = None
    partial: tuple[int, int] | None = None


# -- SEARCH --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SearchAll:
    """ALL"""


@dataclass(frozen=True, slots=True)
class SearchFlag:
    r"""SEEN, UNSEEN, KEYWORD x…: the flag is set, or (`negate`) it is not. `flag`: r"\Seen", "x".

    RECENT is flag r"\Recent"; OLD its negation; NEW is an And of RECENT and UNSEEN.
    """

    flag: str
    negate: bool = False


@dataclass(frozen=True, slots=True)
class SearchHeader:
    """FROM, TO, CC, BCC, SUBJECT, HEADER name value: substring of the decoded field.

    addresses  or of the field as ENVELOPE has it: FROM, TO, CC, BCC
    """

    name: str
    value: str
    addresses: bool = False


@dataclass(frozen=True, slots=True)
class SearchText:
    """TEXT (header and body) or BODY (`body_only`)."""

    value: str
    body_only: bool = False


@dataclass(frozen=True, slots=True)
class SearchDate:
    """BEFORE, ON, SINCE on the internal date; SENT… (`sent`) on the Date field. No time zone."""

    relation: str  # "before" | "on" | "since"
    day: date
    sent: bool = False


@dataclass(frozen=True, slots=True)
class SearchSaved:
    """SAVEDBEFORE, SAVEDON, SAVEDSINCE: since when it is in the mailbox (RFC 8514)."""

    relation: str  # "before" | "on" | "since"
    day: date


@dataclass(frozen=True, slots=True)
class SearchObjectId:
    """EMAILID, THREADID (RFC 8474): exactly this objectid."""

    name: str  # "EMAILID" | "THREADID"
    value: str


@dataclass(frozen=True, slots=True)
class SearchSize:
    """LARGER, SMALLER: strictly."""

    relation: str  # "larger" | "smaller"
    octets: int


@dataclass(frozen=True, slots=True)
class SearchModseq:
    """MODSEQ n: changed under this mod-sequence or a later one (RFC 7162 §3.1.5)."""

    modseq: int


@dataclass(frozen=True, slots=True)
class SearchUid:
    """UID sequence-set"""

    uids: SequenceSet


@dataclass(frozen=True, slots=True)
class SearchSequence:
    """A bare sequence-set of message sequence numbers."""

    numbers: SequenceSet


@dataclass(frozen=True, slots=True)
class SearchNot:
    """NOT key"""

    key: SearchKey


@dataclass(frozen=True, slots=True)
class SearchOr:
    """OR key key"""

    left: SearchKey
    right: SearchKey


@dataclass(frozen=True, slots=True)
class SearchAnd:
    """Several keys side by side, or in parentheses."""

    keys: tuple[SearchKey, ...]


@dataclass(frozen=True, slots=True)
class SearchFuzzy:
    """FUZZY key: texts in it are matched inexactly (RFC 6203)."""

    key: SearchKey


@dataclass(frozen=True, slots=True)
class SearchWithin:
    """OLDER, YOUNGER: the internal date lies `seconds` before now, or earlier, or later (RFC 5032).

    now: seconds since the epoch; what the parser leaves open, the command puts in.
    """

    older: bool
    seconds: int
    now: float = 0


SearchKey: TypeAlias = (
    SearchAll
    | SearchFlag
    | SearchHeader
    | SearchText
    | SearchDate
    | SearchSaved
    | SearchObjectId
    | SearchSize
    | SearchModseq
    | SearchUid
    | SearchSequence
    | SearchNot
    | SearchOr
    | SearchAnd
    | SearchFuzzy
    | SearchWithin
)


@dataclass(frozen=True, slots=True)
class SortCriterion:
    """`sort-criterion`: ARRIVAL, CC, DATE, DISPLAYFROM, …, upper-case; in descending order?"""

    key: str
    reverse: bool = False


# -- the arguments of commands -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UrlPart:
    """URL of CATENATE (RFC 4469): octets that are on the server already."""

    url: str


@dataclass(frozen=True, slots=True)
class AppendMessage:
    """One message of APPEND.

    flags   without \\Recent
    date    seconds since the epoch and the zone, in minutes east of UTC, in which it was told
    source  the literal, or the parts of CATENATE
    """

    flags: tuple[str, ...]
    date: tuple[float, int] | None
    source: StoredLiteral | bytes | tuple[StoredLiteral | bytes | UrlPart, ...]


@dataclass(frozen=True, slots=True)
class LiteralTarget:
    """Where a message literal that has just been announced belongs.

    command    "APPEND", "REPLACE", "UID REPLACE"
    catenates  it is a part of CATENATE
    before     octets of the text parts before it, of the same message
    """

    command: str
    mailbox: str
    catenates: bool = False
    before: int = 0


@dataclass(frozen=True, slots=True)
class Resync:
    """What a client knows of a mailbox: the QRESYNC parameter (RFC 7162 §3.2.5).

    known    the UIDs that it knows, None: all that there may have been
    matches  (message numbers, their UIDs) as it knows them, ascending, as many of both; or None
    """

    uidvalidity: int
    modseq: int
    known: SequenceSet | None = None
    matches: tuple[SequenceSet, SequenceSet] | None = None


@dataclass(frozen=True, slots=True)
class SelectArguments:
    """SELECT, EXAMINE with their parameters (RFC 4466 §2.1).

    given  the mailbox's name in the client's spelling
    """

    mailbox: str
    condstore: bool = False
    resync: Resync | None = None
    given: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class EventGroup:
    """One group of NOTIFY SET (RFC 5465 §6): where, and which events; all names upper-case.

    filter  SELECTED, SELECTED-DELAYED, INBOXES, PERSONAL, SUBSCRIBED, SUBTREE, MAILBOXES
    names   mailboxes, for the last two
    fetch   what is to be told of new messages in the selected mailbox
    """

    filter: str
    names: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    fetch: tuple[FetchItem, ...] = ()


@dataclass(frozen=True, slots=True)
class NotifyArguments:
    """NOTIFY: no groups for NONE; `status`: counts of all mailboxes at once."""

    groups: tuple[EventGroup, ...]
    status: bool = False


@dataclass(frozen=True, slots=True)
class ListArguments:
    """LIST: selection options, reference, patterns, return options (RFC 5258, RFC 9051 §6.3.9).

    `extended` tells that the client used the extended syntax. Options are upper-case;
    `status_items` belong to RETURN (STATUS (…)), `metadata` to RETURN (METADATA (…)).
    """

    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[str] = frozenset()
    returns: frozenset[str] = frozenset()
    status_items: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    extended: bool = False


@dataclass(frozen=True, slots=True)
class SearchArguments:
    """SEARCH, SORT, THREAD.

    returns   None for the old form, else ESEARCH options ({"ALL"} for `()`)
    partial   PARTIAL's range as the client wrote it, both positive or both negative, else None
    criteria  of SORT; none for the others
    fetch     what UPDATE is to tell of new messages among the results (RFC 5465 §7)
    """

    key: SearchKey
    returns: frozenset[str] | None = None
    charset: str | None = None
    partial: tuple[int, int] | None = None
    criteria: tuple[SortCriterion, ...] = ()
    fetch: tuple[FetchItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where ESEARCH looks (RFC 7377): SELECTED, INBOXES, PERSONAL, SUBSCRIBED; or by their names
    MAILBOXES, SUBTREE (and all below), SUBTREE-ONE (and one level below).
    """

    kind: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreArguments:
    """STORE: operation "+", "-" or "" (replace); `silent` for .SILENT; flags as written.

    `unchanged_since`: the mod-sequence of the modifier (RFC 7162 §3.1.3), or None.
    """

    numbers: SequenceSet
    operation: str
    silent: bool
    flags: tuple[str, ...]
    unchanged_since: int | None = None


@dataclass(frozen=True, slots=True)
class FetchArguments:
    """FETCH: macros ALL, FAST, FULL are already resolved.

    `changed_since` and `vanished` are modifiers (RFC 7162 §3.1.4.1, §3.2.6); so is `partial`, which
    is as in SearchArguments.
    """

    numbers: SequenceSet
    items: tuple[FetchItem, ...]
    changed_since: int | None = None
    vanished: bool = False
    partial: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One whole command line, parsed.

    tag        as the client wrote it
    name       upper-case, "UID FETCH" for the UID forms
    arguments  what the command's parser in the command table made of its arguments
    """

    tag: str
    name: str
    arguments: tuple[object, ...] = field(default=())
