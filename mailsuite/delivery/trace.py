"""Pure. The trace fields of final delivery, and the loop that they make visible.

RFC 5321 §4.4: Return-Path comes first and holds the envelope's sender; any that came along are left
out then, and only then: a host that passes mail on does not touch them. Delivered-To names the
recipient as the envelope has it; a message that comes by again with the same name goes in circles.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from mailsuite.mail import Envelope
from mailsuite.message import address_key, delivered_to, split_header, without_return_path

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def local_prefix(envelope: Envelope) -> bytes:
    """What local delivery puts before a message to the one recipient of `envelope`."""
    return return_path(envelope.sender) + delivered(envelope.recipients[0].address)


def return_path(sender: str) -> bytes:
    """The Return-Path field; "" is the null reverse-path."""
    return b"Return-Path: <%s>\r\n" % _clean(sender)


def delivered(address: str) -> bytes:
    """The Delivered-To field."""
    return b"Delivered-To: %s\r\n" % _clean(address)


def envelope_to(addresses: Iterable[str]) -> bytes:
    """The X-Envelope-To field: recipients of mail that was captured instead of sent."""
    return b"X-Envelope-To: %s\r\n" % b",\r\n ".join(b"<%s>" % _clean(one) for one in addresses)


def passed(header: bytes) -> set[str]:
    """Whom a message has been delivered to, by its header block (the body may follow it)."""
    return {key_of(address) for address in delivered_to(header)}


@dataclass(frozen=True, slots=True)
class Head:
    """The header block that a message came with, or as much of it as is looked at.

    passed  as the function of this name
    size    its octets, the blank line too
    own     the block without its Return-Path fields; None: it has none
    """

    passed: set[str]
    size: int
    own: bytes | None

    @classmethod
    def of(cls, octets: bytes) -> Self:
        """Of a message, or its beginning."""
        size, _ = split_header(octets)
        block = octets[:size]
        own = without_return_path(block)
        return cls(passed(block), size, None if own == block else own)


def key_of(address: str) -> str:
    """Addresses that are the same have the same key."""
    try:
        return address_key(address)
    except ValueError:
        return address.casefold()


def _clean(address: str) -> bytes:
    """The address as UTF-8 (RFC 6532 §3.2) on one line, whoever made it."""
    return _CONTROL.sub("?", address).encode("utf-8", "replace")
