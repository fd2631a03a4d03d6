"""Pure. Header fields written: encoded words, parameters, addresses, folding.

RFC 5322 §2.2.3, §3.2, RFC 2047, RFC 2231. Promises: lines of at most 76 columns wherever white
space allows; `decode_words`, `decode_params` and `parse_addresses` give the same values back; no
value, whatever is in it, begins another field.
"""

import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mailsuite.message.charset import codec_name
from mailsuite.message.path import MAX_PATH, parse_mailbox, quote_local, split_address

WIDTH = 76
_WORD = 75  # RFC 2047 §2
_FIRST = 24  # of the first word of a field, at least; else it begins on the next line
_LONGEST = 500  # of a word that is written as it is
_ATOM_TEXT = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_TOKEN = re.compile(r"[A-Za-z0-9!#$&+.^_`{|}~-]+")
_PRINTABLE = re.compile(r"[ -~]*")
_NAME = re.compile(r"[!-9;-~]+")
# Octets that stand for themselves in the Q encoding, in phrases too (RFC 2047 §5 (3)).
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_ATTRIBUTE = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`{|}~"
)
_PIECE = re.compile(r" *[^ ]+| +\Z")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A display name ("" for none) and an address, `local@domain` with quotes where needed."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class MailboxGroup:
    """A named group of mailboxes, maybe none: "undisclosed-recipients"."""

    name: str
    members: tuple[Mailbox, ...] = ()


def text_field(name: str, value: str, *, utf8: bool = False) -> bytes:
    """An unstructured field (Subject, Comments, X-…) with its line end.

    utf8: the message is sent with SMTPUTF8, so that UTF-8 may stand as it is (RFC 6532 §3).
    """
    return fold(name, _text(value, len(name) + 2, utf8))


def structured_field(name: str, value: str) -> bytes:
    """A field whose value is written already: message ids, a date. Folded between its words.

    Raises ValueError for control characters.
    """
    if any(ord(char) < 32 and char != "\t" for char in value):
        raise ValueError(f"control character in {name}")
    return fold(name, [f" {word}" for word in value.split()])


def address_field(
    name: str, entries: Iterable[Mailbox | MailboxGroup], *, utf8: bool = False
) -> bytes:
    """An address list (From, To, …), at least one entry. Raises ValueError for a bad address.

    Without `utf8` internationalised domains become A-labels; a local part that is not ASCII is
    written in UTF-8 all the same, and the message then needs SMTPUTF8.
    """
    words: list[str] = []
    room = _room(len(name) + 2)
    for entry in entries:
        if words:
            words[-1] += ","
            room = _WORD
        if isinstance(entry, MailboxGroup):
            words += _phrase(entry.name, utf8, room)
            if words[-1].endswith("?="):  # apart from every special (RFC 2047 §5 (3))
                words.append(" ")
            words[-1] += ":"
            for count, member in enumerate(entry.members):
                if count:
                    words[-1] += ","
                words += _mailbox(member, utf8)
            words[-1] += ";"
        else:
            words += _mailbox(entry, utf8, room)
    if not words:
        raise ValueError(f"{name} needs an address")
    return fold(name, words)


def parameter_field(name: str, value: str, params: Mapping[str, str]) -> bytes:
    """Content-Type, Content-Disposition: a value and its parameters (RFC 2045 §5.1, RFC 2231)."""
    words = [f" {value}"]
    for key, text in params.items():
        for piece in _parameter(key, text):
            words[-1] += ";"
            words.append(f" {piece}")
    return fold(name, words)


def fold(name: str, words: Sequence[str]) -> bytes:
    """A field of words that each begin with their white space, on lines of up to 76 columns.

    The first one stands behind the name, unless it is an encoded word for which there is no room.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"bad field name {name!r}")
    lines = []
    line = f"{name}:"
    for word in words:
        if len(line) + len(word) > WIDTH and (line != f"{name}:" or word.startswith(" =?")):
            lines.append(line)
            line = ""
        line += word
    lines.append(line)
    return ("\r\n".join(lines) + "\r\n").encode("utf-8", "replace")


def encode_words(text: str, *, charset: str = "utf-8", room: int = _WORD) -> list[str]:
    """`text` as encoded words of up to 75 columns, the first one of up to `room`.

    Q, or B where most characters are other than ASCII (row X2); no character is split between
    words (RFC 2047 §5).
    """
    codec = codec_name(charset) or charset
    base64 = sum(not char.isascii() for char in text) * 2 > len(text)
    before = f"=?{charset}?{'b' if base64 else 'q'}?"
    words: list[str] = []
    held: list[bytes] = []
    used = 0
    room -= len(before) + 2
    for char in text:
        piece = char.encode(codec, "replace")
        size = len(piece) if base64 else len(_q(piece))
        full = -(-(used + size) // 3) * 4 > room if base64 else used + size > room
        if full and held:
            words.append(before + _encoded(b"".join(held), base64) + "?=")
            held, used = [], 0
            room = _WORD - len(before) - 2
        held.append(piece)
        used += size
    words.append(before + _encoded(b"".join(held), base64) + "?=")
    return words


def _room(column: int) -> int:
    """Columns for an encoded word that begins at `column` of its line (RFC 2047 §2), or below."""
    return WIDTH - column if WIDTH - column >= _FIRST else _WORD


def _encoded(octets: bytes, base64: bool) -> str:
    return binascii.b2a_base64(octets, newline=False).decode("ascii") if base64 else _q(octets)


def _q(octets: bytes) -> str:
    return "".join(
        chr(octet) if octet in _PLAIN else "_" if octet == 32 else f"={octet:02X}"
        for octet in octets
    )


def _is_plain(word: str, utf8: bool) -> bool:
    """Whether a word of a text may be written as it is."""
    if "=?" in word or len(word) > _LONGEST:
        return False
    return word.isprintable() if utf8 else bool(_PRINTABLE.fullmatch(word))


def _text(value: str, column: int, utf8: bool) -> list[str]:
    """The words of an unstructured text; those that need it are encoded, neighbours together."""
    pieces = value.split(" ")
    if value.strip(" ") == value and all(_is_plain(piece, utf8) for piece in pieces):
        return _PIECE.findall(f" {value}") if value else []
    words: list[str] = []
    run: list[str] = []

    def encode_run() -> None:
        if run:
            room = _WORD if words else _room(column)
            words.extend(f" {word}" for word in encode_words(" ".join(run), room=room))
            run.clear()

    for piece in pieces:
        if piece and _is_plain(piece, utf8):
            encode_run()
            words.append(f" {piece}")
        else:
            run.append(piece)
    encode_run()
    return words


def _phrase(name: str, utf8: bool, room: int = _WORD) -> list[str]:
    """A display name or group name (RFC 5322 §3.2.5)."""
    if _ATOM_TEXT.fullmatch(name) and "=?" not in name and len(name) <= _LONGEST:
        return [f" {word}" for word in name.split(" ")]
    written = name.isprintable() if utf8 else bool(_PRINTABLE.fullmatch(name))
    if written and name and "=?" not in name and len(name) <= _LONGEST:
        return _PIECE.findall(f" {_quoted(name)}")
    return [f" {word}" for word in encode_words(name, room=room)]


def _mailbox(entry: Mailbox, utf8: bool, room: int = _WORD) -> list[str]:
    address = parse_mailbox(entry.address, MAX_PATH)
    if utf8:
        local, _ = split_address(address)
        _, _, domain = entry.address.rpartition("@")
        address = f"{quote_local(local)}@{domain}"
    if not entry.name:
        return [f" {address}"]
    return [*_phrase(entry.name, utf8, room), f" <{address}>"]


def _parameter(key: str, text: str) -> list[str]:
    """`key=text` in as many pieces as RFC 2231 §3 needs for short lines."""
    room = WIDTH - len(key) - len(" *00*=;")
    if _TOKEN.fullmatch(text) and len(text) <= room:
        return [f"{key}={text}"]
    if _PRINTABLE.fullmatch(text) and len(quoted := _quoted(text)) <= room and "=?" not in text:
        return [f"{key}={quoted}"]
    pieces = [""]
    room -= len("utf-8''")
    for char in text:
        octets = char.encode("utf-8", "replace")
        word = "".join(chr(o) if o in _ATTRIBUTE else f"%{o:02X}" for o in octets)
        if len(pieces[-1]) + len(word) > room:
            pieces.append("")
        pieces[-1] += word
    pieces[0] = f"utf-8''{pieces[0]}"
    if len(pieces) == 1:
        return [f"{key}*={pieces[0]}"]
    return [f"{key}*{count}*={piece}" for count, piece in enumerate(pieces)]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
