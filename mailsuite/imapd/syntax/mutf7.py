"""Pure. Modified UTF-7 of mailbox names (RFC 3501 §5.1.3)."""

from __future__ import annotations


def encode(name: str) -> bytes:
    """Modified UTF-7; always 7-bit."""


def decode(octets: bytes) -> str:
    """Strict: raises ValueError for anything that `encode` would not have produced."""


def decode_tolerant(octets: bytes) -> str:
    """Never raises: what isn't modified UTF-7 is taken literally, as UTF-8 where it is that."""
