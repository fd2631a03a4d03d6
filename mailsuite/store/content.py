"""The octets of a message file, as they are kept and as they go over the wire.

Files written by other programs may end their lines in bare LF; over the wire it is always CRLF. A
file whose name says S= equal to W= is given back exactly as it is. Calls block.
"""

import errno
import mmap
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from mailsuite.store import filename

CHUNK = 1 << 18
_BARE_LF = re.compile(rb"(?<!\r)\n")


class BareCounter:
    """Counts LF without CR before it, over pieces."""

    __slots__ = ("_after_cr", "bare")

    def __init__(self) -> None:
        self.bare = 0
        self._after_cr = False

    def feed(self, data: bytes) -> None:
        """The next piece."""
        if not data:
            return
        lone = data.count(b"\n") - data.count(b"\r\n")
        if self._after_cr and data.startswith(b"\n"):
            lone -= 1
        self.bare += lone
        self._after_cr = data.endswith(b"\r")


def count_bare(pieces: Iterable[bytes]) -> int:
    """LF without CR before it, in octets that are all here."""
    counter = BareCounter()
    for piece in pieces:
        counter.feed(piece)
    return counter.bare


def to_wire(data: bytes) -> bytes:
    """The octets with every bare LF made CRLF."""
    if data.count(b"\n") == data.count(b"\r\n"):
        return data
    return _BARE_LF.sub(b"\r\n", data)


def is_exact(name: str) -> bool:
    """The file goes over the wire as it is."""
    parsed = filename.parse(name)
    return parsed.size is not None and parsed.size == parsed.wire


def measured(path: str) -> tuple[int, bool]:
    """A file's octets as they go over the wire, and whether the last line has no end."""
    counter = BareCounter()
    size, open_end = 0, False
    for chunk in chunks(path):
        counter.feed(chunk)
        size += len(chunk)
        open_end = has_open_end(chunk, exact=False)  # where it is exact, each LF has its CR
    return size + counter.bare, open_end


def chunks(path: str | Path, offset: int = 0) -> Iterator[bytes]:
    """A file's octets, piece by piece."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while chunk := os.pread(fd, CHUNK, offset):
            yield chunk
            offset += len(chunk)
    finally:
        os.close(fd)


def has_open_end(data: bytes, *, exact: bool) -> bool:
    """The last octets of a message are no line's end, as it goes over the wire."""
    return bool(data) and not data.endswith(b"\r\n" if exact else b"\n")


def tail(path: str) -> bytes:
    """The last two octets of a file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(fd, 2, max(os.fstat(fd).st_size - 2, 0))
    finally:
        os.close(fd)


def read_wire(path: str) -> bytes:
    """A whole message as it goes over the wire. Raises FileNotFoundError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)
    return data if is_exact(path.rpartition("/")[2]) else to_wire(data)


class Folders:
    """new/ and cur/ held open, for reading many small files in them (half the time a file)."""

    __slots__ = ("_fds", "_paths")

    def __init__(self, *paths: str) -> None:
        self._paths = paths
        self._fds: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._fds.values():
            os.close(fd)

    def fd(self, place: int) -> int:
        """The folder's descriptor; `place` counts the paths from 0. Raises FileNotFoundError."""
        if (folder := self._fds.get(place)) is None:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
            folder = self._fds[place] = os.open(self._paths[place], flags)
        return folder

    def read(self, place: int, name: str, size: int) -> bytes | None:
        """A message of `size` octets over the wire that needs no conversion; else None.

        `place` counts the paths from 0.
        """
        if f",S={size},W={size}" not in name:
            return None
        try:
            fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.fd(place))
        except FileNotFoundError:
            return None
        try:
            data = os.read(fd, size + 1)
        finally:
            os.close(fd)
        return data if len(data) == size else None


def open_wire(path: str, scratch: Path) -> tuple[int, int]:
    """Open a message as it goes over the wire -> (file descriptor, size in octets).

    One that has to be converted becomes a nameless file in `scratch`. Raises FileNotFoundError.
    """
    if is_exact(path.rpartition("/")[2]):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return fd, os.fstat(fd).st_size
    with tempfile.TemporaryFile(dir=scratch) as out:
        size = 0
        held_back = b""
        for chunk in chunks(path):
            piece = held_back + chunk
            held_back = b"\r" if piece.endswith(b"\r") else b""
            size += out.write(to_wire(piece[: len(piece) - len(held_back)]))
        size += out.write(held_back)
        out.flush()
        return os.dup(out.fileno()), size


def pread(fd: int, length: int, offset: int) -> bytes:
    """`length` octets at `offset`, fewer only at the end of the file."""
    data = os.pread(fd, length, offset)
    while len(data) < length and (more := os.pread(fd, length - len(data), offset + len(data))):
        data += more
    return data


class FileOctets:
    """An open file as octets that the message scanner reads; a window of it is in memory."""

    __slots__ = ("_at", "_fd", "_size", "_window")

    def __init__(self, fd: int, size: int) -> None:
        self._fd = fd
        self._size = size
        self._at = 0
        self._window = b""

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, key: slice, /) -> bytes:
        start, stop, _ = key.indices(self._size)
        if stop - start > CHUNK:
            return pread(self._fd, stop - start, start)
        self._reach(start, stop)
        return self._window[start - self._at : max(stop, start) - self._at]

    def find(self, sub: bytes, start: int = 0, end: int | None = None, /) -> int:
        """As of bytes; `start` and `end` not negative."""
        end = self._size if end is None else min(end, self._size)
        while start + len(sub) <= end:
            self._reach(start, min(start + max(len(sub), 1), end))
            stop = min(self._at + len(self._window), end)
            found = self._window.find(sub, start - self._at, stop - self._at)
            if found >= 0:
                return self._at + found
            start = max(stop - len(sub), start) + 1
        return -1

    def _reach(self, start: int, stop: int) -> None:
        """Have the window hold this range, which is no longer than it."""
        if start < self._at or stop > self._at + len(self._window):
            self._window = pread(self._fd, CHUNK, start)
            self._at = start


def header_block(message: bytes | mmap.mmap) -> bytes:
    """The header with the empty line after it; the whole message when it has no body."""
    if message[:2] == b"\r\n":
        return b"\r\n"
    end = message.find(b"\r\n\r\n")
    return message[:] if end < 0 else message[: end + 4]


def is_transient(error: OSError) -> bool:
    """The disk refuses for a reason that can pass (full, quota, failing), not our mistake."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE)
