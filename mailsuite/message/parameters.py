"""Pure. Content-Type and Content-Disposition values: tokens, parameters, comments (RFC 2045 §5.1).

Takes what mailers really write (missing semicolons, file names with spaces and parentheses, open
quotes) and never raises. Parameters are kept twice: as written, and decoded by RFC 2231 on demand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import count, takewhile
from typing import TypeAlias
from urllib.parse import quote_from_bytes, unquote_to_bytes

from mailsuite.message.charset import decode_text
from mailsuite.message.words import decode_words

Params: TypeAlias = tuple[tuple[bytes, bytes], ...]

_CHAR = rb"[^\x00-\x20\x7f-\xff()<>@,;:\\\"/\[\]?=]"  # of a token (RFC 2045 §5.1)
_T = rb"\s*(" + _CHAR + rb"+)"
_TYPE = re.compile(_T + rb"\s*/" + _T)
_TOKEN = re.compile(_T)
_DISPOSITION = re.compile(rb"\s*+\"?(" + _CHAR + rb"++)\"?(?!\s*=)")
_PARAM = re.compile(
    rb"""[;\s]*+ ([^\s;="]++) \s*+
        (?: = \s*+ (?: "((?:[^"\\]++|\\.)*+) (?:"|\\?\Z) | ([^;\s]*+) ) )?""",
    re.DOTALL | re.VERBOSE,
)
_PIECE = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|\(|[^"(]++', re.DOTALL)
# The value of a name or filename parameter without quotes, which goes on.
_FILE_NAME = re.compile(rb"(?:\A|[;\s])(?:file)?name\*?\s*=[^;\"=]*[^;\s\"=]\Z", re.IGNORECASE)
_NAME_TAIL = 300
_NAME_END = re.compile(rb"[;\"]")
_PAREN = re.compile(rb"\\.|[()]", re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_PIECE_NAME = re.compile(rb"([^*]+)\*([0-9]{1,4})(\*)?", re.DOTALL)
_SAFE = "!#$&+^`{|}"
"""Beside letters, digits and "-._~": what stands for itself in an extended value (RFC 2231 §7)."""
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,4}))?(\*)?", re.DOTALL)

_CACHED = 200
"""Values up to this many octets are remembered: most messages repeat a few."""
_LOOK_AHEAD = 1000
"""Octets of a file name without quotes."""


def strip_comments(value: bytes, *, inside_words: bool = False) -> bytes:
    """Replace comments by a space each (RFC 5322 §3.2.2), nested ones too; quoted strings stay.

    A parenthesis that is never closed is no comment, nor is one inside a file name without quotes
    (`name=file(1).pdf`), unless `inside_words`.
    """
    if b"(" not in value:
        return value
    kept: list[bytes] = []
    at = 0
    closed = True
    file_name = False
    while match := _PIECE.match(value, at):
        piece = match[0]
        end = match.end()
        if piece != b"(":
            tail = piece[-_NAME_TAIL:]
            file_name = _FILE_NAME.search(tail) is not None or (
                file_name and _NAME_END.search(tail) is None
            )
        elif closed and (inside_words or not file_name or value[at - 1] in b" \t\r\n"):
            after = _comment_end(value, at)
            if after < 0:
                closed = False
            else:
                piece, end = b" ", after
        kept.append(piece)
        at = end
    return b"".join(kept)


def _comment_end(value: bytes, start: int) -> int:
    depth = 0
    for match in _PAREN.finditer(value, start):
        if match[0] == b"(":
            depth += 1
        elif match[0] == b")":
            depth -= 1
            if depth == 0:
                return match.end()
    return -1


def parse_content_type(value: bytes, limit: int) -> tuple[str, str, Params] | None:
    """(type, subtype, parameters) of an unfolded Content-Type value, the first two lower-case.

    None where the value is not valid: RFC 2045 §5.2 then has text/plain assumed.
    """
    return _content_type_cached(value, limit) if len(value) <= _CACHED else _type(value, limit)


def _type(value: bytes, limit: int) -> tuple[str, str, Params] | None:
    value = strip_comments(value)
    match = _TYPE.match(value)
    if match:
        major, minor = match[1].lower().decode(), match[2].lower().decode()
        return major, minor, _params(value, match.end(), limit)
    match = _TOKEN.match(value)
    if match and match[1].lower() == b"text":  # RFC 822 mailers: what is said of it still counts
        params = _params(value, match.end(), limit)
        return ("text", "plain", params) if params else None
    return None


def parse_disposition(value: bytes, limit: int) -> tuple[str, Params] | None:
    """(disposition type in lower case, parameters) of an unfolded value (RFC 2183), or None.

    Parameters without a type are those of an attachment, as with a type that is not known (§2.8).
    """
    return _disposition_cached(value, limit) if len(value) <= _CACHED else _kind(value, limit)


def _kind(value: bytes, limit: int) -> tuple[str, Params] | None:
    value = strip_comments(value)
    match = _DISPOSITION.match(value)
    if match:
        return match[1].lower().decode(), _params(value, match.end(), limit)
    params = _params(value, 0, limit)
    return ("attachment", params) if params else None


_content_type_cached = lru_cache(maxsize=512)(_type)
_disposition_cached = lru_cache(maxsize=256)(_kind)


def _params(value: bytes, at: int, limit: int) -> Params:
    found: list[tuple[bytes, bytes]] = []
    while len(found) < limit:
        match = _PARAM.match(value, at)
        if match is None:  # a stray quote or equals sign: go on after the next semicolon
            at = value.find(b";", at) + 1
            if at <= 0:
                break
            continue
        name, quoted, plain = match.groups()
        at = match.end()
        if quoted is not None:
            found.append((name, unquote(quoted)))
        elif plain is not None:
            if at < len(value) and value[at] != 0x3B and name.lower() in (b"name", b"filename"):
                plain = _file_name(value, match.start(3), plain)
                at = match.start(3) + len(plain)
            found.append((name, plain))
    return tuple(found)


def _file_name(value: bytes, start: int, token: bytes) -> bytes:
    """A file name written without quotes, which keeps its spaces, at `start`.

    Unless what follows `token` is the next parameter after a forgotten semicolon.
    """
    end = value.find(b";", start, start + _LOOK_AHEAD)
    whole = value[start : end if end >= 0 else start + _LOOK_AHEAD].strip()
    return token if b"=" in whole[len(token) :] else whole


def unquote(text: bytes) -> bytes:
    """The content of a quoted string without its quoted pairs (RFC 5322 §3.2.4)."""
    return _QUOTED_PAIR.sub(rb"\1", text) if b"\\" in text else text


def join_continuations(params: Params) -> Params:
    """Parameters with the pieces of RFC 2231 §3 put together; what is encoded stays so.

    `name*0`, `name*1` become `name`; where a piece is extended (§4.1), `name*`. Pieces without a
    first one stay as they are.
    """
    pieces: dict[bytes, dict[int, tuple[bool, bytes]]] = {}
    for name, value in params:
        if (match := _PIECE_NAME.fullmatch(name)) is not None:
            found = pieces.setdefault(match[1].lower(), {})
            found.setdefault(int(match[2]), (match[3] is not None, value))
    if not any(0 in found for found in pieces.values()):
        return params
    joined: list[tuple[bytes, bytes]] = []
    for name, value in params:
        match = _PIECE_NAME.fullmatch(name)
        found = pieces.get(match[1].lower(), {}) if match is not None else {}
        if match is None or 0 not in found:
            joined.append((name, value))
        elif int(match[2]) == 0:
            joined.append(_put_together(match[1], found))
    return tuple(dict.fromkeys(joined))


def _put_together(name: bytes, found: Mapping[int, tuple[bool, bytes]]) -> tuple[bytes, bytes]:
    """Up to the first gap. What is extended begins with charset'language' (§4.1), or with ''."""
    run = [found[number] for number in takewhile(found.__contains__, count())]
    if not any(extended for extended, _ in run):
        return name, b"".join([value for _, value in run])
    values = [v if extended else quote_from_bytes(v, _SAFE).encode() for extended, v in run]
    return name + b"*", (b"" if run[0][0] else b"''") + b"".join(values)


def decode_params(params: Params) -> dict[str, str]:
    """Parameters as text by lower-case name: RFC 2231 continuations joined, charsets decoded.

    The extended form (`filename*`) wins over the plain one, otherwise the first of a name counts.
    Encoded words (RFC 2047) in values are decoded too: not allowed there, yet common.
    """
    plain: dict[str, str] = {}
    sections: dict[str, list[tuple[int, bool, bytes]]] = {}
    for raw_name, value in params:
        name = raw_name.decode("latin-1").lower()
        if "*" not in name:
            plain.setdefault(name, decode_words(value))
        elif match := _SECTION.fullmatch(name):
            number = int(match[2]) if match[2] else 0
            sections.setdefault(match[1], []).append((number, match[3] is not None, value))
    for name, pieces in sections.items():
        text = _join_sections(pieces)
        if text is not None:
            plain[name] = text
    return plain


def _join_sections(pieces: Sequence[tuple[int, bool, bytes]]) -> str | None:
    """RFC 2231 §3, §4.1: sections in the order of their numbers, up to the first gap."""
    charset = ""
    octets: list[bytes] = []
    for number, extended, value in sorted(pieces, key=lambda piece: piece[0]):
        if number < len(octets):
            continue
        if number > len(octets):
            break
        if extended and number == 0 and value.count(b"'") >= 2:
            charset_name, _, value = value.split(b"'", 2)
            charset = charset_name.decode("latin-1")
        octets.append(unquote_to_bytes(value) if extended else value)
    return decode_text(b"".join(octets), charset or "utf-8") if octets else None
