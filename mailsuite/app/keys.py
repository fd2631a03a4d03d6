"""Secret keys of the server that nobody has to set up: made at the first start, then kept."""

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
            key = secrets.token_bytes(OCTETS)
            durable.replace(path, key)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    if len(key) != OCTETS:
        raise UserError(f"{path}: not a key of {OCTETS} octets; remove it to have a new one made")
    return key
