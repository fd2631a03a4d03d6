"""Pure. What is wrong with a message, in words: for people who look into one.

Never raises, linear time. Nothing here is asked for by the doors, which take mail as it is.
"""

import codecs
import re
from collections.abc import Iterator

from mailsuite.message.charset import codec_name
from mailsuite.message.date import parse_date
from mailsuite.message.header import fields
from mailsuite.message.part import Part
from mailsuite.message.structure import boundary_of
from mailsuite.message.traits import SLICE, Source, Traits, examine

# Fields that a message has once at most (RFC 5322 §3.6).
_ONCE = (
    "date", "from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to",
    "references", "subject", "mime-version",
)  # fmt: skip
_ONCE_A_PART = ("content-type", "content-transfer-encoding", "content-id", "content-disposition")
_IDENTITY = ("7bit", "8bit", "binary")
_ENCODINGS = (*_IDENTITY, "quoted-printable", "base64")
_BASE64 = bytes(
    set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n")
)
_BAD_QUOTE = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n)")
_LOOKED_AT = 1 << 18
UNKNOWN = "unknown-8bit"
"""The charset of texts of which nobody knows it (RFC 1428 §2)."""


def line_ends(data: Source) -> str:
    """ "CRLF", "LF" for a file as other programs keep it, or "mixed"; "" without any."""
    traits = examine(data)
    lf = data.find(b"\n") >= 0
    crlf = data.find(b"\r\n") >= 0
    if not lf:
        return ""
    if not crlf:
        return "LF"
    return "mixed" if traits.odd else "CRLF"


def message_defects(data: Source, root: Part) -> list[str]:
    """Of the header fields of a message, the whole one or one inside."""
    return list(_fields(data, root))


def part_defects(data: Source, part: Part) -> list[str]:
    """Of one part: its content fields and its body."""
    return [*_content_fields(data, part), *_body(data, part)]


def _fields(data: Source, part: Part) -> Iterator[str]:
    head = data[part.header_start : min(part.body_start, part.header_start + _LOOKED_AT)]
    found = fields(head)
    names = [field.key for field in found]
    for field in found:
        if not field.name and (field.raw.strip() or found[-1] is not field):
            yield f"a line of the header is no field: {_shown(field.raw)}"
    for name in _ONCE:
        if names.count(name) > 1:
            yield f"the field {name} is there {names.count(name)} times"
    traits = examine(head)
    if traits.high:
        yield "8-bit octets in header fields, which only SMTPUTF8 allows"
    if traits.long_line:
        yield "a line of the header has more than 998 octets"
    for name in ("date", "from"):
        if name not in names:
            yield f"no field {name.capitalize()}"
    dates = [field for field in found if field.key == "date"]
    if dates and parse_date(dates[0].unfolded) is None:
        yield f"the date can't be read: {_shown(dates[0].unfolded)}"
    if "mime-version" not in names and any(name.startswith("content-") for name in names):
        yield "content fields without MIME-Version"


def _content_fields(data: Source, part: Part) -> Iterator[str]:
    head = data[part.header_start : min(part.body_start, part.header_start + _LOOKED_AT)]
    names = [field.key for field in fields(head)]
    for name in _ONCE_A_PART:
        if names.count(name) > 1:
            yield f"the field {name} is there {names.count(name)} times"


def _body(data: Source, part: Part) -> Iterator[str]:
    if part.type == "multipart":
        yield from _multipart(data, part)
        return
    if part.encoding not in _ENCODINGS:
        yield f"the encoding {part.encoding} is not known"
    if part.message is not None:
        return
    if part.type == "message" and part.subtype == "rfc822":
        yield (
            "a message inside may not be encoded"
            if part.encoding not in _IDENTITY
            else ("nested too deep to be looked at")
        )
    traits = examine(data, part.body_start, part.body_end)
    if traits.high and part.encoding not in ("8bit", "binary"):
        yield f"8-bit octets in a part labelled {part.encoding}"
    if traits.long_line and part.encoding != "binary":
        yield "a line has more than 998 octets"
    if part.encoding == "base64" and _strays(data, part):
        yield "characters that are not base64"
    if part.encoding == "quoted-printable" and _BAD_QUOTE.search(
        data, part.body_start, part.body_end
    ):
        yield "an = that begins no quoted octet"
    if part.type == "text":
        yield from _charset(data, part, traits)


def _multipart(data: Source, part: Part) -> Iterator[str]:
    if part.encoding not in _IDENTITY:
        yield f"a multipart may not be encoded ({part.encoding})"
    boundary = boundary_of(part)
    if boundary is None:
        yield "no boundary"
        return
    first = part.parts[0]
    if first.header_start == part.body_start:
        start = data[part.body_start : part.body_start + len(boundary) + 2]
        if start != b"--" + boundary:
            yield "the boundary begins no line"
            return
    closing = data.find(b"--" + boundary + b"--", part.parts[-1].body_end, part.body_end + 1)
    if closing < 0:
        yield "the closing boundary is missing"


def _charset(data: Source, part: Part, traits: Traits) -> Iterator[str]:
    codec = codec_name(part.charset)
    if part.charset.lower() == UNKNOWN:
        return
    if codec is None:
        yield f"the charset {part.charset} is not known"
    elif part.encoding in _IDENTITY and traits.high:
        decoder = codecs.getincrementaldecoder(codec)()
        try:
            for at in range(part.body_start, part.body_end, SLICE):
                decoder.decode(data[at : min(at + SLICE, part.body_end)])
            decoder.decode(b"", final=True)
        except UnicodeError:
            yield f"the text is not {part.charset}"


def _strays(data: Source, part: Part) -> bool:
    for at in range(part.body_start, part.body_end, SLICE):
        piece = data[at : min(at + SLICE, part.body_end)]
        if len(piece.translate(None, _BASE64)) < len(piece):
            return True
    return False


def _shown(octets: bytes) -> str:
    text = octets.strip().decode("utf-8", "replace")
    return repr(text if len(text) <= 60 else text[:57] + "…")
