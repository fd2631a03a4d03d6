"""Pure. What a submission server adds to and takes out of a header block (RFC 6409 §8, row M2).

Missing Date and Message-ID are added and Bcc removed; every other octet stays where it is.
"""

import re
from collections.abc import Callable

from mailsuite.message.date import format_date
from mailsuite.message.header import split_header

_BCC = re.compile(rb"\n(?:resent-)?bcc[ \t]*:[^\n]*+(?:\n[ \t][^\n]*+)*+(?=\n|\Z)", re.IGNORECASE)
# Trace fields, and lines at the very beginning that would become folds of what is put before them.
_TRACE = re.compile(
    rb"(?:[ \t][^\n]*+\n)*+"
    rb"(?:(?:return-path|received|delivered-to)[ \t]*:[^\n]*+\n(?:[ \t][^\n]*+\n)*+)*+",
    re.IGNORECASE,
)
_ANY_FIELD = re.compile(rb"^[!-9;-~]++[ \t]*:", re.MULTILINE)


def repair_submission(
    block: bytes, *, now: float, hostname: str, message_id: Callable[[], str]
) -> bytes:
    """The header block with Date and Message-ID, without Bcc and Resent-Bcc.

    block       the header with or without its blank line; octets after the blank line are kept too
    now         seconds since the epoch, for the Date
    message_id  gives a unique id-left, or a whole msg-id in angle brackets; only called if needed

    An added Date comes first, after trace fields (row M3), an added Message-ID last. Where the
    block holds no field at all it is taken as the beginning of a body and put below a blank line.
    """
    _, end = split_header(block)
    head = block[:end]
    blank = b""
    if head and not _ANY_FIELD.search(head):
        head, end, blank = b"", 0, b"\r\n"
    elif head and not head.endswith(b"\n"):
        head += b"\r\n"
    head = _BCC.sub(b"", b"\n" + head)[1:]
    lower = b"\n" + head.lower()
    if not re.search(rb"\ndate[ \t]*:", lower):
        trace = _TRACE.match(head)
        cut = trace.end() if trace else 0
        head = head[:cut] + b"Date: " + format_date(now) + b"\r\n" + head[cut:]
    if not re.search(rb"\nmessage-id[ \t]*:", lower):
        head += _message_id(message_id(), hostname)
    return head + blank + block[end:]


def _message_id(unique: str, hostname: str) -> bytes:
    whole = unique if unique.startswith("<") else f"<{unique}@{hostname}>"
    return f"Message-ID: {whole}\r\n".encode("ascii")
