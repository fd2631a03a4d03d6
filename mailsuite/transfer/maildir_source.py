"""A Maildir to be read: its folders, messages, UIDs and keywords. Every call blocks.

Takes Maildir++ (`.Folder.Sub`) and folders within folders; Dovecot's dovecot-uidlist,
dovecot-keywords and subscriptions where they are. Never writes there, and never follows a symbolic
link below the Maildir: whoever owned it could have made one to mail, or to a key, of others.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mailsuite.base.errors import UserError
from mailsuite.message import mutf7
from mailsuite.transfer import uidlist
from mailsuite.transfer.names import INBOX, Named, local_name

MAX_DEPTH = 20
_PLACES = ("new", "cur")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_LETTERS = {
    "D": "\\Draft",
    "F": "\\Flagged",
    "P": "$Forwarded",
    "R": "\\Answered",
    "S": "\\Seen",
    "T": "\\Deleted",
}


@dataclass(frozen=True, slots=True)
class MaildirFolder:
    """One folder."""

    path: Path
    named: Named

    @property
    def name(self) -> str:
        """With "/" between levels."""
        return self.named.name


@dataclass(frozen=True, slots=True)
class MaildirMessage:
    """One file. `key` stays the same when its flags change; `uid` 0: it has none yet.

    unique_id  its own one of POP3, or ""
    """

    key: str
    path: str
    flags: frozenset[str]
    uid: int
    unique_id: str = ""


class MaildirListing:
    """What is in a folder: those messages with UIDs by UID, then the others by age.

    A name a message and not more is held, for there may be many.
    """

    __slots__ = (
        "_letters",
        "_names",
        "_path",
        "_pop3",
        "_sets",
        "_uids",
        "uidnext",
        "uidvalidity",
    )

    def __init__(self, path: Path, uids: uidlist.UidList, letters: dict[str, str]) -> None:
        self.uidvalidity = uids.uidvalidity
        self.uidnext = uids.uidnext
        self._path = path
        self._pop3 = uids.pop3
        self._letters = letters
        self._sets: dict[str, frozenset[str]] = {}
        found = [(uids.uids.get(_head(name), 0), name) for name in _files(path)]
        found.sort(key=lambda one: (one[0] or 1 << 32, one[1].rpartition("/")[2]))
        self._names = [name for _, name in found]
        self._uids = array("I", (uid for uid, _ in found))

    def __len__(self) -> int:
        return len(self._names)

    def message(self, place: int) -> MaildirMessage:
        """The message at a place, from 0."""
        name = self._names[place]
        info = name.partition(":2,")[2]
        flags = self._sets.get(info)
        if flags is None:
            known = (self._letters[each] for each in info if each in self._letters)
            flags = self._sets[info] = frozenset(known)
        uid = self._uids[place]
        path = f"{self._path}/{name}"
        return MaildirMessage(key_of(name), path, flags, uid, self._pop3.get(uid, ""))

    def keys(self) -> Iterator[str]:
        """What names the messages."""
        return map(key_of, self._names)


def key_of(name: str) -> str:
    """What stays of a file's name, whatever programs add to it: all before "," and ":"."""
    return _head(name).partition(",")[0]


def _head(name: str) -> str:
    return name.rpartition("/")[2].partition(":")[0]


def folders(root: Path, links: list[Path] | None = None) -> list[MaildirFolder]:
    """All folders, INBOX first. Raises UserError that names the folder.

    links  gets the symbolic links that were passed over
    """
    found: dict[str, Path] = {}
    try:
        for name, path in _walk(root, [] if links is None else links):
            while name in found:  # `.INBOX` beside the root itself, say
                name += "_"
            found[name] = path
    except FileNotFoundError as error:
        raise UserError(f"{root}: no such folder") from error
    except OSError as error:
        raise UserError(f"{error.filename or root}: {error.strerror}") from error
    if not found:
        raise UserError(f"{root}: no Maildir (expected folders cur and new in it, or below it)")
    names = sorted(found, key=lambda name: (name != INBOX, name))
    return [MaildirFolder(found[name], Named(name)) for name in names]


def _walk(root: Path, links: list[Path]) -> Iterator[tuple[str, Path]]:
    if _is_maildir(root):
        yield INBOX, root
    for entry in _entries(root, links):
        if entry.name.startswith(".") and len(entry.name) > 1:
            if _is_maildir(entry):
                yield local_name(mutf7.decode_tolerant(os.fsencode(entry.name[1:])), "."), entry
        elif entry.name not in ("cur", "new", "tmp") and entry.is_dir():
            yield from _nested(entry, "", 0, links)


def _entries(folder: Path, links: list[Path]) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if not entry.is_symlink():
            yield entry
        elif entry.is_dir():
            links.append(entry)


def _nested(path: Path, above: str, depth: int, links: list[Path]) -> Iterator[tuple[str, Path]]:
    name = local_name(above + mutf7.decode_tolerant(os.fsencode(path.name)), "/")
    if _is_maildir(path):
        yield name, path
    if depth < MAX_DEPTH:
        for entry in _entries(path, links):
            if entry.name not in ("cur", "new", "tmp") and entry.is_dir():
                yield from _nested(entry, name + "/", depth + 1, links)


def _is_maildir(path: Path) -> bool:
    return any((path / place).is_dir() and not (path / place).is_symlink() for place in _PLACES)


def subscriptions(root: Path) -> set[str]:
    """Names with "/" between levels."""
    octets = _octets(root / uidlist.SUBSCRIPTIONS)
    found = (mutf7.decode_tolerant(name.encode()) for name in uidlist.read_subscriptions(octets))
    return {local_name(name, "/") for name in found}


def count(folder: MaildirFolder) -> int:
    """How many messages are in it now."""
    return sum(1 for _ in _files(folder.path))


def listing(folder: MaildirFolder) -> MaildirListing:
    """Its messages."""
    uids = uidlist.read_uidlist(_octets(folder.path / uidlist.UIDLIST))
    letters = _LETTERS | uidlist.read_keywords(_octets(folder.path / uidlist.KEYWORDS))
    return MaildirListing(folder.path, uids, letters)


def _files(folder: Path) -> Iterator[str]:
    """`new/…` and `cur/…`."""
    for place in _PLACES:
        if (folder / place).is_symlink():
            continue
        try:
            with os.scandir(folder / place) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        yield f"{place}/{entry.name}"
        except FileNotFoundError:
            continue


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


@dataclass(frozen=True, slots=True)
class Opened:
    """A message file's octets with CRLF line ends, or (large) only its size; and its date."""

    octets: bytes | None
    size: int
    date: float


def open_message(path: str, at_once: int) -> Opened | None:
    """None: gone or renamed meanwhile, or no regular file. Raises OSError."""
    try:
        with _open(path) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return None
            octets = file.read() if status.st_size <= at_once else None
    except (FileNotFoundError, IsADirectoryError):
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a symbolic link; a socket
            return None
        raise
    if octets is not None:
        octets = to_crlf(octets)
    return Opened(octets, status.st_size if octets is None else len(octets), status.st_mtime)


def _open(path: str) -> BinaryIO:
    """Never waits for somebody who might write into a FIFO."""
    return os.fdopen(
        os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb"
    )


def pieces(path: str, size: int) -> Iterator[bytes]:
    """A large message in pieces of about `size` octets, with CRLF line ends."""
    with _open(path) as file:
        held = b""
        while piece := file.read(size):
            piece = held + piece
            held = b"\r" if piece.endswith(b"\r") else b""
            yield to_crlf(piece[: len(piece) - len(held)])
        yield held


def to_crlf(octets: bytes) -> bytes:
    """Every LF alone made CRLF."""
    if octets.count(b"\n") == octets.count(b"\r\n"):
        return octets
    return _BARE_LF.sub(b"\r\n", octets)
