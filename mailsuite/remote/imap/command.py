"""Pure. Commands as octets: quoted strings, literals, sets of UIDs (RFC 9051 §9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

MAX_SET = 8000
"""Octets of a set in one command; servers have bounds on their lines."""


def string(octets: bytes) -> bytes | None:
    """A quoted string; None: it takes a literal (RFC 9051 §4.3)."""
    if not octets.isascii() or any(octet in octets for octet in (b"\r", b"\n", b"\0")):
        return None
    return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def sets(uids: Iterable[int], most: int) -> Iterator[tuple[list[int], bytes]]:
    """Ascending UIDs in groups of `most`: each group, and its sequence set."""
    group: list[int] = []
    text = bytearray()
    first = last = 0
    for uid in uids:
        if group and uid == last + 1:
            last = uid
        else:
            if group:
                text += _range(first, last) + b","
            first = last = uid
        group.append(uid)
        if len(group) >= most or len(text) > MAX_SET:
            yield group, bytes(text + _range(first, last))
            group = []
            text.clear()
    if group:
        yield group, bytes(text + _range(first, last))


def _range(first: int, last: int) -> bytes:
    return b"%d" % first if first == last else b"%d:%d" % (first, last)
