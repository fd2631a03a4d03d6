"""Pure. Messages composed: text, attachments of any type, parts in parts, messages in messages.

    body = multipart("mixed", [text("Hello"), attachment(read, "application/pdf", about=…)])
    for piece in compose(Heading(from_=…, to=…, subject=…, date=…, message_id=…), body): …

Promises: bodies are read in pieces and never held, twice at most (to look at, to write); encodings
are chosen by row X2; header fields stand in the order of row M3; a boundary occurs in no part.
"""

import codecs
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from mailsuite.message.charset import codec_name
from mailsuite.message.date import format_date
from mailsuite.message.flowed import flow
from mailsuite.message.traits import MAX_LINE, Traits, examine
from mailsuite.message.transfer import choose_encoding, encode
from mailsuite.message.writing import (
    Mailbox,
    MailboxGroup,
    address_field,
    parameter_field,
    structured_field,
    text_field,
)

Read: TypeAlias = Callable[[], Iterable[bytes]]
"""Gives the octets of a body from the start, in pieces; it is called more than once."""
Domain: TypeAlias = Literal["7bit", "8bit", "binary"]
_DOMAINS: tuple[Domain, ...] = ("7bit", "8bit", "binary")


@dataclass(frozen=True, slots=True)
class Entity:
    """A part, ready to be written.

    fields  its content fields, whole lines
    read    its body, encoded
    domain  what the way must take for it
    holds   whether a line of the body could begin with the delimiter that it is given
    """

    fields: tuple[bytes, ...]
    read: Read
    holds: Callable[[bytes], bool]
    domain: Domain = "7bit"


@dataclass(frozen=True, slots=True)
class Heading:
    """The header fields of a message; what is empty is left away.

    date        seconds since 1970; offset: of the sender's zone, in minutes east of Greenwich
    message_id  with its angle brackets, as all message ids here
    others      further fields: (name, text)
    utf8        the message is sent with SMTPUTF8
    """

    date: float
    from_: Sequence[Mailbox]
    message_id: str = ""
    offset: int = 0
    subject: str = ""
    sender: Mailbox | None = None
    reply_to: Sequence[Mailbox] = ()
    to: Sequence[Mailbox | MailboxGroup] = ()
    cc: Sequence[Mailbox | MailboxGroup] = ()
    in_reply_to: str = ""
    references: str = ""
    others: Sequence[tuple[str, str]] = ()
    utf8: bool = False

    def lines(self) -> list[bytes]:
        """The fields, in the order of row M3. ValueError for a bad address or field name."""
        found = [structured_field("Date", format_date(self.date, offset=self.offset).decode())]
        found.append(address_field("From", self.from_, utf8=self.utf8))
        if self.subject:
            found.append(text_field("Subject", self.subject, utf8=self.utf8))
        addresses: tuple[tuple[str, Sequence[Mailbox | MailboxGroup]], ...] = (
            ("Sender", (self.sender,) if self.sender is not None else ()),
            ("To", self.to),
            ("Cc", self.cc),
            ("Reply-To", self.reply_to),
        )
        found += [address_field(name, who, utf8=self.utf8) for name, who in addresses if who]
        ids = (
            ("Message-ID", self.message_id),
            ("In-Reply-To", self.in_reply_to),
            ("References", self.references),
        )
        found += [structured_field(name, value) for name, value in ids if value]
        return found + [text_field(name, value, utf8=self.utf8) for name, value in self.others]


@dataclass(frozen=True, slots=True)
class About:
    """What is said of a part beside its content (RFC 2183, RFC 2045 §7, §8).

    disposition  "attachment", "inline", or "" for none
    filename     any characters (RFC 2231)
    content_id   without its angle brackets; `cid:` URLs name it (RFC 2392)
    """

    disposition: str = ""
    filename: str = ""
    content_id: str = ""
    description: str = ""
    others: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> list[bytes]:
        """The fields."""
        found: list[bytes] = []
        if self.disposition or self.filename:
            params = {"filename": self.filename} if self.filename else {}
            kind = self.disposition or "attachment"
            found.append(parameter_field("Content-Disposition", kind, params))
        if self.content_id:
            found.append(structured_field("Content-ID", f"<{self.content_id}>"))
        if self.description:
            found.append(text_field("Content-Description", self.description))
        return found + [text_field(name, value) for name, value in self.others.items()]


NOTHING = About()


def compose(heading: Heading, body: Entity) -> Iterator[bytes]:
    """The message, piece by piece. ValueError (at once) for a bad address or field name."""
    head = b"".join([*heading.lines(), b"MIME-Version: 1.0\r\n", *body.fields])
    return _message(head, body)


def text(
    content: str,
    subtype: str = "plain",
    *,
    charset: str = "",
    eight_bit: bool = False,
    flowed: bool = False,
    about: About = NOTHING,
) -> Entity:
    """A text part. Line ends become CRLF, also the last one.

    charset    tried first; what it can't hold is written in UTF-8. ASCII is always us-ascii
    eight_bit  the way takes 8BITMIME
    flowed     long lines are broken so that readers join them again (RFC 3676)
    """
    content = content.replace("\r\n", "\n").replace("\r", "\n")
    lines = (flow(content) if flowed else content).split("\n")
    if lines[-1]:
        lines.append("")
    joined = "\r\n".join(lines)
    octets, charset = _in_charset(joined, charset)
    traits = examine(octets)
    encoding = choose_encoding(traits, text=True, eight_bit=eight_bit)
    return _encoded(
        lambda: (octets,),
        parameter_field(
            "Content-Type",
            f"text/{subtype}",
            {"charset": charset} | ({"format": "flowed"} if flowed else {}),
        ),
        encoding,
        about,
    )


def attachment(
    read: Read,
    content_type: str,
    *,
    params: Mapping[str, str] | None = None,
    about: About = NOTHING,
) -> Entity:
    """Octets of any type, which arrive as they are. message/rfc822 is taken by `message`.

    Text with lawful line ends is treated as text; what is no text, or has other line ends, so that
    nothing changes on the way, becomes base64. A text is told to be in UTF-8 where it is, else in
    "unknown-8bit" (RFC 1428 §2), for without a charset it would be ASCII (RFC 2046 §4.1.2).
    """
    traits = measure(read())
    is_text = content_type.startswith("text/")
    encoding = choose_encoding(traits, text=is_text and not traits.odd)
    told = dict(params or {})
    if is_text and traits.high and "charset" not in told:
        told["charset"] = "utf-8" if _is_utf8(read()) else "unknown-8bit"
    return _encoded(read, parameter_field("Content-Type", content_type, told), encoding, about)


def message(read: Read, *, about: About = NOTHING) -> Entity:
    """A message inside a message, octet by octet (RFC 2046 §5.2.1). It may be 8bit or binary.

    Lines of more than 998 octets make it binary, too (RFC 2045 §2.8).
    """
    traits = measure(read())
    domain: Domain = "7bit" if traits.plain else "8bit"
    if traits.odd or traits.long_line:
        domain = "binary"
    fields = [b"Content-Type: message/rfc822\r\n", _label(domain), *about.lines()]
    return Entity(tuple(fields), read, lambda needle: _contains(read(), needle), domain)


def multipart(
    subtype: str,
    parts: Sequence[Entity],
    *,
    params: Mapping[str, str] | None = None,
    preamble: str = "",
    about: About = NOTHING,
) -> Entity:
    """Parts in a multipart, at least one; its boundary begins no line of any of them.

    The boundary is made of the parts' header fields, and made anew until it fits, so the same parts
    give the same octets.
    """
    if not parts:
        raise ValueError("a multipart needs a part")
    boundary = _boundary(parts)
    domain = _DOMAINS[max(_DOMAINS.index(part.domain) for part in parts)]
    first = f"{preamble}\r\n" if preamble else ""
    value = parameter_field(
        "Content-Type", f"multipart/{subtype}", {**(params or {}), "boundary": boundary}
    )

    def read() -> Iterator[bytes]:
        yield first.encode("ascii", "replace")
        for part in parts:
            yield f"--{boundary}\r\n".encode("ascii") + b"".join(part.fields)
            yield b"\r\n"
            yield from part.read()
            yield b"\r\n"
        yield f"--{boundary}--\r\n".encode("ascii")

    def holds(needle: bytes) -> bool:
        return needle.startswith(f"--{boundary}".encode("ascii")) or any(
            part.holds(needle) for part in parts
        )

    return Entity((value, _label(domain), *about.lines()), read, holds, domain)


def measure(pieces: Iterable[bytes]) -> Traits:
    """The traits of octets that come in pieces."""
    traits = Traits()
    held = b""
    for piece in pieces:
        held += piece
        cut = held.rfind(b"\n") + 1
        if not cut and len(held) > MAX_LINE + 2:
            # A line of any length; a CR at the end may belong to a CRLF.
            cut = len(held) - held.endswith(b"\r")
            traits |= Traits(long_line=True)
        if cut:
            traits |= examine(held[:cut])
            held = held[cut:]
    return traits | examine(held)


def _is_utf8(pieces: Iterable[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for piece in pieces:
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _encoded(read: Read, content_type: bytes, encoding: str, about: About) -> Entity:
    fields = (content_type, _label(encoding), *about.lines())
    if encoding in ("7bit", "8bit"):
        domain: Domain = "8bit" if encoding == "8bit" else "7bit"
        return Entity(fields, read, lambda needle: _contains(read(), needle), domain)
    # No line of these begins with "--".
    return Entity(fields, lambda: encode(read(), encoding), lambda needle: False)


def _label(encoding: str) -> bytes:
    return f"Content-Transfer-Encoding: {encoding}\r\n".encode("ascii")


def _in_charset(content: str, charset: str) -> tuple[bytes, str]:
    """Text in the first charset that holds it, and that charset's name."""
    if content.isascii():
        return content.encode("ascii"), "us-ascii"
    codec = codec_name(charset) if charset else None
    if codec is not None:
        try:
            return content.encode(codec), charset
        except UnicodeEncodeError:
            pass
    return content.encode("utf-8", "replace"), "utf-8"


def _message(head: bytes, body: Entity) -> Iterator[bytes]:
    """The message; what ends it ends with a line end."""
    yield head + b"\r\n"
    end = b"\r\n"
    for piece in body.read():
        yield piece
        end = (end + piece)[-2:]
    if end != b"\r\n":
        yield b"\r\n"


def _boundary(parts: Sequence[Entity]) -> str:
    seed = hashlib.sha256(b"\0".join(line for part in parts for line in part.fields))
    while True:
        # "=_" is in no quoted-printable and no base64 text (RFC 2045 §6.7).
        boundary = f"=_{seed.hexdigest()[:32]}"
        needle = f"--{boundary}".encode("ascii")
        if not any(part.holds(needle) for part in parts):
            return boundary
        seed.update(needle)


def _contains(pieces: Iterable[bytes], needle: bytes) -> bool:
    held = b""
    for piece in pieces:
        held += piece
        if needle in held:
            return True
        held = held[-len(needle) :]
    return False
