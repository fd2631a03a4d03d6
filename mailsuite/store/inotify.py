"""Linux' inotify(7), as far as the watcher needs it: which names come and go in folders.

Own bindings, because the libraries make an object with a path of every event, thirty times the cost
of looking at its octets, and a STORE of 5,000 messages makes 10,000 events. Never blocks.
"""

from __future__ import annotations

import ctypes
import os
import select
import sys
from collections.abc import Iterator
from struct import Struct

CREATE, DELETE, MOVED_FROM, MOVED_TO = 0x100, 0x200, 0x40, 0x80
ONLYDIR = 0x01000000
Q_OVERFLOW = 0x4000
IGNORED = 0x8000
AVAILABLE = sys.platform == "linux"

_NAMES = CREATE | DELETE | MOVED_FROM | MOVED_TO
_HEAD = Struct("iIII")  # watch, mask, cookie, length of the name with its NULs
_ENCODING, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
_READ = 1 << 16
_LOCAL = {
    0xEF53,  # ext2, ext3, ext4
    0x58465342,  # XFS
    0x9123683E,  # btrfs
    0x2FC12FC1,  # ZFS
    0xF2F52010,  # F2FS
    0xCA451A4E,  # bcachefs
    0x01021994,  # tmpfs
    0x794C7630,  # overlayfs
}
"""statfs(2)'s types of file systems that nobody changes but through this kernel."""


class Inotify:
    """One instance. `fd` is readable when there are events."""

    def __init__(self) -> None:
        """Raises OSError: no more instances are to be had."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self._call("inotify_init1", os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self.fd, select.POLLIN)

    def _call(self, name: str, *arguments: int | bytes) -> int:
        result = int(getattr(self._libc, name)(*arguments))
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), name)
        return result

    def add(self, path: str) -> int:
        """Watch a folder; the number of the watch. Raises OSError."""
        return self._call("inotify_add_watch", self.fd, os.fsencode(path), _NAMES | ONLYDIR)

    def remove(self, watch: int) -> None:
        """End a watch. Raises OSError when it has ended with its folder."""
        self._call("inotify_rm_watch", self.fd, watch)

    @property
    def is_quiet(self) -> bool:
        """Nothing has happened that `events` would tell of."""
        return not self._poll.poll(0)

    def events(self) -> Iterator[tuple[int, int, str]]:
        """(watch, mask, name) of some of what has happened; "" is the folder itself.

        A millisecond's worth: `fd` stays readable while there is more.
        """
        try:
            data = os.read(self.fd, _READ)
        except BlockingIOError:
            return
        at, head, unpack = 0, _HEAD.size, _HEAD.unpack_from
        while at < len(data):
            watch, mask, _, length = unpack(data, at)
            at += head + length
            # As os.fsdecode does, in a third of the time.
            name = data[at - length : at].rstrip(b"\0").decode(_ENCODING, _ERRORS)
            yield watch, mask, name

    def close(self) -> None:
        """End all watches."""
        os.close(self.fd)


def tells_all(path: str) -> bool:
    """Every change in this folder is told of: its file system is no other machine's as well.

    Blocks on the disk. Raises OSError.
    """
    if not AVAILABLE:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    answer = ctypes.create_string_buffer(512)  # struct statfs begins with the type, a long
    if libc.statfs(os.fsencode(path), answer) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return ctypes.c_long.from_buffer(answer).value & 0xFFFFFFFF in _LOCAL
