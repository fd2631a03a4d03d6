"""Pure. What IMAP wants to know of a message, computed once from its octets: the store's facets.

envelope       ENVELOPE as it goes over the wire
bodystructure  BODYSTRUCTURE as it goes over the wire; more is made of it by `structures`
parts          where each part lies, for `locate` (`mailsuite.imapd.parts`)
sort_…, thread_ids   what SORT and THREAD compare (`mailsuite.imapd.sort_keys`)
thread         THREADID as it goes over the wire
preview        PREVIEW as UTF-8

Promises: `compute` never raises, whatever the octets are; its time is linear in their number, and
what it gives is bounded by the limits of `mailsuite.message`.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import TypeAlias

from mailsuite.imapd import sort_keys
from mailsuite.imapd.parts import Located, encode_parts, locate, part_at
from mailsuite.imapd.syntax.response import string
from mailsuite.message import (
    NO_CHARSET,
    Address,
    AddressList,
    Group,
    Limits,
    Params,
    Part,
    join_continuations,
    parse_addresses,
    preview,
    scan,
    unfold,
)

__all__ = [
    "APART",
    "FACETS_VERSION",
    "NAMES",
    "Located",
    "compute",
    "header_fields",
    "locate",
    "part_at",
]

Source: TypeAlias = bytes | mmap.mmap
FACETS_VERSION = 10
"""To be raised whenever `compute` answers differently: stored values are then computed again."""
NAMES = (*sort_keys.NAMES, "thread", "preview", "envelope", "bodystructure", "parts")
"""The short ones first: SQLite reads a row up to what is asked for."""
APART = ("envelope", "bodystructure")
"""What clients ask for of whole mailboxes."""

_LIMITS = Limits()
_THREAD_IDS = sort_keys.NAMES.index("thread_ids")
_LISTS = (b"from", b"to", b"cc")
_LEAST = 1 << 12  # octets of a first field of its name that count in any case
_NAMES = rb"(?:date|subject|from|sender|reply-to|to|cc|bcc|in-reply-to|message-id|references)"
# The lines before a field wanted, and the field. It matches everywhere, so that no octet is looked
# at twice; not too many lines at once, since it lets no other thread run.
_ENVELOPE_FIELDS = re.compile(
    rb"(?:(?!%b[ \t]*+:)[^\n]*+\n){0,1000}+"
    rb"(?:(%b)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)\n?|[^\n]++|\n|\Z)" % (_NAMES, _NAMES),
    re.IGNORECASE,
)


def compute(data: Source) -> tuple[bytes, ...]:
    """The values, in the order of NAMES."""
    root = scan(data, limits=_LIMITS)
    found = _fields(data, root)
    lists = {name: _parsed(found, name) for name in _LISTS}
    keys = sort_keys.compute(found, lists)
    return (
        *keys,
        _thread_id(keys[_THREAD_IDS], data),
        preview(data, root).encode("utf-8", "replace"),
        _envelope(found, lists),
        _structure(data, root),
        encode_parts(root),
    )


def _thread_id(thread_ids: bytes, data: Source) -> bytes:
    """The objectid of a conversation (RFC 8474 §5.2): the first message that is referred to.

    A message that has no ID and refers to none is a conversation of its own.
    """
    ids = thread_ids[16:24] or thread_ids[8:16]
    if not any(ids):
        ids = blake2b(data, digest_size=8).digest()
    return b"T" + ids.hex().encode()


# -- ENVELOPE (RFC 3501 §7.4.2, RFC 9051 §7.5.2) ---------------------------------------------------

Fields: TypeAlias = dict[bytes, list[bytes]]


def _fields(data: Source, part: Part) -> Fields:
    """Lower-case name -> bodies of the fields wanted, of the message whose header `part` has.

    Of lists out of all proportion the first addresses, and no half one.
    """
    end = min(part.body_start, part.header_start + _LIMITS.header_octets)
    left = _LIMITS.value_octets
    found: Fields = {}
    for match in _ENVELOPE_FIELDS.finditer(bytes(data[part.header_start : end])):
        name, value = match.groups()
        if name is not None:
            values = found.setdefault(name.lower(), [])
            room = max(left, 0 if values else _LEAST)
            if len(value) > room:
                value = value[: value.rfind(b",", 0, room) + 1] or value[:room]
            left -= len(value)
            if room:
                values.append(value)
    return found


def _parsed(found: Fields, name: bytes) -> AddressList:
    """A field that stands there several times counts as one list (RFC 5322 §4.5.3).

    Each is read by itself, so that a quote or comment left open in one does not hide the next.
    """
    return [entry for value in found.get(name, ()) for entry in parse_addresses(value)]


def _envelope(found: Fields, lists: Mapping[bytes, AddressList]) -> bytes:
    """`lists`: of From, To and Cc, which others want too."""
    sender = _addresses(lists[b"from"], b"NIL")
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        _text(found, b"date"),
        _text(found, b"subject"),
        sender,
        # Absent or empty Sender and Reply-To are the same as From.
        _addresses(_parsed(found, b"sender"), sender),
        _addresses(_parsed(found, b"reply-to"), sender),
        _addresses(lists[b"to"], b"NIL"),
        _addresses(lists[b"cc"], b"NIL"),
        _addresses(_parsed(found, b"bcc"), b"NIL"),
        _text(found, b"in-reply-to"),
        _text(found, b"message-id"),
    )


def _text(found: dict[bytes, list[bytes]], name: bytes) -> bytes:
    """A field as it stands, unfolded: NIL if it is absent, "" if it is empty."""
    values = found.get(name)
    return _string(unfold(values[0])) if values else b"NIL"


def _addresses(entries: AddressList, absent: bytes) -> bytes:
    """An address list."""
    pieces: list[bytes] = []
    for entry in entries:
        if isinstance(entry, Group):
            pieces.append(b"(NIL NIL %b NIL)" % _string(entry.name))
            pieces += map(_address, entry.members)
            pieces.append(b"(NIL NIL NIL NIL)")
        else:
            pieces.append(_address(entry))
    return b"(%b)" % b"".join(pieces) if pieces else absent


def _address(address: Address) -> bytes:
    """`(addr-name addr-adl addr-mailbox addr-host)`.

    Without a host it is "", since NIL there would mean a group.
    """
    return b"(%b %b %b %b)" % (
        _nstring(address.name),
        _nstring(address.adl),
        _string(address.mailbox),
        _string(address.host),
    )


def _string(value: bytes) -> bytes:
    """`string`. NUL can be neither in a quoted string nor in a literal: it is left out."""
    return string(value.replace(b"\0", b"") if 0 in value else value)


def _nstring(value: bytes | None) -> bytes:
    return b"NIL" if value is None else _string(value)


# -- BODYSTRUCTURE (RFC 3501 §7.4.2, RFC 9051 §7.5.2) ----------------------------------------------


def _structure(data: Source, part: Part) -> bytes:
    """`body` in the extensible form."""
    extension = b"%b %b %b" % (
        _disposition(part),
        b"(%b)" % b" ".join(map(_string, part.language)) if part.language else b"NIL",
        _nstring(part.location),
    )
    if part.type == "multipart":
        parts = b"".join([_structure(data, each) for each in part.parts])
        subtype = _string(part.subtype.encode("ascii"))
        return b"(%b %b %b %b)" % (parts, subtype, _params(part.params), extension)
    major, minor = part.type, part.subtype
    rest = b""
    if part.message is not None:
        inner = part.message
        found = _fields(data, inner)
        lists = {name: _parsed(found, name) for name in _LISTS}
        rest = b" %b %b %d" % (_envelope(found, lists), _structure(data, inner), part.lines)
    elif major == "text":
        rest = b" %d" % part.lines
    elif major == "message" and minor in ("rfc822", "global"):
        # Encoded (which RFC 2046 §5.2.1 forbids) or nested too deeply: there is no envelope to
        # show, and without one clients could not read the structure of such a type.
        major, minor = "application", "octet-stream"
    return b"(%b %b %b %b %b %b %d%b %b %b)" % (
        _string(major.encode("ascii")),
        _string(minor.encode("ascii")),
        _params(part.params, text=part.type == "text"),
        _nstring(part.content_id),
        _nstring(part.description),
        _string(part.encoding.encode("ascii")),
        part.body_end - part.body_start,
        rest,
        _nstring(part.md5),
        extension,
    )


_CHARSETS = (b"charset", b"charset*")


def _params(params: Params, *, text: bool = False) -> bytes:
    """`body-fld-param`: continuations are put together (RFC 2231 §6).

    A text that names no charset is told to have the default one, as RFC 3501 §7.4.2 wants fields
    defaulted (RFC 2045 §5.2).
    """
    if text and all(name.lower() not in _CHARSETS for name, _ in params):
        params = (*params, *NO_CHARSET)
    if not params:
        return b"NIL"
    params = join_continuations(params)
    return b"(%b)" % b" ".join([_string(each) for pair in params for each in pair])


def _disposition(part: Part) -> bytes:
    """`body-fld-dsp`"""
    if part.disposition is None:
        return b"NIL"
    kind = _string(part.disposition.encode("ascii"))
    return b"(%b %b)" % (kind, _params(part.disposition_params))


# -- HEADER.FIELDS -------------------------------------------------------------------------------


def header_fields(block: bytes, names: Sequence[str], *, invert: bool = False) -> bytes:
    """HEADER.FIELDS, or with `invert` HEADER.FIELDS.NOT, of a header block (RFC 9051 §6.4.5).

    The fields in their order, folds and all, and the blank line if the message has one.
    """
    found = b"".join(_selector(tuple(names), invert).findall(block))
    has_blank = block.endswith((b"\n\r\n", b"\n\n")) or block in (b"\r\n", b"\n")
    return found + b"\r\n" if has_blank else found


@lru_cache(maxsize=256)
def _selector(names: tuple[str, ...], invert: bool) -> re.Pattern[bytes]:
    """A pattern whose one group is a field that is wanted; all other lines it takes as nothing."""
    wanted = b"|".join(map(_any_case, names))
    field = rb"[^\n]*+(?:\n[ \t][^\n]*+)*+\n?"
    if invert:
        pattern = rb"(?:%b)[ \t]*+:%b|\r?\n|([^\n]%b)" % (wanted, field, field)
    else:
        pattern = rb"((?:%b)[ \t]*+:%b)|[^\n]*+\n|[^\n]++" % (wanted, field)
    return re.compile(pattern)


def _any_case(name: str) -> bytes:
    """A pattern of a name. Letter pairs: alternatives of them are told apart by their first octet,
    which re.IGNORECASE keeps the engine from doing (a third of the time for a dozen names)."""
    pairs = (
        f"[{c.upper()}{c.lower()}]" if c.isascii() and c.isalpha() else re.escape(c) for c in name
    )
    return "".join(pairs).encode("latin-1", "replace")
