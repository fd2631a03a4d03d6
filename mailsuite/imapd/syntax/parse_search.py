"""Pure. SEARCH: return options, charset, keys (RFC 3501 §6.4.4, RFC 9051 §6.4.4, §9).

`KEYS` and `RETURN_OPTIONS` are open: an extension adds its key with the parser of what follows it.
"""

from __future__ import annotations

import encodings.aliases
import re
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from mailsuite.imapd.syntax.cursor import MAX_NUMBER64, BadCharset, Cursor, show
from mailsuite.imapd.syntax.model import (
    FetchItem,
    SearchAll,
    SearchAnd,
    SearchArguments,
    SearchDate,
    SearchFlag,
    SearchFuzzy,
    SearchHeader,
    SearchKey,
    SearchModseq,
    SearchNot,
    SearchObjectId,
    SearchOr,
    SearchSaved,
    SearchSequence,
    SearchSize,
    SearchText,
    SearchUid,
    SearchWithin,
)
from mailsuite.imapd.syntax.parse_fetch import item_list
from mailsuite.imapd.syntax.parse_values import date_, mod_sequence, partial_range, sequence_set

_OBJECT_ID = re.compile(rb"[A-Za-z0-9_-]{1,255}+")
MAX_DEPTH = 100
MAX_KEYS = 2000
RETURN_OPTIONS = {"MIN", "MAX", "ALL", "COUNT", "SAVE", "RELEVANCY", "PARTIAL", "CONTEXT", "UPDATE"}
CHARSETS = (
    *("US-ASCII", "UTF-8", "UTF-16", "ISO-8859-1", "ISO-8859-2", "ISO-8859-15"),
    *("WINDOWS-1250", "WINDOWS-1251", "WINDOWS-1252", "KOI8-R", "ISO-2022-JP", "SHIFT_JIS"),
    *("EUC-JP", "EUC-KR", "GB2312", "GB18030", "BIG5"),
)
"""The names told to a client that asked for another; more are understood."""


class Program:
    """A search program being read: the cursor, how texts are decoded, how deep and wide we are."""

    __slots__ = ("_codec", "_count", "_depth", "cursor", "fuzzy")

    def __init__(self, cursor: Cursor, codec: str | None) -> None:
        self.cursor = cursor
        self._codec = codec
        self._depth = 0
        self._count = 0
        self.fuzzy = False
        """A FUZZY key has been read."""

    def text(self) -> str:
        """SP and an astring, decoded.

        Without a charset it is UTF-8. A quoted string that is not is taken for Latin-1 after ENABLE
        UTF8=ACCEPT, when JavaMail sends the lowest octet of each character.
        """
        cursor = self.cursor
        cursor.sp()
        lenient = cursor.utf8 and self._codec is None and cursor.next_is(b'"')
        octets = cursor.quoted(any_octets=True) if lenient else cursor.astring("a search string")
        try:
            return octets.decode(self._codec or "utf-8")
        except ValueError as error:
            if lenient:
                return octets.decode("latin-1")
            name = (self._codec or "utf-8").upper()
            raise cursor.problem(f"text is not {name}") from error

    def key(self) -> SearchKey:
        """`search-key`"""
        self._count += 1
        self._depth += 1
        if self._count > MAX_KEYS or self._depth > MAX_DEPTH:
            raise self.cursor.problem("too many keys, or nested too deeply")
        key = self._key()
        self._depth -= 1
        return key

    def _key(self) -> SearchKey:
        cursor = self.cursor
        if cursor.next_is(b"0123456789*$"):
            return SearchSequence(sequence_set(cursor))
        if cursor.skip(b"("):
            keys = self.keys()
            cursor.expect(b")")
            return keys
        name = cursor.word("a search key")
        parser = KEYS.get(name)
        if parser is None:
            raise cursor.problem(f"unknown key '{name[:40]}'")
        return parser(self)

    def keys(self) -> SearchKey:
        """`search-key *(SP search-key)`"""
        keys = [self.key()]
        while self.cursor.skip(b" "):
            keys.append(self.key())
        return keys[0] if len(keys) == 1 else SearchAnd(tuple(keys))


KeyParser: TypeAlias = Callable[[Program], SearchKey]


def search(cursor: Cursor) -> tuple[SearchArguments]:
    """SEARCH, UID SEARCH: (SearchArguments,)"""
    cursor.sp()
    returns, partial, fetch = return_options(cursor)
    charset = codec = None
    if cursor.skip_word(b"CHARSET"):
        cursor.sp()
        charset, codec = charset_(cursor, returns)
        cursor.sp()
    key = program(cursor, codec, relevancy="RELEVANCY" in (returns or ()))
    return (SearchArguments(key, returns, charset, partial, fetch=fetch),)


def program(cursor: Cursor, codec: str | None, *, relevancy: bool) -> SearchKey:
    """`search-key *(SP search-key)`, and nothing behind. `relevancy`: there must be a FUZZY."""
    found = Program(cursor, codec)
    key = found.keys()
    if relevancy and not found.fuzzy:
        raise cursor.problem("RELEVANCY without FUZZY")  # RFC 6203 §4
    return key


def cancel_update(cursor: Cursor) -> tuple[tuple[str, ...]]:
    """CANCELUPDATE (RFC 5267 §5): (tags,)"""
    tags: list[str] = []
    while not tags or not cursor.at_end:
        cursor.sp()
        tag = cursor.quoted() if cursor.next_is(b'"') else cursor.astring("a tag")
        tags.append(tag.decode("ascii", "replace"))
    return (tuple(tags),)


class Returns(NamedTuple):
    """`search-return-opts`, the range of PARTIAL in it, the items of UPDATE (RFC 5465 §7)."""

    options: frozenset[str] | None = None
    partial: tuple[int, int] | None = None
    fetch: tuple[FetchItem, ...] = ()


def return_options(cursor: Cursor) -> Returns:
    """`RETURN search-return-opts SP`, if that comes next.

    No option at all means ALL (RFC 4731 §3.1); PARTIAL and ALL exclude each other (RFC 9394 §3.1).
    """
    if not cursor.skip_word(b"RETURN"):
        return Returns()
    cursor.sp()
    cursor.expect(b"(")
    options: set[str] = set()
    partial = None
    fetch: tuple[FetchItem, ...] = ()
    while not cursor.skip(b")"):
        if options:
            cursor.sp()
        option = cursor.word("a return option")
        if option not in RETURN_OPTIONS:
            raise cursor.problem(f"unknown return option '{option[:40]}'")
        if option == "PARTIAL":
            if partial is not None:
                raise cursor.problem("PARTIAL stands there twice")
            partial = partial_range(cursor)
        elif option == "UPDATE" and cursor.skip(b" ("):
            fetch = item_list(cursor)
        options.add(option)
    if options >= {"PARTIAL", "ALL"}:
        raise cursor.problem("PARTIAL and ALL exclude each other")
    cursor.sp()
    return Returns(frozenset(options or {"ALL"}), partial, fetch)


# Codecs of Python that are no charsets of text on the wire.
_NO_CHARSETS = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"}
_NO_CHARSETS |= {"mbcs", "oem", "rot_13", "uu_codec", "zlib_codec", "bz2_codec", "hex_codec"}
_NO_CHARSETS |= {"base64_codec", "quopri_codec", "tactis"}
_CODECS = set(encodings.aliases.aliases.values()) - _NO_CHARSETS
_CODECS |= {"koi8_u", "koi8_t", "cp874", "cp720", "cp737", "cp856", "cp875", "cp1006"}


def charset_(cursor: Cursor, returns: frozenset[str] | None) -> tuple[str, str]:
    """`charset`: its name and Python's name for it. Raises BadCharset, if a key follows.

    An astring in RFC 3501, and so perhaps a literal; atom or quoted in the later RFCs.
    Only names that are known beforehand reach the codec registry, which keeps all it is asked for.
    """
    octets = cursor.astring("a charset")
    name = octets.decode("ascii", "replace")
    plain = name.lower().replace("-", "_").replace(" ", "_").replace(".", "_")
    codec = encodings.aliases.aliases.get(plain, plain)
    if codec not in _CODECS:
        cursor.sp()  # SORT (DATE) ALL is a command without charset, not one with an unknown one
        raise BadCharset(show(octets), CHARSETS, saving="SAVE" in (returns or ()))
    return name.upper(), codec


def _flag(flag: str, *, negate: bool = False) -> KeyParser:
    key = SearchFlag(flag, negate)
    return lambda program: key


def _keyword(negate: bool) -> KeyParser:
    def parse(program: Program) -> SearchKey:
        program.cursor.sp()
        return SearchFlag(program.cursor.atom("a keyword"), negate)

    return parse


def _field(name: str, *, addresses: bool = False) -> KeyParser:
    return lambda program: SearchHeader(name, program.text(), addresses)


def _header(program: Program) -> SearchKey:
    program.cursor.sp()
    name = program.cursor.astring("a header name").decode("latin-1")
    return SearchHeader(name, program.text())


def _date(relation: str, *, sent: bool = False) -> KeyParser:
    def parse(program: Program) -> SearchKey:
        program.cursor.sp()
        return SearchDate(relation, date_(program.cursor), sent)

    return parse


def _saved(relation: str) -> KeyParser:
    """RFC 8514 §4.3"""

    def parse(program: Program) -> SearchKey:
        program.cursor.sp()
        return SearchSaved(relation, date_(program.cursor))

    return parse


def _object_id(name: str) -> KeyParser:
    """RFC 8474 §6. Some libraries put all that is not a number into quotes: taken as well."""

    def parse(program: Program) -> SearchKey:
        program.cursor.sp()
        value = program.cursor.astring("an object id")
        if not _OBJECT_ID.fullmatch(value):
            raise program.cursor.problem("an object id has letters, digits, '-' and '_' only")
        return SearchObjectId(name, value.decode("ascii"))

    return parse


def _size(relation: str) -> KeyParser:
    def parse(program: Program) -> SearchKey:
        program.cursor.sp()
        return SearchSize(relation, program.cursor.number("a size", high=MAX_NUMBER64))

    return parse


_ENTRY_TYPES = {"ALL", "PRIV", "SHARED"}


def _modseq(program: Program) -> SearchKey:
    """`search-modsequence` (RFC 7162 §7). All of a message's flags share one mod-sequence, so the

    name of the flag that the client is curious about changes nothing (§3.1.5).
    """
    cursor = program.cursor
    cursor.sp()
    if cursor.next_is(b'"'):
        if not cursor.quoted().startswith(b"/flags/"):
            raise cursor.problem("unknown entry name")
        cursor.sp()
        if cursor.word("an entry type") not in _ENTRY_TYPES:
            raise cursor.problem("unknown entry type")
        cursor.sp()
    return SearchModseq(mod_sequence(cursor))


def _within(*, older: bool) -> KeyParser:
    def parse(program: Program) -> SearchKey:
        program.cursor.sp()
        return SearchWithin(older, program.cursor.number("an interval", low=1))

    return parse


def _uid(program: Program) -> SearchKey:
    program.cursor.sp()
    return SearchUid(sequence_set(program.cursor))


def _not(program: Program) -> SearchKey:
    program.cursor.sp()
    return SearchNot(program.key())


def _or(program: Program) -> SearchKey:
    program.cursor.sp()
    left = program.key()
    program.cursor.sp()
    return SearchOr(left, program.key())


def _fuzzy(program: Program) -> SearchKey:
    program.cursor.sp()
    program.fuzzy = True
    return SearchFuzzy(program.key())


_NEW = SearchAnd((SearchFlag(r"\Recent"), SearchFlag(r"\Seen", negate=True)))

KEYS: dict[str, KeyParser] = {
    "ALL": lambda program: SearchAll(),
    **{name.upper(): _flag(f"\\{name}") for name in ("Answered", "Deleted", "Draft")},
    **{name.upper(): _flag(f"\\{name}") for name in ("Flagged", "Recent", "Seen")},
    **{f"UN{n.upper()}": _flag(f"\\{n}", negate=True) for n in ("Answered", "Deleted", "Draft")},
    **{f"UN{n.upper()}": _flag(f"\\{n}", negate=True) for n in ("Flagged", "Seen")},
    "OLD": _flag(r"\Recent", negate=True),
    "NEW": lambda program: _NEW,
    "KEYWORD": _keyword(negate=False),
    "UNKEYWORD": _keyword(negate=True),
    **{name.upper(): _field(name, addresses=True) for name in ("Bcc", "Cc", "From", "To")},
    "SUBJECT": _field("Subject"),
    "HEADER": _header,
    "TEXT": lambda program: SearchText(program.text()),
    "BODY": lambda program: SearchText(program.text(), body_only=True),
    "BEFORE": _date("before"),
    "ON": _date("on"),
    "SINCE": _date("since"),
    "SENTBEFORE": _date("before", sent=True),
    "SENTON": _date("on", sent=True),
    "SENTSINCE": _date("since", sent=True),
    "SAVEDBEFORE": _saved("before"),
    "SAVEDON": _saved("on"),
    "SAVEDSINCE": _saved("since"),
    "SAVEDATESUPPORTED": lambda program: SearchAll(),
    "EMAILID": _object_id("EMAILID"),
    "THREADID": _object_id("THREADID"),
    "OLDER": _within(older=True),  # RFC 5032
    "YOUNGER": _within(older=False),
    "LARGER": _size("larger"),
    "SMALLER": _size("smaller"),
    "MODSEQ": _modseq,  # RFC 7162
    "UID": _uid,
    "NOT": _not,
    "OR": _or,
    "FUZZY": _fuzzy,
}
