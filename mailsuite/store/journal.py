"""`mailsuite.keywords`: the keywords of a folder's messages, which file names have no room for.

One line for each change: the UID, then all keywords the message has from then on. The last line of
a UID counts. Only ever appended to, and rewritten when most of it is out of date. Calls block.
"""

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from mailsuite.base import durable

JOURNAL_FILE = "mailsuite.keywords"
COMPACT_FROM = 64 << 10


def read(folder: Path) -> dict[int, list[str]]:
    """UID -> keywords, for UIDs that have any. A line cut off by a crash is passed over."""
    try:
        data = (folder / JOURNAL_FILE).read_bytes()
    except FileNotFoundError:
        return {}
    found: dict[int, list[str]] = {}
    for line in data[: data.rfind(b"\n") + 1].decode("ascii", "replace").split("\n"):
        uid, _, rest = line.partition(" ")
        if uid.isascii() and uid.isdigit():
            if words := [word for word in rest.split(" ") if word.isascii() and word]:
                found[int(uid)] = words
            else:
                found.pop(int(uid), None)
    return found


def size(folder: Path) -> int:
    """Octets of the journal, 0 when there is none."""
    with contextlib.suppress(FileNotFoundError):
        return (folder / JOURNAL_FILE).stat().st_size
    return 0


def append(folder: Path, changes: Iterable[tuple[int, Iterable[str]]], *, sync: bool) -> int:
    """Add lines; durable when `sync`. Returns the journal's size."""
    text = "".join(" ".join([str(uid), *words]) + "\n" for uid, words in changes)
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    fd = os.open(folder / JOURNAL_FILE, flags, 0o600)
    try:
        end = os.fstat(fd).st_size
        if end and os.pread(fd, 1, end - 1) != b"\n":
            text = "\n" + text  # a crash has cut the last line
        data = text.encode("ascii")
        written = os.write(fd, data)
        if written != len(data):
            os.ftruncate(fd, end)
            raise OSError(28, "short write", str(folder / JOURNAL_FILE))
        if sync:
            os.fsync(fd)
        return end + written
    finally:
        os.close(fd)


def rewrite(folder: Path, keywords: Mapping[int, Iterable[str]]) -> int:
    """Replace the journal by one line a message. Returns its size."""
    lines = (" ".join([str(uid), *words]) + "\n" for uid, words in sorted(keywords.items()))
    data = "".join(lines).encode("ascii")
    durable.replace(folder / JOURNAL_FILE, data)
    return len(data)
