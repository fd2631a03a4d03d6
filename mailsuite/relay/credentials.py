"""The file with the passwords for smarthosts: read once, by its owner only.

    # host or host:port     user name           password, to the end of the line
    smtp.example.net        alice@example.org   correct horse battery staple

Promises: a mistake is told as `file:line: what is wrong`, and no error shows a password.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from mailsuite.base.errors import UserError
from mailsuite.sasl import ClientLogin

MAX_FILE = 1 << 20


class Credentials:
    """Logins by host."""

    def __init__(self, logins: Mapping[str, ClientLogin]) -> None:
        self._logins = dict(logins)

    def of(self, host: str, port: int) -> ClientLogin | None:
        """The one for this port, else the one for the host, or None."""
        host = host.lower()
        return self._logins.get(f"{host}:{port}") or self._logins.get(host)


def load(path: Path) -> Credentials:
    """Read the file. Raises UserError. Blocks on the disk."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            octets = file.read(MAX_FILE + 1)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file (expected passwords for smarthosts)") from error
    except PermissionError as error:
        raise UserError(
            f"{path}: the server's user may not read it (chown it to that user, chmod 600)"
        ) from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror} (expected a file with passwords)") from error
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise UserError(
            f"{path}: others may read or write the passwords in it (put it right: chmod 600 {path})"
        )
    if len(octets) > MAX_FILE:
        raise UserError(f"{path}: larger than {MAX_FILE} octets")
    return Credentials(_logins(octets, path))


def _logins(octets: bytes, path: Path) -> dict[str, ClientLogin]:
    found: dict[str, ClientLogin] = {}
    for number, line in enumerate(octets.split(b"\n"), 1):
        place = f"{path}:{number}: "
        try:
            text = line.decode("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            raise UserError(f"{place}not UTF-8 text") from error
        if not text or text.startswith("#"):
            continue
        parts = text.split(None, 2)
        if len(parts) != 3:
            raise UserError(f"{place}expected three things: host, user name, password")
        host, name, password = parts
        if "\0" in text:
            raise UserError(f"{place}NUL in a name or password")
        if host.lower() in found:
            raise UserError(f"{place}{host} stands in the file already")
        found[host.lower()] = ClientLogin(name, password)
    return found
