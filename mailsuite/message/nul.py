"""Pure. Messages with NUL octets, made such that every protocol can carry them (RFC 3516 §4.4).

Only leaves that hold a NUL are encoded in base64; everything else stays as it is, octet for octet,
so that signatures over other parts hold.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from mailsuite.message.decoding import IDENTITY
from mailsuite.message.header import Octets, fields
from mailsuite.message.part import Part
from mailsuite.message.structure import scan

_AT_ONCE = 57 * 1000
_ENCODING = "content-transfer-encoding"


def without_nul(data: Octets) -> Iterator[bytes] | None:
    """The message without a NUL, in pieces; None: it has none.

    Raises ValueError when a NUL is where no encoding can hide it: in a header, between parts, or in
    a part that is encoded already.
    """
    if data.find(b"\0") < 0:
        return None
    root = scan(data)
    at = 0
    leaves: list[Part] = []
    for part in root.walk():
        if part.parts or part.message is not None:
            continue
        if _has_nul(data, part.body_start, part.body_end):
            if part.encoding not in IDENTITY or part.header_start == part.body_start:
                raise ValueError("NUL in a part that is encoded already, or has no header")
            if _has_nul(data, at, part.body_start):
                raise ValueError("NUL outside of a body")
            leaves.append(part)
            at = part.body_end
    if _has_nul(data, at, len(data)):
        raise ValueError("NUL outside of a body")
    return _rewritten(data, root, leaves)


def _has_nul(data: Octets, start: int, end: int) -> bool:
    return data.find(b"\0", start, end) >= 0


def _rewritten(data: Octets, root: Part, leaves: list[Part]) -> Iterator[bytes]:
    at = 0
    for part in leaves:
        yield from _copied(data, at, part.header_start)
        header = bytes(data[part.header_start : part.body_start])
        kept = [f for f in fields(header) if f.raw.strip() and f.key != _ENCODING]
        raw = b"".join(field.raw for field in kept)
        if raw and not raw.endswith(b"\n"):
            raw += b"\r\n"
        if part is root and all(field.key != "mime-version" for field in kept):
            raw += b"MIME-Version: 1.0\r\n"
        yield raw + b"Content-Transfer-Encoding: base64\r\n\r\n"
        yield from _encoded(data, part.body_start, part.body_end)
        at = part.body_end
    yield from _copied(data, at, len(data))


def _copied(data: Octets, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _AT_ONCE):
        yield bytes(data[at : min(at + _AT_ONCE, end)])


def _encoded(data: Octets, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _AT_ONCE):
        stop = min(at + _AT_ONCE, end)
        lines = base64.encodebytes(bytes(data[at:stop])).replace(b"\n", b"\r\n")
        # The line end before a boundary belongs to the boundary (RFC 2046 §5.1.1).
        yield lines[:-2] if stop == end < len(data) else lines
