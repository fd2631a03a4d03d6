"""Pure. Does a text occur in a message, as its reader would see it (RFC 3501 §6.4.4)?

Header fields are unfolded and their encoded words decoded, bodies decoded from their transfer
encoding and charset. Comparison is without case. Raw encodings are never searched: base64 that
happens to spell a word is no match. Meant for threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailsuite.message import (
    Part,
    decode_body,
    decode_text,
    decode_words,
    fields,
    first_field,
    fold,
    parse_date,
    scan,
)


def field_contains(header: bytes, name: str, needle: str) -> bool:
    """Is `needle` (folded) in a field called `name`? "" is in every such field."""
    wanted = name.lower()
    for field in fields(header):
        if field.key == wanted and (not needle or needle in fold(decode_words(field.unfolded))):
            return True
    return False


def sent_day(header: bytes) -> int | None:
    """The day of the Date field, as its writer's calendar had it; a proleptic ordinal, or None."""
    field = first_field(fields(header), "date")
    date = parse_date(field.value) if field is not None else None
    return date.date().toordinal() if date is not None else None


def message_contains(data: bytes, needle: str, *, body_only: bool) -> bool:
    """Is `needle` (folded) in the message's body, or (not `body_only`) in its header?"""
    if not needle:
        return True
    return any(needle in fold(text) for text in _texts(data, body_only=body_only))


def containing(messages: Sequence[tuple[int, bytes]], needle: str, *, body_only: bool) -> list[int]:
    """The numbers of those of the messages (number, octets) that contain `needle`."""
    return [
        number for number, data in messages if message_contains(data, needle, body_only=body_only)
    ]


def _texts(data: bytes, *, body_only: bool) -> Iterator[str]:
    root = scan(data)
    if not body_only:
        yield from _header_texts(data, root)
    for part in root.walk():
        if part is not root:
            # Headers of parts and of enclosed messages belong to the body.
            yield from _header_texts(data, part)
        if part.parts or part.message is not None:
            continue
        octets = data[part.body_start : part.body_end]
        if part.type in ("text", "message"):
            yield decode_text(decode_body(octets, part.encoding), part.charset)
        elif part.encoding != "base64":
            # Something readable perhaps, such as application/json; never a picture's octets.
            yield decode_text(decode_body(octets, part.encoding))


def _header_texts(data: bytes, part: Part) -> Iterator[str]:
    for field in fields(data[part.header_start : part.body_start]):
        yield f"{field.name}: {decode_words(field.unfolded)}"
