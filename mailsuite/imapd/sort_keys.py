"""Pure. What SORT and THREAD want to know of a message, computed once: facets beside the envelope.

sort_date         the Date field: seconds since the epoch in UTC, 8 octets; none: it names no date
sort_subject      the base subject (RFC 5256 §2.1)
sort_from …       mailbox of the first address (RFC 5256), sort_displayfrom … its name (RFC 5957)
thread_ids        8 octets each: 1 for a reply or forward, else 0; the message's ID; its references

Texts are folded (RFC 5255, i;unicode-casemap) and in UTF-8, so that they compare as they are; those
that could not be decoded come after all others, by an octet that UTF-8 has not (§4.6). An ID is
eight octets of its hash, 0 where there is none. Never raises.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping, Sequence

from mailsuite.message import (
    Address,
    AddressList,
    base_subject,
    decode_words,
    fold,
    message_ids,
    parse_date,
    unfold,
)

NAMES = (
    "sort_date",
    "sort_subject",
    "sort_from",
    "sort_to",
    "sort_cc",
    "sort_displayfrom",
    "sort_displayto",
    "thread_ids",
)
UNREADABLE = "\ufffd"
MAX_TEXT = 1000
"""Characters of a text that count."""

Found = Mapping[bytes, Sequence[bytes]]
"""Lower-case field name -> bodies, in order."""


def compute(found: Found, addresses: Mapping[bytes, AddressList]) -> tuple[bytes, ...]:
    """The values, in the order of NAMES. `addresses`: those of the From, To and Cc fields."""
    subject = base_subject(_first(found, b"subject"))
    sender, to, cc = (addresses[name][:1] for name in (b"from", b"to", b"cc"))
    return (
        _date(_first(found, b"date")),
        _text(subject.base),
        _mailbox(sender),
        _mailbox(to),
        _mailbox(cc),
        _display(sender),
        _display(to),
        _ids(found, reply=subject.reply),
    )


def _first(found: Found, name: bytes) -> bytes:
    values = found.get(name)
    return values[0] if values else b""


def _date(value: bytes) -> bytes:
    date = parse_date(value, any_time=True) if value else None
    return b"" if date is None else int(date.timestamp()).to_bytes(8, "little", signed=True)


def _text(text: str) -> bytes:
    folded = fold(text[:MAX_TEXT])
    octets = folded.encode("utf-8", "replace")
    return b"\xff" + octets if UNREADABLE in folded else octets


def _mailbox(first: AddressList) -> bytes:
    """addr-mailbox of the ENVELOPE's first address, which of a group is its name."""
    if not first:
        return b""
    entry = first[0]
    return _text(decode_words(entry.mailbox if isinstance(entry, Address) else entry.name))


def _display(first: AddressList) -> bytes:
    """RFC 5957 §3: the name, or mailbox@host, or the mailbox alone."""
    if first and isinstance(entry := first[0], Address):
        if name := entry.display_name.strip():
            return _text(name)
        if entry.host:
            return _text(decode_words(b"%b@%b" % (entry.mailbox, entry.host)))
    return _mailbox(first)


def _ids(found: Found, *, reply: bool) -> bytes:
    """RFC 5256 §3: References, else the first ID in In-Reply-To."""
    own = message_ids(_first(found, b"message-id"))[:1]
    references = message_ids(b" ".join(map(unfold, found.get(b"references", ()))))
    if not references:
        references = message_ids(_first(found, b"in-reply-to"))[:1]
    ids = array("Q", (reply, _hash(own[0]) if own else 0))
    ids.extend(map(_hash, references))
    return ids.tobytes()


def _hash(message_id: bytes) -> int:
    """Neither 0 nor 1."""
    digest = hashlib.blake2b(message_id, digest_size=8).digest()
    return max(int.from_bytes(digest, "little"), 2)
