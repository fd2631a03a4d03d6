"""Pure. Does a text occur in a message, as its reader would see it (RFC 3501 §6.4.4)?

What is searched is `header_text` and `body_text` of `mailsuite.message`: decoded, without case.
Texts to look for are folded. Meant for threads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mailsuite.message import (
    Octets,
    body_text,
    contains,
    decode_words,
    first_value,
    fold,
    header_text,
    mailboxes,
    parse_addresses,
    parse_date,
    scan,
    spaced,
    split_header,
)
from mailsuite.message.text import MAX_HEADER

_NAME = re.compile(r"[!-9;-~]+")
_REWRITTEN = re.compile(rb'[("\\\\]|\s[@.]|[@.]\s')
"""What is written otherwise in an ENVELOPE: comments, quoted strings, space around "@" and "."."""
_VALUE = re.compile(rb"[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)")


def field_texts(header: bytes, name: str) -> Iterator[str]:
    """The values of the fields called `name`, folded."""
    return (fold(decode_words(value)) for value in _values(header, name))


def _values(header: bytes, name: str) -> Iterator[bytes]:
    """The same before they are decoded."""
    if not _NAME.fullmatch(name):
        return
    wanted = name.lower().encode()
    header = b"\n" + header[: min(split_header(header)[1], MAX_HEADER)]
    lines = header.lower()
    at = lines.find(b"\n" + wanted)
    while at >= 0:
        match = _VALUE.match(header, at + 1 + len(wanted))
        if match:
            yield spaced(match[1])
        at = lines.find(b"\n" + wanted, at + 1)


def field_contains(header: bytes, name: str, needle: str) -> bool:
    """Is `needle` in a field called `name`? "" is in every such field."""
    return any(needle in text for text in field_texts(header, name))


def addresses_contain(header: bytes, name: str, needle: str) -> bool:
    """Is `needle` in a field of addresses, as it stands there or as ENVELOPE has it?"""
    for value in _values(header, name):
        if needle in fold(decode_words(value)):
            return True
        if _REWRITTEN.search(value) and any(
            needle in fold(f"{one.display_name} <{one.address}>")
            for one in mailboxes(parse_addresses(value))
        ):
            return True
    return False


def sent_day(header: bytes) -> int | None:
    """The day of the Date field, as its writer's calendar had it; a proleptic ordinal, or None."""
    value = first_value(header, b"date")
    date = parse_date(value) if value is not None else None
    return date.date().toordinal() if date is not None else None


def message_contains(data: Octets, needle: str, *, body_only: bool) -> bool:
    """Is `needle` in the message's body, or (not `body_only`) in its header?"""
    if not needle:
        return True
    root = scan(data)
    if not body_only and needle in header_text(data, root):
        return True
    return contains(body_text(data, root), needle)
