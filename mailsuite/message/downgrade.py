"""Pure. A message made fit for a next hop that takes less than it holds (row X3, RFC 6152 §3).

    examined = examine(data)
    conversion = downgrade(data, NextHop(eight_bit=False))     # None: goes as it is
    for piece in conversion.pieces(data): ...

Promises: only parts that need it are encoded anew, and their Content-Transfer-Encoding with them;
every other octet stays where it is. Each part decodes to the same octets as before. What can't be
converted without harm is refused: Inconvertible. `data` may be a mapped file, which is never held
in memory.

Header fields have no encoding: a message that has a NUL or a bare CR or LF in one, as only a binary
transport takes it, is refused. Nested messages are converted inside, never encoded themselves (RFC
2045 §6.4); message/global may be (RFC 6532 §3.7). Signed parts (RFC 1847 §2.1) are left alone.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from mailsuite.message.folding import fold_points
from mailsuite.message.header import fields, header_end
from mailsuite.message.limits import DEFAULT, Limits
from mailsuite.message.part import Part
from mailsuite.message.recode import AgainBase64, AgainQuotedPrintable
from mailsuite.message.structure import boundary_of, scan
from mailsuite.message.traits import SLICE, Source, Traits, examine
from mailsuite.message.transfer import Encoder, choose_encoding, encoder

_IDENTITY = ("7bit", "8bit", "binary")
_HAS_VERSION = re.compile(rb"(?:\A|\n)mime-version[ \t]*:", re.IGNORECASE)
_HAS_TYPE = re.compile(rb"(?:\A|\n)content-type[ \t]*:", re.IGNORECASE)
_LOOKED_AT = DEFAULT.header_octets


class Inconvertible(ValueError):
    """The message can't go that way; `status` is the enhanced code of the bounce (RFC 3463).

    5.6.3: conversion required but not possible; 5.6.7: needs SMTPUTF8 (RFC 6531 §3.4).
    """

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class NextHop:
    """What the next hop takes.

    eight_bit  8BITMIME (RFC 6152)
    binary     BINARYMIME (RFC 3030 §3)
    utf8       SMTPUTF8 (RFC 6531)
    """

    eight_bit: bool = False
    binary: bool = False
    utf8: bool = False

    def takes(self, traits: Traits) -> bool:
        """Whether a body may go as it is."""
        if self.binary:
            return True
        if traits.odd or traits.long_line:
            return False
        return self.eight_bit or not traits.high


@dataclass(frozen=True, slots=True)
class _Replace:
    """Octets in the place of `start` … `end`."""

    start: int
    end: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class _Encode:
    """The octets from `start` to `end` in another encoding; `again`: they are in it already."""

    start: int
    end: int
    encoding: str
    again: bool
    tail: bytes


_Edit: TypeAlias = _Replace | _Encode


@dataclass(frozen=True, slots=True)
class Conversion:
    """How to write the message for the next hop.

    body       the BODY parameter that suits the outcome: 7BIT, 8BITMIME or BINARYMIME
    encodings  (content type, new encoding) of each part that is encoded anew, for the log
    """

    body: str
    encodings: tuple[tuple[str, str], ...]
    _edits: tuple[_Edit, ...]

    def pieces(self, data: Source) -> Iterator[bytes]:
        """The converted message, piece by piece; `data` is what `downgrade` was given."""
        at = 0
        for edit in self._edits:
            if edit.start < at:  # inside of what was replaced already
                continue
            yield from _slices(data, at, edit.start)
            if isinstance(edit, _Replace):
                yield edit.octets
            else:
                made = _encoder(edit)
                for piece in _slices(data, edit.start, edit.end):
                    yield made.feed(piece)
                yield made.close() + edit.tail
            at = edit.end
        yield from _slices(data, at, len(data))

    def size(self, data: Source) -> int:
        """Octets of the converted message, for the SIZE parameter. Costs a conversion."""
        return sum(map(len, self.pieces(data)))


def downgrade(
    data: Source, hop: NextHop, *, smtputf8: bool = False, limits: Limits = DEFAULT
) -> Conversion | None:
    """The conversion that `hop` needs, or None where the message can go as it is.

    smtputf8: the message came with SMTPUTF8, so that 8-bit header fields are meant to be UTF-8. A
    hop with 8BITMIME alone is given 8-bit fields of a message that came without it, as they came.

    Raises Inconvertible.
    """
    if hop.binary and (hop.utf8 or not smtputf8):
        return None
    whole = examine(data)
    if whole.plain or (hop.takes(whole) and (hop.utf8 or not smtputf8)):
        return None
    planner = _Planner(data, hop, smtputf8, limits)
    root = scan(data, limits=limits)
    if sum(len(part.parts) for part in root.walk()) >= limits.parts:
        raise Inconvertible("5.6.3", "a message of so many parts can't be converted")
    planner.message(root)
    edits = tuple(sorted(planner.edits, key=lambda edit: edit.start))
    if not edits:
        return None
    body = "8BITMIME" if hop.eight_bit and whole.high else "7BIT"
    return Conversion(body, tuple(planner.encodings), edits)


class _Planner:
    """Walks the parts of one message and notes what is to be changed."""

    __slots__ = ("_data", "_hop", "_limits", "_utf8_matters", "edits", "encodings")

    def __init__(self, data: Source, hop: NextHop, smtputf8: bool, limits: Limits) -> None:
        self._data = data
        self._hop = hop
        self._limits = limits
        self._utf8_matters = not hop.utf8 and (smtputf8 or not hop.eight_bit)
        self.edits: list[_Edit] = []
        self.encodings: list[tuple[str, str]] = []

    def message(self, part: Part) -> None:
        """A message: the whole one, or one in a message/rfc822 part."""
        before = len(self.encodings)
        end = self._header(part)
        header = self._data[part.header_start : min(end, part.header_start + _LOOKED_AT)]
        self._content(part)
        if len(self.encodings) == before:
            return
        added = b""
        if not _HAS_VERSION.search(header):
            added = b"MIME-Version: 1.0\r\n"
        if not _HAS_TYPE.search(header):
            charset = b"utf-8" if self._is_utf8(part) else b"unknown-8bit"  # RFC 1428 §2
            added += b"Content-Type: text/plain; charset=" + charset + b"\r\n"
        if added:
            self.edits.append(_Replace(end, end, added))

    def _entity(self, part: Part) -> None:
        self._header(part)
        self._content(part)

    def _header(self, part: Part) -> int:
        """Look at a header block; gives the end of its fields."""
        end, _ = header_end(self._data, part.header_start, part.body_start)
        traits = examine(self._data, part.header_start, part.body_start)
        if traits.odd and not self._hop.binary:  # RFC 5321 §2.3.8
            raise Inconvertible("5.6.3", "header fields hold NUL, or CR or LF that are no line end")
        if self._utf8_matters and traits.high:
            raise Inconvertible("5.6.7", "header fields hold 8-bit text, which needs SMTPUTF8")
        for at in fold_points(self._data, part.header_start, end):
            self.edits.append(_Replace(at, at, b"\r\n"))
        return end

    def _content(self, part: Part) -> None:
        if part.message is not None and not self._is_internationalised(part):
            self.message(part.message)
            self._relabel(part, self._composite_label(part))
        elif _is_multipart(part):
            if part.subtype == "signed":
                self._signed(part)
                return
            self._glue(part)
            for child in part.parts:
                self._entity(child)
            self._relabel(part, self._composite_label(part))
        else:
            self._leaf(part)

    def _leaf(self, part: Part) -> None:
        traits = examine(self._data, part.body_start, part.body_end)
        if self._hop.takes(traits):
            if traits.plain and not self._hop.eight_bit and part.encoding in ("8bit", "binary"):
                self._relabel(part, "7bit")
            return
        encoding = self._encoding(part, traits)
        # What ends the message ends with a line end.
        ends = part.body_end == len(self._data) and encoding == "base64"
        self.edits.append(
            _Encode(
                part.body_start,
                part.body_end,
                encoding,
                part.encoding not in _IDENTITY,
                b"\r\n" if ends else b"",
            )
        )
        self._relabel(part, encoding)
        self.encodings.append((part.content_type, encoding))

    def _encoding(self, part: Part, traits: Traits) -> str:
        """What a part that can't go as it is has to be encoded in."""
        if part.encoding in ("base64", "quoted-printable"):
            return part.encoding
        if part.encoding not in _IDENTITY:
            raise Inconvertible("5.6.3", f"a part has the unknown encoding {part.encoding}")
        if part.type == "multipart" or (
            part.type == "message" and part.subtype in ("rfc822", "partial", "external-body")
        ):
            # RFC 2046 §5.2.2.1, §5.2.3: never anything but 7bit; or what could not be taken apart.
            raise Inconvertible("5.6.3", f"a part of the type {part.content_type} can't be encoded")
        is_text = part.type in ("text", "message")
        return choose_encoding(traits, text=is_text, eight_bit=self._hop.eight_bit)

    def _signed(self, part: Part) -> None:
        """RFC 1847 §2.1: octets under a signature are not touched. Overlong lines are let pass."""
        traits = examine(self._data, part.body_start, part.body_end)
        if (traits.high and not self._hop.eight_bit) or (traits.odd and not self._hop.binary):
            raise Inconvertible("5.6.3", "converting a signed part would break its signature")
        if self._utf8_matters and any(map(self._has_high_header, part.walk())):
            raise Inconvertible("5.6.7", "header fields hold 8-bit text, which needs SMTPUTF8")

    def _glue(self, part: Part) -> None:
        """Delimiter lines, with the text before the first and after the last that readers skip.

        It has no encoding, so where it does not fit only the delimiters are left (RFC 2046 §5.1.1).
        """
        delimiter = b"--" + (boundary_of(part) or b"")
        start = part.body_start
        for child in part.parts:
            if not self._fits(start, child.header_start):
                first = b"" if start == part.body_start else self._line_end(start)
                line = first + delimiter + b"\r\n"
                self.edits.append(_Replace(start, child.header_start, line))
            start = child.body_end
        if not self._fits(start, part.body_end):
            line = self._line_end(start) + delimiter + b"--\r\n"
            self.edits.append(_Replace(start, part.body_end, line))

    def _line_end(self, start: int) -> bytes:
        """Of a body whose delimiter line begins at `start`, unless a header runs up to it."""
        return b"" if self._data[start : start + 2] == b"--" else b"\r\n"

    def _fits(self, start: int, end: int) -> bool:
        return self._hop.takes(examine(self._data, start, end))

    def _is_internationalised(self, part: Part) -> bool:
        """A message/global part whose header fields the hop does not take: it is encoded whole."""
        return (
            self._utf8_matters
            and part.subtype == "global"
            and part.message is not None
            and any(map(self._has_high_header, part.message.walk()))
        )

    def _has_high_header(self, part: Part) -> bool:
        return examine(self._data, part.header_start, part.body_start).high > 0

    def _is_utf8(self, part: Part) -> bool:
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            for piece in _slices(self._data, part.body_start, part.body_end):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
        return True

    def _composite_label(self, part: Part) -> str:
        """The encoding that a multipart or message has after what is in it was converted."""
        if part.encoding == "binary" or (part.encoding == "8bit" and not self._hop.eight_bit):
            return "8bit" if self._hop.eight_bit else "7bit"
        return part.encoding

    def _relabel(self, part: Part, encoding: str) -> None:
        """Write Content-Transfer-Encoding, in the place where it is."""
        if encoding == part.encoding:
            return
        end, _ = header_end(self._data, part.header_start, part.body_start)
        line = b"Content-Transfer-Encoding: " + encoding.encode("ascii") + b"\r\n"
        at = part.header_start
        for field in fields(self._data[at:end], limits=self._limits):
            if field.key == "content-transfer-encoding":
                self.edits.append(_Replace(at, at + len(field.raw), line))
                line = b""  # a second one would say something else
            at += len(field.raw)
        if line:
            self.edits.append(_Replace(end, end, line))


def _is_multipart(part: Part) -> bool:
    """Whether its parts were found; without any delimiter line the body is taken as a part."""
    return bool(part.parts) and part.parts[0].header_start > part.body_start


def _encoder(edit: _Encode) -> Encoder:
    if edit.again:
        return AgainBase64() if edit.encoding == "base64" else AgainQuotedPrintable()
    return encoder(edit.encoding)


def _slices(data: Source, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, SLICE):
        yield data[at : min(at + SLICE, end)]
