"""Pure. What IMAP wants to know of a message, computed once from its octets: the store's facets.

Promises: `compute` never raises, whatever the octets are.
"""

from __future__ import annotations

from collections.abc import Collection

from mailsuite.imapd.syntax.model import Section

FACETS_VERSION = 1
NAMES = ("envelope", "bodystructure", "parts")


def compute(data: bytes) -> tuple[bytes, bytes, bytes]:
    """ENVELOPE and BODYSTRUCTURE as they go over the wire, and the parts table for `locate`."""


def body(bodystructure: bytes) -> bytes:
    """BODY (the non-extensible form) from BODYSTRUCTURE's octets."""


def locate(parts: bytes, section: Section) -> tuple[int, int] | None:
    """The octets [start, end) of the file that answer BODY[section]; None: there is no such part
    (answer NIL). For HEADER.FIELDS[.NOT] the range of the whole header: see `header_fields`."""


def part_encoding(parts: bytes, part: tuple[int, ...]) -> tuple[str, str] | None:
    """(content type "text/plain", transfer encoding "BASE64") of a part; None: no such part."""


def header_fields(block: bytes, names: Collection[str], *, invert: bool = False) -> bytes:
    """HEADER.FIELDS / HEADER.FIELDS.NOT (`invert`) of a header block: the fields in their order
    with their folds, and the blank line (RFC 9051 §6.4.5)."""
