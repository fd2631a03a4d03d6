"""Options that several commands share, and where they lead: settings, data folder, directory."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias, TypeVar

import typer

from mailsuite.base.errors import UserError

if TYPE_CHECKING:
    from mailsuite.accounts import Directory
    from mailsuite.config import Loaded

DEV_DATA = Path("data")
STANDARD_FILE = Path("/etc/mailsuite/mailsuite.yaml")

ConfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help=f"Settings file (else $MAILSUITE_CONFIG, else {STANDARD_FILE}).",
    ),
]
DataOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Data folder, instead of a settings file (else $MAILSUITE_DATA).",
    ),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]


Given = TypeVar("Given", str, list[str], None)


def utf8(given: Given) -> Given:
    """Text that can be looked up. BadParameter for octets that are none in UTF-8."""
    texts: list[str] = [given] if isinstance(given, str) else given or []
    for one in texts:
        if not one.isascii() and any("\ud800" <= character <= "\udfff" for character in one):
            raise typer.BadParameter("is not UTF-8")
    return given


class NoDataFolder(UserError):
    """The data folder that is meant is not there."""


def settings_file(given: Path | None) -> Path:
    """The settings file that is meant. UserError when none is given and none is in place."""
    if given is not None:
        return given
    named = os.environ.get("MAILSUITE_CONFIG")
    if named:
        return Path(named)
    if is_there(STANDARD_FILE, unknown=True):
        return STANDARD_FILE
    raise UserError(
        f"no settings file: {STANDARD_FILE} does not exist (give one with -c FILE, "
        "or the data folder with --data DIR: `--data data` for `mailsuite dev`)"
    )


def load_settings(given: Path | None) -> "Loaded":
    """The settings that are meant. UserError tells every mistake in them."""
    from mailsuite.config import load

    return load(settings_file(given))


def data_folder(
    config: Path | None, data: Path | None, *, make: bool = False, look: bool = True
) -> Path:
    """The data folder that is meant; `make` makes it where it is missing.

    `look`: this user wants to read what is in it, and not just go through it.
    Root makes it for the user that the settings name, since the server will run as that one.
    """
    if config is not None and data is not None:
        raise typer.BadParameter("give --config or --data, not both")
    data = _named(config, data)
    owner: tuple[str | None, str | None] = (None, None)
    if data is None:
        settings = load_settings(config).config
        data, owner = settings.data, (settings.user, settings.group)
    if not is_there(data, unknown=True, folder=True):
        if not make:
            raise NoDataFolder(
                f"no data folder {data} (a server or `mailsuite domain add` makes it)"
            )
        _make(data, *owner)
    if look and not os.access(
        data, os.R_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids
    ):
        raise UserError(
            f"{data}: this user may not look into it; run this as the server's user or as root"
        )
    return data


def _named(config: Path | None, data: Path | None) -> Path | None:
    """The data folder that is named itself, or None where the settings name it.

    Without any settings it is that of `mailsuite dev` in this folder, where there is one.
    """
    if data is not None or config is not None:
        return data
    if os.environ.get("MAILSUITE_DATA"):
        return Path(os.environ["MAILSUITE_DATA"])
    if os.environ.get("MAILSUITE_CONFIG") or is_there(STANDARD_FILE, unknown=True):
        return None
    return DEV_DATA if is_there(DEV_DATA / "server.lock", unknown=False) else None


def is_there(path: Path, *, unknown: bool, folder: bool = False) -> bool:
    """Whether a file (or `folder`) is there; `unknown` where this user can't look."""
    try:
        return path.is_dir() if folder else path.exists()
    except OSError:
        return unknown


def quota_defaults(config: Path | None, data: Path | None) -> tuple[int | None, int | None]:
    """The settings' limits (octets, messages) for accounts; none where only a folder is named."""
    if _named(config, data) is not None:
        return None, None
    chosen = load_settings(config).config.quota
    return chosen.storage, chosen.messages


def foreign_domains(config: Path | None, data: Path | None) -> set[str]:
    """Domains whose accounts the settings say are kept elsewhere; none without settings."""
    if _named(config, data) is not None:
        return set()
    chosen = load_settings(config).config
    places = [place for place in (chosen.users_file, chosen.ldap) if place is not None]
    return {domain for place in places for domain in place.domains}


def _make(data: Path, user: str | None, group: str | None) -> None:
    import grp
    import pwd

    try:
        owner = None
        if user is not None and os.geteuid() == 0:
            entry = pwd.getpwnam(user)
            owner = (entry.pw_uid, entry.pw_gid if group is None else grp.getgrnam(group).gr_gid)
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if owner is not None:
            os.chown(data, *owner)
    except (OSError, LookupError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.args[0]
        raise UserError(f"cannot make the data folder {data}: {reason}") from error


@contextlib.contextmanager
def open_directory(
    config: Path | None, data: Path | None, *, make: bool = False
) -> Iterator["Directory"]:
    """The accounts of the data folder that is meant."""
    from mailsuite.accounts import Directory

    directory = Directory(data_folder(config, data, make=make) / "accounts.db")
    try:
        yield directory
    finally:
        directory.close()
