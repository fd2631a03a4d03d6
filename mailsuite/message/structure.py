"""Pure. The MIME scanner: from a message's octets to the tree of its parts (RFC 2045, RFC 2046).

Promises: takes any octets, never raises, takes linear time and stays within `Limits`. Ranges of
parts lie inside their parent's and follow each other. Never copies or decodes a body.
"""

from __future__ import annotations

import mmap
import re
from typing import TypeAlias

from mailsuite.message.header import Octets, header_end, unfold
from mailsuite.message.limits import DEFAULT, Limits
from mailsuite.message.parameters import (
    decode_params,
    parse_content_type,
    parse_disposition,
    strip_comments,
)
from mailsuite.message.part import Part

Source: TypeAlias = bytes | bytearray | memoryview | mmap.mmap | Octets

_CONTENT = re.compile(rb"content-([a-z0-9-]+)[ \t]*:([^\n]*+(?:\n[ \t][^\n]*+)*+)", re.IGNORECASE)
_TOKEN = re.compile(rb"[^\x00-\x20\x7f-\xff;,\"]+")
_TAG = re.compile(rb"[^\s,;]+")
_IDENTITY = frozenset(("7bit", "8bit", "binary"))
# What may stand behind a boundary: "--", and white space that a transport has added.
_LINE_END = re.compile(rb"(?:--)?[ \t]*+(?:\r?\n|\Z)")
_TAIL = 100
_NEVER = 1 << 62
_BOUNDARY_MAX = 998
_SLICE = 1 << 18


class _View:
    """A memoryview with the `find` that it lacks."""

    __slots__ = ("_view",)

    def __init__(self, view: memoryview) -> None:
        self._view = view

    def __len__(self) -> int:
        return len(self._view)

    def __getitem__(self, key: slice, /) -> bytes:
        return bytes(self._view[key])

    def find(self, sub: bytes, start: int = 0, end: int = _NEVER, /) -> int:
        match = re.compile(re.escape(sub)).search(self._view, start, min(end, len(self._view)))
        return match.start() if match else -1


class _Level:
    """A multipart that is being read.

    needle     line end and dash-boundary
    next       offset of the line end before the next delimiter, or _NEVER: not found yet
    searched   no delimiter begins before this offset, except the one at `next`
    open       the parts that end where this multipart's current part does, outermost first
    """

    __slots__ = ("child", "depth", "multipart", "needle", "next", "open", "searched")

    def __init__(self, multipart: Part, boundary: bytes, depth: int) -> None:
        self.multipart = multipart
        self.needle = b"\n--" + boundary
        self.next = _NEVER
        self.searched = multipart.body_start - 1
        self.open: list[Part] = []
        self.child = ("message", "rfc822") if multipart.subtype == "digest" else ("text", "plain")
        self.depth = depth


def scan(data: Source, *, limits: Limits = DEFAULT) -> Part:
    """The parts of the message in `data`, offsets counted from its first octet.

    data: bytes, or for large messages mmap, a memoryview of octets, or something else that gives
    slices; none of them is copied.
    Nothing keeps hold of it afterwards.
    """
    octets: Octets
    if isinstance(data, memoryview):
        octets = _View(data if data.ndim == 1 and data.format == "B" else data.cast("B"))
    elif isinstance(data, bytearray):
        octets = bytes(data)
    else:
        octets = data
    root = _Scanner(octets, limits).run()
    _finish(octets, root)
    return root


class _Scanner:
    """One pass over one message."""

    __slots__ = ("at", "count", "data", "end", "levels", "limits", "open")

    def __init__(self, data: Octets, limits: Limits) -> None:
        self.data = data
        self.end = len(data)
        self.limits = limits
        self.levels: list[_Level] = []
        self.open: list[Part] = []  # parts outside of every multipart: they end with the message
        self.at = 0  # where the next delimiter's line end may be, at the earliest
        self.count = 0

    def run(self) -> Part:
        """Read the whole message and give its root."""
        root = self._entity(0, self.end, ("text", "plain"), 0, self.open)
        while self.levels and self.count < self.limits.parts:
            index = self._next_delimiter()
            if index is None:
                break
            self._delimiter(index)
        self._end_parts(0, self.end)
        for part in self.open:
            part.body_end = self.end
        return root

    def _next_delimiter(self) -> int | None:
        """The index of the level whose delimiter line comes next, or None.

        A line is a delimiter when it begins with one (RFC 2046 §5.1.1). Where it is one of several
        levels, a boundary that is all of the line has it, else the longest, and among equal ones
        the innermost: so a nested multipart may use its parent's boundary again, or one that begins
        with it.
        """
        best: int | None = None
        nearest = self.end
        for index, level in enumerate(self.levels):
            if level.next < self.at or level.next == _NEVER:
                # A delimiter of an outer level ends this one, so nothing is looked for beyond it.
                self._search(level, nearest)
            if level.next < nearest:
                best, nearest = index, level.next
            elif level.next == nearest and best is not None:
                other = self.levels[best]
                if level.needle == other.needle or self._fit(level) >= self._fit(other):
                    best = index
        return best

    def _fit(self, level: _Level) -> tuple[bool, int]:
        """How well a level's boundary fits the delimiter line found for it."""
        tail = level.next + len(level.needle)
        rest = self.data[tail : tail + _TAIL]
        return _LINE_END.match(rest) is not None, len(level.needle)

    def _search(self, level: _Level, last: int) -> None:
        """Find the level's next delimiter line that begins at or before `last`."""
        needle = level.needle
        bound = min(last + len(needle), self.end)
        at = self.data.find(needle, max(self.at, level.searched), bound)
        if at >= 0:
            level.next = level.searched = at
            return
        level.next = _NEVER
        level.searched = max(level.searched, bound - len(needle) + 1)

    def _delimiter(self, index: int) -> None:
        """Read a delimiter line: what is open inside its multipart ends, the next part begins."""
        data, level = self.data, self.levels[index]
        line_end = level.next
        tail = line_end + len(level.needle)
        returned = line_end > 0 and data[line_end - 1 : line_end] == b"\r"
        self._end_parts(index, line_end - returned)
        newline = data.find(b"\n", tail, self.end)
        self.at = newline if newline >= 0 else self.end
        if data[tail : tail + 2] == b"--":
            del self.levels[index:]
            return
        del self.levels[index + 1 :]
        self.count += 1
        start = min(self.at + 1, self.end)
        following = self._next_delimiter()
        limit = self.end if following is None else self.levels[following].next + 1
        part = self._entity(start, limit, level.child, level.depth, level.open)
        level.multipart.parts.append(part)

    def _end_parts(self, index: int, end: int) -> None:
        """End all parts inside of the multiparts from level `index` on at `end`.

        A part whose header reaches to the boundary ends there; what holds it then ends there too.
        """
        for level in reversed(self.levels[index:]):
            for part in reversed(level.open):
                end = max(end, part.body_start)
                part.body_end = end
            level.open.clear()

    def _entity(
        self, start: int, limit: int, default: tuple[str, str], depth: int, opened: list[Part]
    ) -> Part:
        """Read the header at `start`, and those of the messages that begin right inside.

        No octet from `limit` on, where the next delimiter is, belongs to them.
        """
        first = part = self._header(start, limit, default)
        opened.append(part)
        while (
            depth < self.limits.depth
            and part.type == "message"
            and part.subtype in ("rfc822", "global")
            and part.encoding in _IDENTITY
        ):
            depth += 1
            part.message = self._header(part.body_start, limit, ("text", "plain"))
            part = part.message
            opened.append(part)
        if part.type == "multipart" and depth < self.limits.depth:
            boundary = boundary_of(part)
            if boundary:
                self.levels.append(_Level(part, boundary, depth + 1))
        return first

    def _header(self, start: int, limit: int, default: tuple[str, str]) -> Part:
        """Read one header block into a Part whose body is still empty."""
        data = self.data
        fields_end, body = header_end(data, start, limit)
        part = Part(start, body, body)
        header = data[start : min(fields_end, start + self.limits.header_octets)]
        found = _content_fields(header, self.limits) if header else {}
        value = found.get(b"type")
        if value is not None:
            parsed = parse_content_type(unfold(value), self.limits.params)
            if parsed is not None:
                part.type, part.subtype, part.params = parsed
        elif default[0] != "text":
            part.type, part.subtype = default
            part.params = ()
        if found:
            self._describe(part, found)
        return part

    def _describe(self, part: Part, found: dict[bytes, bytes]) -> None:
        """Fill in the content fields other than Content-Type."""
        for name, raw in found.items():
            if name == b"transfer-encoding":
                part.encoding = _encoding(raw) or part.encoding
            elif name == b"disposition":
                parsed = parse_disposition(unfold(raw), self.limits.params)
                if parsed is not None:
                    part.disposition, part.disposition_params = parsed
            elif name == b"id":
                part.content_id = unfold(raw) or None
            elif name == b"description":
                part.description = unfold(raw) or None
            elif name == b"md5":
                part.md5 = unfold(raw) or None
            elif name == b"location":
                part.location = unfold(raw) or None
            elif name == b"language":
                tags = _TAG.findall(strip_comments(unfold(raw), inside_words=True))
                part.language = tuple(tags[: self.limits.params])


def _encoding(raw: bytes) -> str:
    """Of a Content-Transfer-Encoding field; "" where it names none. Also "8 bit" is one."""
    words = [word.lower() for word in _TOKEN.findall(strip_comments(raw, inside_words=True))]
    if words[1:2] == [b"bit"]:
        words[0] += b"bit"
    return words[0].decode("ascii") if words else ""


def _content_fields(header: bytes, limits: Limits) -> dict[bytes, bytes]:
    """Raw bodies of the Content-… fields by the rest of their names; the first of a name counts."""
    lower = header.lower()
    found: dict[bytes, bytes] = {}
    at = 0 if lower.startswith(b"content-") else lower.find(b"\ncontent-") + 1
    if at == 0 and not lower.startswith(b"content-"):
        return found
    for _ in range(limits.fields):
        match = _CONTENT.match(header, at)
        if match:
            found.setdefault(match[1].lower(), match[2][: limits.value_octets])
            at = match.end()
        at = lower.find(b"\ncontent-", at) + 1
        if at == 0:
            break
    return found


def boundary_of(part: Part) -> bytes | None:
    """The boundary parameter without white space at its end (RFC 2046 §5.1.1), or None."""
    value = next((value for name, value in part.params if name.lower() == b"boundary"), None)
    if value is None:
        text = decode_params(part.params).get("boundary")
        if text is None:
            return None
        value = text.encode("utf-8", "replace")
    value = value.rstrip(b" \t\r")
    return value if len(value) <= _BOUNDARY_MAX and b"\n" not in value else None


def _finish(data: Octets, root: Part) -> None:
    """Give multiparts without a part the one they must have, and count the lines of bodies."""
    every = []
    for part in root.walk():
        every.append(part)
        if part.type == "multipart" and not part.parts:
            part.parts.append(Part(part.body_start, part.body_start, part.body_end))
    offsets = sorted({at for part in every for at in (part.body_start, part.body_end)})
    before = {}
    lines = 0
    last = offsets[0]
    for at in offsets:  # each octet is counted once, however deep parts are nested
        lines += _newlines(data, last, at)
        before[at] = lines
        last = at
    for part in every:
        part.lines = before[part.body_end] - before[part.body_start]


def _newlines(data: Octets, start: int, end: int) -> int:
    if isinstance(data, bytes):
        return data.count(b"\n", start, end)
    return sum(data[at : min(at + _SLICE, end)].count(b"\n") for at in range(start, end, _SLICE))
