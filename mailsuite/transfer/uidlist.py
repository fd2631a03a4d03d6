"""Pure. Dovecot's files beside a Maildir: dovecot-uidlist, dovecot-keywords, subscriptions.

Promises: what is written here Dovecot reads (its formats of version 3 and 1); what is read never
raises, lines that make no sense are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

UIDLIST = "dovecot-uidlist"
KEYWORDS = "dovecot-keywords"
SUBSCRIPTIONS = "subscriptions"
POP3_FORM = "%08Xu%08Xv"
"""Dovecot's `pop3_uidl_format` where its owner has said nothing else."""
MAX_KEYWORDS = 26
"""Letters a to z of a file name; Dovecot keeps what is more in its index only."""

_MAX = 0xFFFFFFFF
_NUMBER = re.compile(r"[0-9]{1,10}\Z")
_KEYWORD = re.compile(r"([0-9]{1,2}) ([!-~]{1,255})\Z")


@dataclass(slots=True)
class UidList:
    """What dovecot-uidlist says.

    uidvalidity, uidnext  0 when the file does not tell
    uids                  by file name without its flags (all before ":")
    pop3                  POP3 unique ids that messages have kept from elsewhere, by UID
    """

    uidvalidity: int = 0
    uidnext: int = 0
    uids: dict[str, int] = field(default_factory=dict)
    pop3: dict[int, str] = field(default_factory=dict)


def read_uidlist(octets: bytes) -> UidList:
    """A file of version 3 or 1; an empty value for what is neither."""
    lines = octets.decode("utf-8", "surrogateescape").split("\n")
    version, _, rest = lines[0].partition(" ")
    found = UidList()
    if version == "3":
        _read_header(found, rest)
        entries = (_entry(line) for line in lines[1:])
    elif version == "1":
        numbers = [_number(word) for word in rest.split(" ")]
        if len(numbers) == 2:
            found.uidvalidity, found.uidnext = numbers
        entries = (_old_entry(line) for line in lines[1:])
    else:
        return found
    for uid, name, pop3 in entries:
        if uid and name:
            found.uids[name.partition(":")[0]] = uid
            if pop3:
                found.pop3[uid] = pop3
    if found.uids:
        found.uidnext = max(found.uidnext, min(max(found.uids.values()) + 1, _MAX))
    return found


def _read_header(found: UidList, rest: str) -> None:
    for word in rest.split(" "):
        if word.startswith("V"):
            found.uidvalidity = _number(word[1:])
        elif word.startswith("N"):
            found.uidnext = _number(word[1:])


def _entry(line: str) -> tuple[int, str, str]:
    """`<uid> [<letter><value> …] :<file name>`."""
    head, _, name = line.partition(" :")
    uid, *more = head.split(" ")
    pop3 = next((word[1:] for word in more if word.startswith("P")), "")
    return _number(uid), name, pop3


def _old_entry(line: str) -> tuple[int, str, str]:
    uid, _, name = line.partition(" ")
    return _number(uid), name, ""


def _number(text: str) -> int:
    value = int(text) if _NUMBER.match(text) else 0
    return value if value <= _MAX else 0


def write_uidlist(
    uidvalidity: int, uidnext: int, guid: str, entries: Iterable[tuple[int, str, str]]
) -> Iterator[bytes]:
    """The file's lines, version 3.

    guid     32 hexadecimal digits: the mailbox's own
    entries  (UID, POP3 unique id or "", file name without flags), by UID
    """
    yield f"3 V{uidvalidity} N{uidnext} G{guid}\n".encode()
    for uid, pop3, name in entries:
        yield uidlist_line(uid, pop3, name)


def uidlist_line(uid: int, pop3: str, name: str) -> bytes:
    """One message's line."""
    extension = f"P{pop3} " if pop3 else ""
    return f"{uid} {extension}:{name}\n".encode("utf-8", "surrogateescape")


def read_keywords(octets: bytes) -> dict[str, str]:
    """dovecot-keywords: letter in file names -> keyword."""
    found: dict[str, str] = {}
    for line in octets.decode("ascii", "replace").split("\n"):
        if (match := _KEYWORD.match(line)) and int(match[1]) < MAX_KEYWORDS:
            found[chr(ord("a") + int(match[1]))] = match[2]
    return found


def write_keywords(letters: Mapping[str, str]) -> bytes:
    """The same, from keyword -> letter."""
    lines = (f"{ord(letter) - ord('a')} {word}\n" for word, letter in letters.items())
    return "".join(lines).encode()


def read_subscriptions(octets: bytes) -> list[str]:
    """Names with "/" between levels, still in modified UTF-7; of both versions of the file."""
    lines = octets.decode("utf-8", "replace").split("\n")
    if lines[0].startswith("V\t"):
        return [line.replace("\t", "/") for line in lines[1:] if line]
    return [line.rstrip("\r").replace(".", "/") for line in lines if line.strip()]
