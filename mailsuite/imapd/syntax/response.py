"""Pure. Values into the octets of responses (RFC 9051 §7, §9)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def quoted(value: bytes) -> bytes:
    """`quoted`: only for 7-bit text without CR, LF and NUL."""


def string(value: bytes) -> bytes:
    """`string`: quoted where possible, else literal."""


def nstring(value: bytes | None) -> bytes:
    """`nstring`: NIL for None."""


def literal(value: bytes, *, binary: bool = False) -> bytes:
    """`literal` or `literal8`: `{n}` CRLF octets."""


def literal_head(size: int, *, binary: bool = False) -> bytes:
    """`{n}` CRLF, for octets that follow on their own."""


def text(value: str) -> bytes:
    """A `text` safe for a response line: no CR, LF, NUL; other characters as UTF-8."""


def astring(value: str, *, utf8: bool = False) -> bytes:
    """`astring`."""


def mailbox(name: str, *, utf8: bool = False) -> bytes:
    """A mailbox name: modified UTF-7, or UTF-8 when the session has enabled it."""


def flag_list(flags: Iterable[str]) -> bytes:
    r"""(\Seen $Forwarded): system flags first, then keywords, each sorted."""


def internal_date(epoch: float) -> bytes:
    """`date-time` in quotes: "23-Nov-2026 09:00:00 +0000"."""


def sequence_set(numbers: Sequence[int]) -> bytes:
    """Ascending numbers as 1:5,7,9:12; `numbers` must not be empty. Also array('I')."""


def section(item: object) -> bytes:
    """The name of a FETCH item as its answer repeats it: BODY[1.HEADER.FIELDS (FROM)]<0>."""
