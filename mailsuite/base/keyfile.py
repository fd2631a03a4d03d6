"""Secret keys of the server that nobody has to set up: made when first asked for, then kept.

Promises: a key file is readable by its owner only; whichever of several processes makes it first,
all have the same key; root makes files and folders for the owner of the folder that they come into,
who is the server's user.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from mailsuite.base import durable
from mailsuite.base.errors import UserError

OCTETS = 32


def load_key(path: Path) -> bytes:
    """The key in `path`, made now if there is none. Raises UserError that names the file."""
    try:
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            make_once(path, secrets.token_bytes(OCTETS))
            key = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    if len(key) != OCTETS:
        raise UserError(
            f"{path}: not a key of {OCTETS} octets; put it back from a backup, or remove it to have"
            " a new one made"
        )
    return key


def make_once(path: Path, octets: bytes) -> bool:
    """Keep `octets` under `path`, durably; False: another file is there, and stays.

    Raises OSError.
    """
    with _beside(path, octets) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
    durable.fsync_dir(path.parent)
    return True


def put(path: Path, octets: bytes) -> None:
    """Keep `octets` under `path`, durably, in the place of what is there. Raises OSError."""
    with _beside(path, octets) as temporary:
        temporary.replace(path)
    durable.fsync_dir(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder for its owner only, where it is missing. Raises OSError."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        return
    _give(path)
    durable.fsync_dir(path.parent)


@contextlib.contextmanager
def _beside(path: Path, octets: bytes) -> Iterator[Path]:
    """A whole file with a name of its own, which is gone in the end."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    durable.write_new(temporary, [octets])
    try:
        _give(temporary)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
