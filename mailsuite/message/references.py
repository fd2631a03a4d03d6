"""Pure. Message IDs of Message-ID, References and In-Reply-To fields, in one form for comparing.

Linear time, never raises. Quoting and white space are no part of an ID (RFC 5256 §3: `<"a"@b>` is
`<a@b>`); case is.
"""

from __future__ import annotations

import re

from mailsuite.message.parameters import strip_comments

MAX_IDS = 500
"""IDs of one field that count: the first and the last ones (RFC 5537 §3.4.4 trims like that)."""

# msg-id with the white space that obs-id-left and obs-id-right let in (RFC 5322 §3.6.4, §4.5.4).
_ID = re.compile(
    rb"""< ( (?: "(?:[^"\\]++|\\.)*+" | [^\s"<>@\[\]\\(),:;]++ | \s++ )++ )
       @ ( (?: \[[^\[\]<>\s]*+\] | [^\s"<>@\[\]\\(),:;]++ | \s++ )++ ) >""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(rb'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_SPACE = re.compile(rb"\s++")


def message_ids(value: bytes) -> list[bytes]:
    """The valid message IDs of a field body, in order, without angle brackets and comments."""
    if b"(" in value:
        value = strip_comments(value, inside_words=True)
    found = _ID.findall(value)
    if len(found) > MAX_IDS:
        found = [found[0], *found[1 - MAX_IDS :]]
    return [
        normal for left, right in found if (normal := _normal(left, right)).strip(b"@") == normal
    ]


def _normal(left: bytes, right: bytes) -> bytes:
    """`left@right`; one of them empty shows in an @ at that end."""
    if b'"' in left:
        left = b"".join(
            _PAIR.sub(rb"\1", piece) if quoted else _SPACE.sub(b"", piece)
            for quoted, piece in _pieces(left)
        )
    else:
        left = _SPACE.sub(b"", left)
    return left + b"@" + _SPACE.sub(b"", right)


def _pieces(left: bytes) -> list[tuple[bool, bytes]]:
    """(is it the inside of a quoted string?, octets)"""
    return [(bool(place % 2), piece) for place, piece in enumerate(_QUOTED.split(left))]
