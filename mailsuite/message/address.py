"""Pure. Address lists of header fields (RFC 5322 §3.4, §4.4, RFC 6532), as senders write them.

Promises: never raises, linear time, octets kept: names, local parts and domains come without their
quoting but otherwise as they stand (encoded words stay encoded, 8-bit octets stay). That is what an
IMAP ENVELOPE holds (RFC 9051 §7.5.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias

from mailsuite.message.header import unfold
from mailsuite.message.path import quote_local
from mailsuite.message.words import decode_words

# Name <local@host> and local@host without comments, groups, escapes: nearly all there is.
_SIMPLE = re.compile(
    rb"""\s*+ (?:
        (?: "([^"\\]*+)" \s*+ | ([^"(),:;<>@\[\]\\]++) )?+
        < ([^\s"(),:;<>@\[\]\\]++) @ ([^\s"(),:;<>@\[\]\\]++) >
      | ([^\s"(),:;<>@\[\]\\]++) @ ([^\s"(),:;<>@\[\]\\]++)
    ) \s*+ (?:,|\Z)""",
    re.VERBOSE,
)
_TOKEN = re.compile(
    rb"""(?P<space>\s++)
       | (?P<quoted>"(?:[^"\\]++|\\.)*+")
       | (?P<comment>\()
       | (?P<literal>\[(?:[^\]\[\\]++|\\.)*+\])
       | (?P<special>[<>@,;:.])
       | (?P<atom>(?:[^\s"()\[\]<>@,;:.\\]++|\\.)++)
       | (?P<stray>.)""",
    re.VERBOSE | re.DOTALL,
)
_PAREN = re.compile(rb"\\.|[()]", re.DOTALL)
_ROUTE_FOLLOWS = re.compile(rb"[\s,]*+[@(]")
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)


@dataclass(slots=True)
class Address:
    """One mailbox of an address list.

    name     display name, or the last comment where there is no name (`joe@x (Joe)`); None without
    adl      source route `@a,@b` of obsolete `<@a,@b:joe@x>`, or None
    mailbox  local part; b"" where there is only a name
    host     domain, literals with their brackets; b"" where the address has no `@`
    """

    name: bytes | None
    adl: bytes | None
    mailbox: bytes
    host: bytes

    @property
    def display_name(self) -> str:
        """The name as text, encoded words decoded; "" where there is none."""
        return decode_words(self.name) if self.name else ""

    @property
    def address(self) -> str:
        """addr-spec as text, the local part quoted where it must be; no "@" without a host.

        "" for the empty `<>`.
        """
        if not self.mailbox and not self.host:
            return ""
        local = quote_local(self.mailbox.decode("utf-8", "replace"))
        return f"{local}@{self.host.decode('utf-8', 'replace')}" if self.host else local


@dataclass(slots=True)
class Group:
    """A named group, `name: member, member;`. The name without quoting, the members may be none."""

    name: bytes
    members: list[Address] = field(default_factory=list)

    @property
    def display_name(self) -> str:
        """The name as text, encoded words decoded."""
        return decode_words(self.name)


AddressList: TypeAlias = list[Address | Group]


def parse_addresses(value: bytes) -> AddressList:
    """The addresses of a From, To, … field body, in order; folds may still be in it.

    Empty elements are skipped, semicolons outside of groups count as commas, and words without any
    address are an Address with an empty host.
    """
    return _Parser(unfold(value)).run()


def mailboxes(addresses: AddressList) -> list[Address]:
    """All mailboxes of an address list, those in groups included."""
    found: list[Address] = []
    for entry in addresses:
        if isinstance(entry, Group):
            found += entry.members
        else:
            found.append(entry)
    return found


class _Words:
    """Tokens that were read, with the white space between them noted but not kept."""

    __slots__ = ("spaced", "tokens")

    def __init__(self) -> None:
        self.tokens: list[bytes] = []
        self.spaced: list[bool] = []

    def add(self, token: bytes, spaced: bool) -> None:
        self.tokens.append(token)
        self.spaced.append(spaced)

    def phrase(self, start: int = 0, end: int | None = None) -> bytes:
        """The tokens as a phrase: one blank where white space was; `""` is nothing."""
        pieces: list[bytes] = []
        apart = False
        for token, spaced in zip(self.tokens[start:end], self.spaced[start:end], strict=True):
            apart |= spaced
            if not token:
                continue
            if apart and pieces:
                pieces.append(b" ")
            pieces.append(token)
            apart = False
        return b"".join(pieces)

    def address_at(self, at: int) -> tuple[bytes, bytes, bytes, bytes]:
        """What is around the `@` at token `at`: (text before, local part, domain, text behind).

        Local part and domain are words joined by dots (§4.4); other words belong to neither.
        """
        start, end = at, at + 1
        while start > 0 and (start == at or self._joined(start)):
            start -= 1
        while end < len(self.tokens) and (end == at + 1 or self._joined(end)):
            end += 1
        tokens = self.tokens
        local, domain = b"".join(tokens[start:at]), b"".join(tokens[at + 1 : end])
        return self.phrase(0, start), local, domain, self.phrase(end)

    def _joined(self, place: int) -> bool:
        """Whether a token and the one before it are one: no space is between, or a dot is."""
        return not self.spaced[place] or b"." in (self.tokens[place - 1], self.tokens[place])

    def are_a_name(self) -> bool:
        """Several words, with more than a dot between them; or one that is encoded (RFC 2047)."""
        if len(self.tokens) == 1:
            return self.tokens[0].startswith(b"=?") and self.tokens[0].endswith(b"?=")
        pairs = zip(self.tokens, self.tokens[1:], self.spaced[1:], strict=False)
        return any(spaced and b"." not in (left, right) for left, right, spaced in pairs)


class _Parser:
    """One address list."""

    __slots__ = ("at", "found", "group", "value")

    def __init__(self, value: bytes) -> None:
        self.value = value
        self.at = 0
        self.found: AddressList = []
        self.group: Group | None = None

    def run(self) -> AddressList:
        """Read the whole list."""
        size = len(self.value)
        while self.at < size:
            match = _SIMPLE.match(self.value, self.at)
            if match is None:
                self._element()
                continue
            quoted, plain, mailbox, host, bare, bare_host = match.groups()
            name = quoted if quoted is not None else plain
            if name is not None:
                name = (b" ".join(name.split()) if quoted is None else name) or None
            if mailbox is None:
                mailbox, host = bare, bare_host
            self._emit(Address(name, None, mailbox, host))
            self.at = match.end()
        return self.found

    def _emit(self, address: Address) -> None:
        if self.group is not None:
            self.group.members.append(address)
        else:
            self.found.append(address)

    def _token(self) -> tuple[str, bytes]:
        """The next token, quoting removed; kind "end" after the last."""
        match = _TOKEN.match(self.value, self.at)
        if match is None:
            return "end", b""
        self.at = match.end()
        kind = match.lastgroup or "stray"
        text = match[0]
        if kind == "quoted":
            text = _unquote(text[1:-1])
        elif kind == "comment":
            text = self._comment()
        elif kind == "special":
            kind = text.decode("ascii")
        return kind, text

    def _comment(self) -> bytes:
        """The comment whose parenthesis was just read; one without an end reaches to the end."""
        start = self.at
        depth = 1
        for match in _PAREN.finditer(self.value, start):
            depth += {b"(": 1, b")": -1}.get(match[0], 0)
            if depth == 0:
                self.at = match.end()
                return _unquote(self.value[start : match.start()].strip())
        self.at = len(self.value)
        return _unquote(self.value[start:].strip())

    def _element(self) -> None:
        """Read up to and with the next comma, semicolon, or the colon that begins a group."""
        words = _Words()
        angle: Address | None = None
        comment: bytes | None = None
        spaced = quoted = False
        ats: list[int] = []
        while True:
            kind, text = self._token()
            quoted |= kind == "quoted"
            if kind == "space":
                spaced = True
                continue
            if kind == "comment":
                comment = text or comment
                spaced = True
                continue
            if kind in ("end", ",", ";") or (kind == ":" and angle is None and not ats):
                break
            if kind == "<" and angle is None:
                angle = self._angle()
            elif kind not in ("<", ">"):
                if kind == "@":
                    ats.append(len(words.tokens))
                words.add(text, spaced)
            spaced = False
        if kind == ":":
            self.group = Group(words.phrase() or comment or b"")
            self.found.append(self.group)
            return
        self._finish(words, angle, comment, ats, quoted=quoted)
        if kind == ";":
            self.group = None

    def _finish(
        self,
        words: _Words,
        angle: Address | None,
        comment: bytes | None,
        ats: list[int],
        *,
        quoted: bool,
    ) -> None:
        """Make the address of one element of the list.

        A single word without an address is a local part, several are somebody's name.
        """
        if angle is not None:
            angle.name = words.phrase() or angle.name or comment
            self._emit(angle)
        elif ats:
            before, local, domain, behind = words.address_at(ats[-1])
            self._emit(Address(before or comment or behind or None, None, local, domain))
        elif words.tokens and (quoted or words.are_a_name()):
            self._emit(Address(words.phrase() or comment, None, b"", b""))
        elif words.tokens:
            self._emit(Address(comment, None, b"".join(words.tokens), b""))

    def _angle(self) -> Address:
        """Read an angle-addr after its `<`. It ends at `>`, or before a comma, or with the list."""
        words, kinds = _Words(), list[str]()
        adl: bytes | None = None
        spaced = False
        while True:
            before = self.at
            kind, text = self._token()
            if kind in (">", "end"):
                break
            if kind == ";" or (
                kind == "," and not (_is_route(kinds) or self._route_follows(kinds))
            ):
                self.at = before
                break
            if kind == ":" and adl is None and _is_route(kinds):
                adl = b"".join(words.tokens)
                words, kinds = _Words(), []
            elif kind in ("space", "comment"):
                spaced = True
                continue
            elif kind != "<":
                words.add(text, spaced)
                kinds.append(kind)
            spaced = False
        if "@" not in kinds:
            return Address(None, adl, words.phrase(), b"")
        name, local, domain, _ = words.address_at(len(kinds) - 1 - kinds[::-1].index("@"))
        return Address(name or None, adl, local, domain)

    def _route_follows(self, kinds: list[str]) -> bool:
        """Whether a comma that was just read begins an obs-domain-list `<, ,@a:b@c>`."""
        return not kinds and _ROUTE_FOLLOWS.match(self.value, self.at) is not None


def _is_route(kinds: list[str]) -> bool:
    """Whether what was read of an angle-addr is the beginning of a route `@a,@b:`."""
    return bool(kinds) and kinds[0] in ("@", ",")


def _unquote(text: bytes) -> bytes:
    return _QUOTED_PAIR.sub(rb"\1", text) if b"\\" in text else text
