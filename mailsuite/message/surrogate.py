"""Pure. A message with UTF-8 in its header fields, made fit for a client that takes ASCII only.

    edits = surrogate(data)            # (): it is fit as it is
    edited = Edited(edits)
    for piece in …: send(edited.feed(piece))

After RFC 6858: the body and all fields in ASCII stay as they are. Texts become encoded words and
parameters those of RFC 2231; an address that ASCII has no form for is shown as the name of one that
leads nowhere (§2.1); other fields are left out (§2.4). `data` may be a file that is read by and by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailsuite.message.address import Address, Group, parse_addresses
from mailsuite.message.header import Field, Octets, fields
from mailsuite.message.limits import DEFAULT
from mailsuite.message.parameters import (
    Params,
    decode_params,
    parse_content_type,
    parse_disposition,
)
from mailsuite.message.structure import scan
from mailsuite.message.words import decode_words
from mailsuite.message.writing import (
    Mailbox,
    MailboxGroup,
    address_field,
    parameter_field,
    text_field,
)

NOWHERE = "invalid@internationalized-address.invalid"
LARGEST_HEADER = 1 << 20
_SLICE = 1 << 18
_TEXTS = frozenset(
    ("subject", "comments", "keywords", "content-description", "organization", "thread-topic")
)
_ADDRESSES = frozenset(
    ("from", "sender", "reply-to", "to", "cc", "bcc", "mail-followup-to", "mail-reply-to")
)


@dataclass(frozen=True, slots=True)
class Edit:
    """`octets` in the place of those from `start` to `end`."""

    start: int
    end: int
    octets: bytes

    @property
    def growth(self) -> int:
        """Octets by which the message becomes longer, or (negative) shorter."""
        return len(self.octets) - (self.end - self.start)


def is_fit(data: Octets) -> bool:
    """Whether `surrogate` would change nothing; found out in less time."""
    size = len(data)
    if all(data[at : at + _SLICE].isascii() for at in range(0, size, _SLICE)):
        return True
    return all(
        part.body_start - part.header_start <= LARGEST_HEADER
        and data[part.header_start : part.body_start].isascii()
        for part in scan(data).walk()
    )


def surrogate(data: Octets) -> tuple[Edit, ...] | None:
    """What is to be changed, in order; None: a header is too long for that.

    A large header full of addresses may take seconds: meant for threads.
    """
    if is_fit(data):
        return ()
    edits: list[Edit] = []
    for part in scan(data).walk():
        if part.body_start - part.header_start > LARGEST_HEADER:
            return None
        block = data[part.header_start : part.body_start]
        if block.isascii():
            continue
        at = part.header_start
        for field in fields(block):
            end = at + len(field.raw)
            if not field.raw.isascii():
                edits.append(Edit(at, end, _in_ascii(field)))
            at = end
    return tuple(sorted(edits, key=lambda edit: edit.start))


def _in_ascii(field: Field) -> bytes:
    """The field as it is shown; nothing where there is no way to show it."""
    key = field.key
    try:
        if key in _TEXTS or key.startswith("x-"):
            made = text_field(field.name, decode_words(field.value).strip())
        elif key.removeprefix("resent-") in _ADDRESSES:
            made = address_field(field.name, [_entry(e) for e in parse_addresses(field.unfolded)])
        elif key == "content-type":
            kind = parse_content_type(field.unfolded, DEFAULT.params)
            made = _with_params(field.name, f"{kind[0]}/{kind[1]}", kind[2]) if kind else b""
        elif key == "content-disposition":
            told = parse_disposition(field.unfolded, DEFAULT.params)
            made = _with_params(field.name, *told) if told else b""
        else:
            return b""
    except ValueError:  # nothing that could be written as such a field
        return b""
    return made if made.isascii() else b""


def _with_params(name: str, value: str, params: Params) -> bytes:
    return parameter_field(name, value, decode_params(params))


def _entry(entry: Address | Group) -> Mailbox | MailboxGroup:
    if isinstance(entry, Group):
        return MailboxGroup(entry.display_name, tuple(map(_mailbox, entry.members)))
    return _mailbox(entry)


def _mailbox(address: Address) -> Mailbox:
    """An internationalised domain has an ASCII form, a local part has none."""
    found = Mailbox(address.display_name, address.address)
    if address.mailbox.isascii() and address.host:
        try:
            address_field("To", [found])
        except ValueError:
            pass
        else:
            return found
    shown = f"{found.name} <{found.address}>" if found.name else found.address
    return Mailbox(shown, NOWHERE)


class Edited:
    """Applies edits to a message that comes in pieces."""

    __slots__ = ("_at", "_begun", "_edits", "_next")

    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits = edits
        self._next = 0
        self._begun = False  # the octets of the next edit have been given
        self._at = 0

    def feed(self, data: bytes) -> bytes:
        """The next piece, edited."""
        start, end = self._at, self._at + len(data)
        at, made = start, list[bytes]()
        while self._next < len(self._edits) and self._edits[self._next].start < end:
            edit = self._edits[self._next]
            if not self._begun:
                made += [data[at - start : edit.start - start], edit.octets]
            at = min(edit.end, end)
            self._begun = edit.end > end
            if self._begun:
                break
            self._next += 1
        made.append(data[at - start :])
        self._at = end
        return b"".join(made)
