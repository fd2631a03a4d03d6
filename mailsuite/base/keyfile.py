"""Secret keys of the server that nobody has to set up: made when first asked for, then kept.

Promises: a key file is readable by its owner only; whichever of several processes makes it first,
all have the same key; root makes it for the owner of the folder, who is the server's user.
"""

import contextlib
import os
import secrets
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
            _make(path)
            key = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    if len(key) != OCTETS:
        raise UserError(
            f"{path}: not a key of {OCTETS} octets; put it back from a backup, or remove it to have"
            " a new one made"
        )
    return key


def _make(path: Path) -> None:
    """A whole key under a name of its own first; the link fails where another was quicker."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    durable.write_new(temporary, [secrets.token_bytes(OCTETS)])
    try:
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.chown(temporary, owner.st_uid, owner.st_gid)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()
    durable.fsync_dir(path.parent)
