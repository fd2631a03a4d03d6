"""Pure. Commands on mailboxes: SELECT ... STATUS, LIST and LSUB (RFC 9051 §6.3, §9).

`STATUS_ITEMS`, `LIST_SELECTIONS` and `LIST_RETURNS` are open: an extension adds its words.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from mailsuite.imapd.syntax.cursor import BadMailboxName, Cursor
from mailsuite.imapd.syntax.entries import entry_list
from mailsuite.imapd.syntax.model import ListArguments
from mailsuite.message.mutf7 import decode, decode_tolerant, decode_utf8

STATUS_ITEMS = {
    "MESSAGES",
    "RECENT",
    "UIDNEXT",
    "UIDVALIDITY",
    "UNSEEN",
    "DELETED",
    "DELETED-STORAGE",
    "SIZE",
    "HIGHESTMODSEQ",  # RFC 7162 §3.1.7
    "MAILBOXID",
    "APPENDLIMIT",
}
# RFC 5258 §3.1, RFC 6154 §5.1
LIST_SELECTIONS = {"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"}
# RFC 5258 §3.2, RFC 5819, RFC 6154, RFC 8440, RFC 9590; STATUS and METADATA have lists of their own
LIST_RETURNS = {"SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "STATUS", "MYRIGHTS", "METADATA"}
# RECURSIVEMATCH needs one of them beside it. By the ABNF only SUBSCRIBED, for SPECIAL-USE is an
# independent option (RFC 6154 §6); but it makes sense, and the text of RFC 5258 §3.1 allows it.
LIST_SELECTIONS_BASE = {"SUBSCRIBED", "SPECIAL-USE"}
MAX_PATTERNS = 100
MAX_NAMES = 1000

_SPECIAL_USES = (r"\All", r"\Archive", r"\Drafts", r"\Flagged", r"\Junk", r"\Sent", r"\Trash")
_PLAIN_ITEMS = re.compile(rb"\(([A-Z-]++(?: [A-Z-]++)*+)\)", re.IGNORECASE)
_CANONICAL_USE = {use.lower(): use for use in _SPECIAL_USES}


def mailbox_name(cursor: Cursor) -> str:
    """`mailbox` as Unicode; INBOX, as a whole or as the first level, in upper case."""
    return both_names(cursor)[0]


def both_names(cursor: Cursor) -> tuple[str, str]:
    """The same, and as it was given."""
    given = _decoded(cursor, cursor.astring("a mailbox name"))
    return canonical(given), given


def _new_name(cursor: Cursor) -> str:
    """`mailbox` that is to be made. Raises BadMailboxName.

    Elsewhere what is not modified UTF-7 is taken as it stands, so that whoever writes "&" for "&-"
    finds the mailbox that others have called so; but none is made by mistake (RFC 3501 §5.1.3).
    UTF-8 can mean nothing else, and is taken always (RFC 9755 §3), if it is Net-Unicode: two names
    that look the same are one (RFC 9051 §5.1).
    """
    octets = cursor.astring("a mailbox name")
    as_utf8 = cursor.utf8 or not octets.isascii()
    try:
        name = octets.decode("utf-8") if as_utf8 else decode(octets)
    except ValueError:
        form = "UTF-8" if cursor.utf8 else "modified UTF-7"
        raise BadMailboxName(f"The mailbox name is not {form}") from None
    if as_utf8 and not unicodedata.is_normalized("NFC", name):
        raise BadMailboxName("The mailbox name is not in Normalization Form C")
    return canonical(name)


def _decoded(cursor: Cursor, octets: bytes) -> str:
    return decode_utf8(octets) if cursor.utf8 else decode_tolerant(octets)


def canonical(name: str) -> str:
    """INBOX in capitals, as a whole or as the first level.

    By lower case: the capital of a dotless i is an I, and such a mailbox is another one.
    """
    if name[:5].lower() == "inbox" and name[5:6] in ("", "/"):
        return "INBOX" + name[5:]
    return name


def mailbox_names(cursor: Cursor) -> tuple[str, ...]:
    """`one-or-more-mailbox` (RFC 5465 §8)"""
    if not cursor.skip(b"("):
        return (mailbox_name(cursor),)
    names = [mailbox_name(cursor)]
    while not cursor.skip(b")"):
        cursor.sp()
        names.append(mailbox_name(cursor))
        if len(names) > MAX_NAMES:
            raise cursor.problem(f"more than {MAX_NAMES} mailboxes")
    return tuple(names)


def mailbox(cursor: Cursor) -> tuple[str]:
    """DELETE, SUBSCRIBE, UNSUBSCRIBE: (mailbox name,)"""
    cursor.sp()
    return (mailbox_name(cursor),)


def create(cursor: Cursor) -> tuple[str, tuple[str, ...]]:
    r"""(mailbox name, special uses such as (r"\Sent",)) (RFC 6154 §3). A trailing "/" is kept."""
    cursor.sp()
    name = _new_name(cursor)
    uses: list[str] = []
    if cursor.skip(b" "):
        cursor.expect(b"(")
        parameter = cursor.word("USE")
        if parameter != "USE":
            raise cursor.problem(f"unknown parameter '{parameter[:40]}'")
        cursor.sp()
        cursor.expect(b"(")
        while not cursor.skip(b")"):
            if uses:
                cursor.sp()
            cursor.expect(b"\\")
            use = "\\" + cursor.atom("a special use")
            uses.append(canonical_use(use))
        cursor.expect(b")")
    return name, tuple(uses)


def canonical_use(use: str) -> str:
    """A special use in its one spelling, whatever its case."""
    return _CANONICAL_USE.get(use.lower(), use)


def rename(cursor: Cursor) -> tuple[str, str]:
    """(existing name, new name)"""
    cursor.sp()
    old = mailbox_name(cursor)
    cursor.sp()
    return old, _new_name(cursor)


def status(cursor: Cursor) -> tuple[str, tuple[str, ...]]:
    """(mailbox name, items upper-case, each once)"""
    cursor.sp()
    name = mailbox_name(cursor)
    cursor.sp()
    return name, _status_items(cursor)


def _status_items(cursor: Cursor) -> tuple[str, ...]:
    if (plain := cursor.match(_PLAIN_ITEMS)) is not None:
        items, unknown = _items(plain[1])
        if unknown:
            raise cursor.problem(f"unknown status item '{unknown[:40]}'")
        return items
    cursor.expect(b"(")
    while True:  # to the place where it is wrong
        item = cursor.word("a status item")
        if item not in STATUS_ITEMS:
            raise cursor.problem(f"unknown status item '{item[:40]}'")
        cursor.sp()


@lru_cache(maxsize=64)
def _items(text: bytes) -> tuple[tuple[str, ...], str]:
    """The items, and the first that is not one. A client asks the same of all its mailboxes."""
    items = tuple(dict.fromkeys(text.decode("ascii").upper().split(" ")))
    return items, next((item for item in items if item not in STATUS_ITEMS), "")


def list_(cursor: Cursor) -> tuple[ListArguments]:
    """LIST in its basic and its extended form (RFC 9051 §6.3.9, RFC 5258 §6): (ListArguments,)"""
    cursor.sp()
    extended = cursor.next_is(b"(")
    selection: frozenset[str] = frozenset()
    if extended:
        selection = frozenset(_options(cursor, LIST_SELECTIONS, "selection option"))
        if "RECURSIVEMATCH" in selection and not selection & LIST_SELECTIONS_BASE:
            raise cursor.problem("RECURSIVEMATCH needs SUBSCRIBED or SPECIAL-USE beside it")
        cursor.sp()
    reference = canonical(_decoded(cursor, cursor.astring("a reference name")))
    cursor.sp()
    if cursor.next_is(b"("):
        extended = True
        patterns = _patterns(cursor)
    else:
        patterns = (_decoded(cursor, cursor.list_mailbox()),)
    returns: dict[str, tuple[str, ...]] = {}
    if cursor.skip(b" "):
        extended = True
        if not cursor.skip_word(b"RETURN"):
            raise cursor.unexpected("RETURN")
        cursor.sp()
        returns = _options(cursor, LIST_RETURNS, "return option")
    return (
        ListArguments(
            reference,
            patterns,
            selection,
            frozenset(returns),
            returns.get("STATUS", ()),
            returns.get("METADATA", ()),
            extended,
        ),
    )


def _patterns(cursor: Cursor) -> tuple[str, ...]:
    cursor.expect(b"(")
    patterns: list[str] = []
    while True:
        patterns.append(_decoded(cursor, cursor.list_mailbox()))
        if len(patterns) > MAX_PATTERNS:
            raise cursor.problem(f"more than {MAX_PATTERNS} patterns")
        if cursor.skip(b")"):
            return tuple(patterns)
        cursor.sp()


def _options(cursor: Cursor, known: set[str], what: str) -> dict[str, tuple[str, ...]]:
    """Options in parentheses, none perhaps: each with what stands behind it."""
    cursor.expect(b"(")
    options: dict[str, tuple[str, ...]] = {}
    while not cursor.skip(b")"):
        if options:
            cursor.sp()
        option = cursor.word(f"a {what}")
        if option not in known:
            raise cursor.problem(f"unknown {what} '{option[:40]}'")
        options[option] = ()
        if option == "STATUS":
            cursor.sp()
            options[option] = _status_items(cursor)
        elif option == "METADATA":
            cursor.sp()
            options[option] = entry_list(cursor)
    return options


def lsub(cursor: Cursor) -> tuple[str, str]:
    """(reference, pattern) (RFC 3501 §6.3.9)"""
    cursor.sp()
    reference = canonical(_decoded(cursor, cursor.astring("a reference name")))
    cursor.sp()
    return reference, _decoded(cursor, cursor.list_mailbox())
