"""Pure. The place in a command line where the grammar reads, and the tokens of RFC 9051 §9.

Promises: whatever the octets are, a token is read, or SyntaxProblem is raised. Every pattern here
is linear (possessive repeats), since its input is the client's.

One leniency, which cannot be misread: spaces beyond the one that the grammar has between tokens,
inside of parentheses and at the end of the line are passed over. Clients that build commands out
of pieces send them, and other servers take them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mailsuite.imapd.syntax.events import Chunk, Literal
from mailsuite.imapd.syntax.model import StoredLiteral

_ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]++")
_ASTRING = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]++")
_LIST_MAILBOX = re.compile(rb"[!#$%&'*+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]++")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\0]++|\\["\\])*+)"')
_ESCAPE = re.compile(rb'\\(["\\])')
_DIGITS = re.compile(rb"[0-9]{1,20}+")
_SPARE = re.compile(rb'"(?:[^"\\]++|\\[\0-\xff])*+(?:"|\\?\Z)| ++(?=\))|(?<=\() ++|(?<= ) ++')

MAX_NUMBER = 0xFFFFFFFF
MAX_NUMBER64 = 0x7FFFFFFFFFFFFFFF


class SyntaxProblem(Exception):
    """The command does not follow the grammar: answer BAD with this text (printable ASCII)."""


class BadCharset(Exception):
    """SEARCH in a charset that is not known: answer NO [BADCHARSET (...)] (RFC 9051 §7.1).

    `supported` are the names to put into the code; `saving`: the result was to be saved.
    """

    def __init__(self, charset: str, supported: tuple[str, ...], *, saving: bool = False) -> None:
        super().__init__(f"unknown charset {charset}")
        self.charset = charset
        self.supported = supported
        self.saving = saving


class BadMailboxName(Exception):
    """No mailbox can be called like this: answer NO [CANNOT] with this text (RFC 5530)."""


class Cursor:
    """Reads the chunks of one command, from left to right.

    command  the command's name, for the texts of problems
    utf8     the session has enabled UTF8=ACCEPT or IMAP4rev2: mailbox names are UTF-8
             (RFC 9755 §3, RFC 9051 §5.1), "&" in them is just a character
    whole    this is all of the command; without, a literal is still to come
    """

    __slots__ = ("_chunks", "_index", "_pos", "_text", "_whole", "command", "utf8")

    def __init__(self, chunks: Sequence[Chunk], *, utf8: bool = False, whole: bool = False) -> None:
        self._chunks = chunks
        self._index = 0
        self._pos = 0
        self._whole = whole
        first = chunks[0] if chunks else b""
        self._text = self._tidied(first) if isinstance(first, bytes) else b""
        self.command = ""
        self.utf8 = utf8

    def _tidied(self, text: bytes) -> bytes:
        """The text at `_index` without spare spaces, but for those in quoted strings."""
        if b"  " in text or b"( " in text or b" )" in text:
            text = _SPARE.sub(_spared, text)
        if self._whole and self._index + 1 == len(self._chunks):
            return text.rstrip(b" ")
        return text

    # -- where are we -------------------------------------------------------------------------

    def problem(self, text: str) -> SyntaxProblem:
        """The error to raise, with the command's name before `text`."""
        return SyntaxProblem(f"{self.command}: {text}" if self.command else text)

    def unexpected(self, wanted: str) -> SyntaxProblem:
        """The error to raise where something else than `wanted` stands."""
        return self.problem(f"found {self._here()} where {wanted} is expected")

    def _here(self) -> str:
        if self._pos < len(self._text):
            return show(self._text[self._pos : self._pos + 41])
        return "the end of the line" if self.at_end else "a literal"

    @property
    def at_end(self) -> bool:
        """Nothing is left."""
        return self._pos == len(self._text) and self._index + 1 >= len(self._chunks)

    @property
    def at_literal(self) -> bool:
        """A literal comes next."""
        return self._pos == len(self._text) and self._index + 1 < len(self._chunks)

    def next_is(self, octets: bytes) -> bool:
        """Is the next octet one of `octets`?"""
        return self._pos < len(self._text) and self._text[self._pos] in octets

    # -- reading ------------------------------------------------------------------------------

    def match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Take what `pattern` matches from here on; None leaves the place as it is."""
        found = pattern.match(self._text, self._pos)
        if found is not None:
            self._pos = found.end()
        return found

    def skip(self, octets: bytes) -> bool:
        """Take exactly these octets if they come next."""
        if self._text.startswith(octets, self._pos):
            self._pos += len(octets)
            return True
        return False

    def skip_word(self, word: bytes) -> bool:
        """Take `word` (upper-case, in any case on the wire) if the whole next atom is that."""
        found = _ATOM.match(self._text, self._pos)
        if found is None or found[0].upper() != word:
            return False
        self._pos = found.end()
        return True

    def expect(self, octets: bytes) -> None:
        """These octets must come next."""
        if not self.skip(octets):
            raise self.unexpected(show(octets))

    def sp(self) -> None:
        """`SP`: exactly one space."""
        if not self.skip(b" "):
            raise self.unexpected("a space" if not self.at_end else "an argument")

    def end(self) -> None:
        """Nothing may be left."""
        if not self.at_end:
            raise self.problem(f"too many arguments: {self._here()}")

    # -- tokens -------------------------------------------------------------------------------

    def atom(self, what: str = "an atom") -> str:
        """`atom`, as written; `what` is its name in the text of a problem."""
        found = self.match(_ATOM)
        if found is None:
            raise self.unexpected(what)
        return found[0].decode("ascii")

    def word(self, what: str = "a word") -> str:
        """`atom`, upper-case."""
        return self.atom(what).upper()

    def quoted(self, *, any_octets: bool = False) -> bytes:
        """`quoted`, without quotes and escapes.

        RFC 9051 allows UTF-8 in it, RFC 3501 only 7-bit; valid UTF-8 is accepted always, since
        clients send it before they have enabled anything and it can mean nothing else. Other
        octets only with `any_octets`.
        """
        found = self.match(_QUOTED)
        if found is None:
            raise self.problem(f"malformed quoted string {self._here()}")
        value = found[1]
        if b"\\" in value:
            value = _ESCAPE.sub(rb"\1", value)
        if not value.isascii() and not any_octets:
            try:
                value.decode("utf-8")
            except UnicodeDecodeError as error:
                raise self.problem("quoted string is not UTF-8") from error
        return value

    def literal(self) -> Literal | StoredLiteral:
        """`literal` or `literal8`."""
        if not self.at_literal:
            raise self.unexpected("a literal")
        chunk = self._chunks[self._index + 1]
        after = self._chunks[self._index + 2] if self._index + 2 < len(self._chunks) else b""
        if isinstance(chunk, bytes) or not isinstance(after, bytes):
            raise self.unexpected("a literal")
        self._index += 2
        self._text = self._tidied(after)
        self._pos = 0
        return chunk

    def string(self, what: str = "a string") -> bytes:
        """`string`: quoted, or a literal (not literal8)."""
        if self.next_is(b'"'):
            return self.quoted()
        if not self.at_literal:
            raise self.unexpected(what)
        value = self.literal()
        if isinstance(value, StoredLiteral):
            raise self.problem("literal too long")
        if value.binary:
            raise self.problem("a literal8 may not stand here")
        return value.data

    def astring(self, what: str = "a string") -> bytes:
        """`astring`: ASTRING-CHARs (which, unlike an atom's, have "]"), or a string."""
        found = self.match(_ASTRING)
        return found[0] if found is not None else self.string(what)

    def nstring(self) -> bytes | None:
        """`nstring`: None for NIL."""
        return None if self.skip_word(b"NIL") else self.string('a string or "NIL"')

    def list_mailbox(self) -> bytes:
        """`list-mailbox`: wildcards, ASTRING-CHARs, or a string."""
        found = self.match(_LIST_MAILBOX)
        return found[0] if found is not None else self.string("a mailbox pattern")

    def number(self, what: str = "a number", *, low: int = 0, high: int = MAX_NUMBER) -> int:
        """`number`; nz-number with `low` 1 (then without leading zeros); number64 with `high`."""
        found = self.match(_DIGITS)
        if found is None:
            raise self.unexpected(what)
        value = int(found[0])
        if not low <= value <= high or self.next_is(b"0123456789"):
            raise self.problem(f"{what} out of range: {show(found[0])}")
        if low and found[0].startswith(b"0"):
            raise self.problem(f"{what} with a leading zero: {show(found[0])}")
        return value


def _spared(found: re.Match[bytes]) -> bytes:
    return found[0] if found[0].startswith(b'"') else b""


def show(octets: bytes) -> str:
    """Octets for a problem's text: printable ASCII, at most 40 of them.

    As a quoted string: a client that reads the whole line as tokens isn't confused by a
    parenthesis or a quote that came from the other side.
    """
    text = "".join(chr(o) if 0x20 <= o < 0x7F else "?" for o in octets[:40])
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}{"..." if len(octets) > 40 else ""}"'
