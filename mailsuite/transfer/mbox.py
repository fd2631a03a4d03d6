"""Pure. mbox files: all dialects read, mboxrd written (RFC 4155 tells why there is no standard).

Read: a line "From <sender> <date>" begins a message; Content-Length (mboxcl) is believed where a
message ends there; one ">" is taken from lines ">From " (mboxo, mboxrd) unless the dialect has none
(mboxcl2). Flags come from Status, X-Status, X-Keywords, and from Thunderbird's fields, which belong
to the file and are left out of the message. Octets go out with CRLF line ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from mailsuite.message import parse_date

MAX_MESSAGE = 1 << 30
"""Octets; a longer one is taken for several pieces of a file that is no mbox."""
MAX_HEADER = 1 << 20
PIECE = 1 << 16

MAX_DATE = 253_402_300_799.0  # the last second of the year 9999

_FROM = re.compile(
    rb"From +(?:(?P<sender>\S.*?)\s+)?"
    rb"(?P<date>(?:mon|tue|wed|thu|fri|sat|sun),?\s+(?=.*\b\d{4}\b).*\d{1,2}:\d\d.*)",
    re.IGNORECASE,
)
_BARE_LF = re.compile(rb"(?<!\r)\n")
_UNQUOTE = re.compile(rb"^>(>*From )", re.MULTILINE)
_QUOTE = re.compile(rb"^(>*From )", re.MULTILINE)
_EMPTY = (b"\n", b"\r\n")
_OURS = frozenset(
    {
        *(b"status", b"x-status", b"x-keywords", b"x-uid", b"x-imap", b"x-imapbase"),
        *(b"x-mozilla-status", b"x-mozilla-status2", b"x-mozilla-keys"),
    }
)
_LETTERS = {"R": "\\Seen", "A": "\\Answered", "F": "\\Flagged", "T": "\\Draft", "D": "\\Deleted"}
_MOZILLA = {0x1: "\\Seen", 0x2: "\\Answered", 0x4: "\\Flagged", 0x1000: "$Forwarded"}
_MOZILLA_EXPUNGED = 0x8


@dataclass(frozen=True, slots=True)
class Mail:
    """One message of a file.

    octets  with CRLF line ends
    date    seconds since the epoch by the "From " line, else by the Date field, or None
    end     octets of the file up to the message's end
    """

    octets: bytes
    flags: frozenset[str]
    date: float | None
    end: int


def is_mbox(head: bytes) -> bool:
    """The file begins as an mbox does, or is empty."""
    return not head.strip() or head.lstrip(b"\r\n").startswith(b"From ")


def read(file: BinaryIO) -> Iterator[Mail]:
    """All messages of a seekable file; what comes before the first "From " line is passed over.

    Raises ValueError when a message is longer than `MAX_MESSAGE`.
    """
    line = file.readline(PIECE)
    while line and not _begins(line):
        line = file.readline(PIECE)
    while line:
        mail, line = _message(file, line)
        if mail is not None:
            yield mail


def _begins(line: bytes) -> bool:
    return line.startswith(b"From ") and (line.startswith(b"From - ") or bool(_FROM.match(line)))


def _message(file: BinaryIO, first: bytes) -> tuple[Mail | None, bytes]:
    """One message, and the "From " line of the next one (b"": there is none)."""
    header = _header(file)
    kept, own = _split(header)
    counted = None
    if (size := _length(kept)) is not None:
        counted = _counted_body(file, size)
    if counted is not None:
        kept = [line for line in kept if not _is_length(line)]
        body, following = counted
    else:
        uncounted, following = _body(file)
        if uncounted is None and kept and kept[-1] in _EMPTY:
            kept.pop()  # it parts this message from the next
        body = _UNQUOTE.sub(rb"\1", uncounted or b"")
    end = file.tell() - len(following)
    octets = _BARE_LF.sub(b"\r\n", b"".join(kept) + body)
    flags = _flags(own)
    if flags is None or b"x-imap" in own:
        return None, following
    return Mail(octets, flags, _date(first, kept), end), following


def _header(file: BinaryIO) -> list[bytes]:
    """The header's lines with the empty one; what is too much for a header is left to the body."""
    lines: list[bytes] = []
    left = MAX_HEADER
    while left > 0 and (line := file.readline(PIECE)):
        left -= len(line)
        lines.append(line)
        if line in _EMPTY:
            break
    return lines


def _is_length(line: bytes) -> bool:
    return line[:15].lower() == b"content-length:"


def _length(lines: list[bytes]) -> int | None:
    """What Content-Length says."""
    for line in lines:
        value = line[15:].strip()
        if _is_length(line) and value.isdigit() and len(value) < 14:
            return int(value)
    return None


def _split(lines: list[bytes]) -> tuple[list[bytes], dict[bytes, bytes]]:
    """(the message's own lines, the file's fields by name in lower case)."""
    kept: list[bytes] = []
    own: dict[bytes, bytes] = {}
    current = b""
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            if current:
                own[current] += b" " + line.strip()
            else:
                kept.append(line)
            continue
        name, colon, value = line.partition(b":")
        current = name.lower() if colon and name.lower() in _OURS else b""
        if current:
            own[current] = own.get(current, b"") + b" " + value.strip()
        else:
            kept.append(line)
    return kept, own


def _counted_body(file: BinaryIO, size: int) -> tuple[bytes, bytes] | None:
    """The body by Content-Length, if a message begins or the file ends after it; else None."""
    start = file.tell()
    body = file.read(size) if size <= MAX_MESSAGE else b""
    if len(body) == size:
        line = file.readline(PIECE)
        if line in _EMPTY:
            line = file.readline(PIECE)
        if not line or _begins(line):
            if not re.search(rb"^From ", body, re.MULTILINE):
                body = _UNQUOTE.sub(rb"\1", body)
            return body, line
    file.seek(start)
    return None


def _body(file: BinaryIO) -> tuple[bytes | None, bytes]:
    """The body up to the next "From " line, without the empty line before that; None: no line."""
    pieces: list[bytes] = []
    size = 0
    at_start = True
    while line := file.readline(PIECE):
        if at_start and _begins(line):
            break
        at_start = line.endswith(b"\n")
        pieces.append(line)
        size += len(line)
        if size > MAX_MESSAGE:
            raise ValueError(f"a message of more than {MAX_MESSAGE} octets")
    if not pieces:
        return None, line
    if pieces[-1] in _EMPTY:
        pieces.pop()
    return b"".join(pieces), line


def _flags(own: dict[bytes, bytes]) -> frozenset[str] | None:
    """None: Thunderbird has deleted the message and not yet compacted the file."""
    found: set[str] = set()
    for field in (b"status", b"x-status"):
        for letter in own.get(field, b"").decode("ascii", "replace"):
            if letter in _LETTERS:
                found.add(_LETTERS[letter])
    for field in (b"x-keywords", b"x-mozilla-keys"):
        words = own.get(field, b"").decode("ascii", "replace").replace(",", " ").split()
        found.update(word for word in words if "\ufffd" not in word and not word.startswith("\\"))
    try:
        bits = int(own.get(b"x-mozilla-status", b"0") or b"0", 16)
    except ValueError:
        bits = 0
    if bits & _MOZILLA_EXPUNGED:
        return None
    found.update(flag for bit, flag in _MOZILLA.items() if bits & bit)
    return frozenset(found)


def _date(first: bytes, header: list[bytes]) -> float | None:
    match = _FROM.match(first)
    if match and (date := parse_date(match["date"].strip())) is not None:
        return date.timestamp()
    for line in header:
        name, _, value = line.partition(b":")
        if name.lower() == b"date" and (date := parse_date(value.strip())) is not None:
            return date.timestamp()
    return None


# -- writing ---------------------------------------------------------------------------------------


def head(sender: str, date: float, flags: Iterable[str]) -> bytes:
    """The "From " line and the fields for the flags, to stand before a message."""
    word = re.sub(r"[^!-~]+", "", sender) or "MAILER-DAEMON"
    when = datetime.fromtimestamp(min(max(date, 0.0), MAX_DATE), UTC).ctime()
    lines = [f"From {word} {when}"]
    wanted = set(flags)
    status = "RO" if "\\Seen" in wanted else "O"
    letters = "".join(letter for letter in "AFTD" if _LETTERS[letter] in wanted)
    lines += [f"Status: {status}", f"X-Status: {letters}"]
    if words := sorted(flag for flag in wanted if not flag.startswith("\\")):
        lines.append("X-Keywords: " + " ".join(words))
    return ("\n".join(lines) + "\n").encode("ascii", "replace")


class Quoting:
    """A message for an mboxrd file, piece by piece: LF line ends, "From " lines quoted.

    Holds the last line that has not ended, of a very long one its end only.
    """

    __slots__ = ("_held", "_inside")

    def __init__(self) -> None:
        self._held = b""
        self._inside = False  # what was given out last did not end a line

    def feed(self, piece: bytes) -> bytes:
        """The next piece; gives octets for the file."""
        data = self._held + piece
        cut = data.rfind(b"\n") + 1
        if not cut and len(data) < PIECE:
            self._held = data
            return b""
        # Of a very long line a CR is kept that may belong to its end.
        cut = cut or len(data) - data.endswith(b"\r")
        self._held = data[cut:]
        return self._lines(data[:cut])

    def end(self) -> bytes:
        """The rest, with the empty line that ends the message."""
        rest = self._lines(self._held) if self._held else b""
        return rest + (b"\n\n" if self._inside else b"\n")

    def _lines(self, data: bytes) -> bytes:
        text = data.replace(b"\r\n", b"\n")
        inside, self._inside = self._inside, not data.endswith(b"\n")
        if not inside:
            return _QUOTE.sub(rb">\1", text)
        first, newline, rest = text.partition(b"\n")
        return first + newline + _QUOTE.sub(rb">\1", rest)
