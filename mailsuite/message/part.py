"""Pure. The tree of a message's parts: offsets and content fields, no octets.

A Part names ranges of the message it was scanned from. In IMAP terms (RFC 9051 §6.4.5):

    BODY[n.MIME]            header_start … body_start  of part n
    BODY[n]                 body_start … body_end      of part n
    BODY[n.HEADER], [HEADER] header_start … body_start of part n's `message`, of the root
    BODY[n.TEXT], [TEXT]    body_start … body_end      of part n's `message`, of the root
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mailsuite.message.parameters import Params, decode_params

NO_CHARSET: Params = ((b"charset", b"us-ascii"),)
"""What RFC 2045 §5.2 has assumed for a part without a (valid) Content-Type."""


@dataclass(slots=True)
class Part:
    """One entity: a message, or a part of a multipart.

    header_start, body_start, body_end  offsets into the message. The header's blank line belongs to
                       the header; the line end before a boundary belongs to the boundary. The
                       header's fields: `fields(data[part.header_start : part.body_start])`
    type, subtype      lower-case; "text", "plain" where Content-Type is missing or invalid
    params             of Content-Type, as written but unquoted; decoded by `parameters`
    encoding           Content-Transfer-Encoding in lower case, "7bit" where missing
    content_id, description, md5, location    field bodies, unfolded, or None
    language           the tags of Content-Language
    disposition        lower-case, or None; disposition_params like params
    lines              number of line ends in the body (RFC 9051 §7.5.2, body-fld-lines)
    parts              parts of a multipart. Never empty when type is "multipart": without any
                       delimiter line the body is taken as one text/plain part
    message            the message in a message/rfc822 or message/global part, unless it is encoded
                       or too deep
    """

    header_start: int
    body_start: int
    body_end: int
    type: str = "text"
    subtype: str = "plain"
    params: Params = NO_CHARSET
    encoding: str = "7bit"
    content_id: bytes | None = None
    description: bytes | None = None
    disposition: str | None = None
    disposition_params: Params = ()
    md5: bytes | None = None
    language: tuple[bytes, ...] = ()
    location: bytes | None = None
    lines: int = 0
    parts: list[Part] = field(default_factory=list)
    message: Part | None = None

    @property
    def content_type(self) -> str:
        """ "text/plain" """
        return f"{self.type}/{self.subtype}"

    @property
    def parameters(self) -> dict[str, str]:
        """Content-Type parameters as text, by lower-case name."""
        return decode_params(self.params)

    @property
    def charset(self) -> str:
        """The charset parameter, "us-ascii" where there is none."""
        return self.parameters.get("charset") or "us-ascii"

    @property
    def filename(self) -> str | None:
        """The decoded file name of Content-Disposition, or else the name of Content-Type."""
        name = decode_params(self.disposition_params).get("filename")
        return name if name is not None else self.parameters.get("name")

    def walk(self) -> Iterator[Part]:
        """This part and all below it, in the order of the message."""
        stack = [self]
        while stack:
            part = stack.pop()
            yield part
            if part.message is not None:
                stack.append(part.message)
            stack.extend(reversed(part.parts))


def section(root: Part, numbers: Sequence[int]) -> Part | None:
    """The part with an IMAP part number, (1, 2) for BODY[1.2], or None if there is none.

    A message that is no multipart has one part, 1: its body. The Part given for it is the message
    itself, whose body range is the part's.
    """
    part = root
    is_message = True
    for number in numbers:
        if not is_message and part.message is not None:
            part = part.message
            is_message = True
        if part.parts:
            if not 1 <= number <= len(part.parts):
                return None
            part = part.parts[number - 1]
        elif not is_message or number != 1:
            return None
        is_message = False
    return part
