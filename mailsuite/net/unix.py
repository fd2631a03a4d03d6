"""Unix sockets: bound and found, however long the name of their folder; who is at the other side.

A Unix socket's name has about a hundred octets at most; a folder's may have more.
"""

import contextlib
import hashlib
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mailsuite.base.errors import UserError

MAX_PATH = 100  # octets; Linux has 107, macOS 103
_DESCRIPTORS = Path("/proc/self/fd")


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A name under which the socket `path` can be bound or connected to, within the block.

    Raises UserError, or OSError when the folder can't be opened.
    """
    if len(os.fsencode(path)) <= MAX_PATH:
        yield str(path)
    elif _DESCRIPTORS.is_dir():
        fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"{_DESCRIPTORS}/{fd}/{path.name}"
        finally:
            os.close(fd)
    else:
        yield str(elsewhere(path))


def location(path: Path) -> Path:
    """The socket as a file, for removing it."""
    if len(os.fsencode(path)) <= MAX_PATH or _DESCRIPTORS.is_dir():
        return path
    return elsewhere(path)


def elsewhere(path: Path) -> Path:
    """A short name among the temporary files, for systems without /proc.

    Its folder belongs to the owner of the socket's folder alone, or UserError is raised: anybody
    may make names among the temporary files.
    """
    owner = path.parent.stat().st_uid
    folder = Path(tempfile.gettempdir()) / f"mailsuite-{owner}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(folder, owner, -1)
    found = folder.lstat()
    if not folder.is_dir() or folder.is_symlink() or found.st_uid != owner or found.st_mode & 0o077:
        raise UserError(
            f"{folder}: not a folder of the data folder's owner alone; "
            f"remove it, or choose a data folder with a name shorter than {path.parent}"
        )
    whole = path.parent.resolve() / path.name
    digest = hashlib.sha256(os.fsencode(whole)).hexdigest()[:16]
    return folder / f"{digest}.sock"


def bind_unix(path: Path, *, mode: int, busy: str) -> tuple[socket.socket, tuple[int, int]]:
    """A bound socket, not yet listening, and what `remove` knows its file by.

    mode  permissions of the file: who may connect. Nobody can before `listen`
    busy  told in a UserError when somebody answers there

    What a killed process left is taken away. UserError names the file for all other reasons.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with reachable(path) as name:
            _remove_stale(name, busy)
            sock.bind(name)
            Path(name).chmod(mode)
            found = Path(name).stat()
        sock.setblocking(False)
        return sock, (found.st_dev, found.st_ino)
    except OSError as error:
        sock.close()
        raise UserError(f"{path}: {error.strerror or error}") from error
    except BaseException:
        sock.close()
        raise


def remove(path: Path, inode: tuple[int, int] | None) -> None:
    """Remove a socket's file, unless it is a successor's by now."""
    with contextlib.suppress(OSError, UserError):
        file = location(path)
        found = file.stat()
        if (found.st_dev, found.st_ino) == inode:
            file.unlink()


def connect_unix(path: Path, timeout: float) -> socket.socket:
    """A connection to the socket `path`; `timeout` in seconds. Raises OSError, UserError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        with reachable(path) as name:
            sock.connect(name)
        return sock
    except BaseException:
        sock.close()
        raise


def peer_uid(sock: Any) -> int | None:
    """User id of the other side; None where the system does not tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, option, 12))
    return int(uid)


def _remove_stale(name: str, busy: str) -> None:
    try:
        if not stat.S_ISSOCK(Path(name).lstat().st_mode):
            raise UserError(f"{name}: in the way, and not a socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(name)
        except (ConnectionRefusedError, FileNotFoundError):
            Path(name).unlink(missing_ok=True)
            return
        except (TimeoutError, BlockingIOError):
            pass  # it is too busy to answer, so somebody is there
    raise UserError(busy)
