"""How messages are named to clients that know them by a text of their own (POP3's UIDL).

By a form that holds for the whole mailbox, `%v.%u` if nothing else was said before its first
message came: UIDVALIDITY and UID, in Dovecot's spelling of `pop3_uidl_format` (`%08Xu%08Xv`, say).
Messages that had another name elsewhere have a line in `mailsuite.uidl`: UID and name, written
before the message is in the folder. So a message's name never changes. Calls block.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

NAMES_FILE = "mailsuite.uidl"
OWN_FORM = "%v.%u"
MAX_NAME = 70
"""Octets (RFC 1939 §7 UIDL), 0x21 to 0x7E."""
_NAME = re.compile(r"[!-~]{1,70}\Z")
_PART = re.compile(r"%(?:0?([0-9]{1,2}))?(X?)([uv])|([!-$&-~]+)")


@dataclass(frozen=True, slots=True)
class Form:
    """A form of names, for messages of one UIDVALIDITY.

    octets  with one place for the UID, to be filled by `%`
    """

    octets: bytes

    @classmethod
    def read(cls, text: str, uidvalidity: int) -> Form:
        """Raises ValueError for what is no form, or names more than one message."""
        parts: list[str] = []
        end = uids = 0
        for match in _PART.finditer(text):
            if match.start() != end:
                break
            end = match.end()
            width, hexadecimal, variable, literal = match.groups()
            directive = f"%0{width or 0}{'x' if hexadecimal else 'd'}"
            if variable == "u":
                parts.append(directive)
                uids += 1
            else:
                parts.append(literal or directive % uidvalidity)
        form = cls("".join(parts).encode())
        if end != len(text) or uids != 1 or len(form.octets % 0xFFFFFFFF) > MAX_NAME:
            raise ValueError("expected %u once, %v perhaps, as in %08Xu%08Xv or %v.%u")
        return form

    def of(self, uid: int) -> str:
        """The name of the message with this UID."""
        return (self.octets % uid).decode()


@dataclass(frozen=True, slots=True)
class UniqueIds:
    """Names of a mailbox's messages: by the form, but for those in `others` (by UID)."""

    form: Form
    others: dict[int, str] = field(default_factory=dict)

    def of(self, uid: int) -> str:
        """The name of one message."""
        return self.others.get(uid) or self.form.of(uid)

    def lines(self, numbers: Sequence[int], uids: Sequence[int]) -> bytes:
        """A line of number and name for each message."""
        if self.others:
            return b"".join(
                b"%d %s\r\n" % (number, self.of(uid).encode())
                for number, uid in zip(numbers, uids, strict=True)
            )
        # One formatting for all: a hundred thousand lines take some hundredths of a second.
        cells = [0] * (2 * len(uids))
        cells[::2], cells[1::2] = numbers, uids
        return (b"%d " + self.form.octets + b"\r\n") * len(uids) % tuple(cells)


def is_name(text: str) -> bool:
    """A name that POP3 can say."""
    return _NAME.match(text) is not None


def form_of(text: str, uidvalidity: int) -> Form:
    """A mailbox's form; our own where `text` is "" or makes no sense."""
    try:
        return Form.read(text or OWN_FORM, uidvalidity)
    except ValueError:
        return Form.read(OWN_FORM, uidvalidity)


def read(folder: Path, form: Form) -> UniqueIds:
    """The names of a mailbox's messages."""
    try:
        data = (folder / NAMES_FILE).read_bytes()
    except FileNotFoundError:
        return UniqueIds(form)
    return UniqueIds(form, dict(_lines(data)))


def _lines(data: bytes) -> Iterator[tuple[int, str]]:
    """Those that are whole: a crash may have cut the last one."""
    for line in data[: data.rfind(b"\n") + 1].decode("ascii", "replace").split("\n"):
        uid, _, name = line.partition(" ")
        if uid.isascii() and uid.isdigit() and is_name(name):
            yield int(uid), name


def append(folder: Path, names: Iterable[tuple[int, str]]) -> None:
    """Add lines; durable when it returns. Raises OSError."""
    data = "".join(f"{uid} {name}\n" for uid, name in names).encode("ascii")
    if not data:
        return
    fd = os.open(folder / NAMES_FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        end = os.fstat(fd).st_size
        if end and os.pread(fd, 1, end - 1) != b"\n":
            data = b"\n" + data
        written = os.write(fd, data)
        if written != len(data):
            os.ftruncate(fd, end)
            raise OSError(28, "short write", str(folder / NAMES_FILE))
        os.fsync(fd)
    finally:
        os.close(fd)


def forget(folder: Path) -> None:
    """The folder becomes another mailbox."""
    (folder / NAMES_FILE).unlink(missing_ok=True)
