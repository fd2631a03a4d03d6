"""An account on another server, as the command line names it: URL, TLS, password."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from mailsuite.base.errors import UserError

if TYPE_CHECKING:
    from mailsuite.remote import Location

MAX_LINE = 1 << 16  # characters read for a password

TlsOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tls", metavar="MODE", help="implicit, starttls or none, instead of what the URL means."
    ),
]
CaOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--ca", metavar="FILE", help="Authorities to believe (PEM), not the system's."),
]
PasswordStdin: TypeAlias = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the standard input.")
]
PasswordFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--password-file", metavar="FILE", help="Read it from this file's first line."),
]


def location(url: str, protocol: Literal["imap", ""], tls: str | None) -> Location:
    """What a URL and --tls say, with the port. `protocol`: the only one that will do, or ""."""
    from mailsuite.remote import PORTS, parse_url

    try:
        found = parse_url(url)
    except ValueError as error:
        raise typer.BadParameter(f"{url}: {error}") from error
    if protocol and found.protocol != protocol:
        raise typer.BadParameter(f"{url}: expected {protocol}:// or {protocol}s://")
    if tls is not None:
        match tls:
            case "implicit" | "starttls" | "none":
                found = dataclasses.replace(found, tls=tls)
            case _:
                raise typer.BadParameter("--tls is implicit, starttls or none")
    if found.port is None:
        found = dataclasses.replace(found, port=PORTS[found.protocol, found.tls])
    return found


def password(where: Location, from_input: bool, file: Path | None) -> str:
    """Asked for, or read. Raises UserError."""
    if from_input and file is not None:
        raise typer.BadParameter("give --password-stdin or --password-file, not both")
    if file is not None:
        try:
            with file.open(encoding="utf-8") as lines:
                line = lines.readline(MAX_LINE)
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise UserError(f"{file}: {why}") from error
    elif from_input:
        line = sys.stdin.readline(MAX_LINE)
    elif not sys.stdin.isatty():
        raise UserError(
            "no terminal to ask for the password at (see --password-stdin and --password-file)"
        )
    else:
        prompt = f"Password of {where.user} at {where.host}"
        return str(typer.prompt(prompt, hide_input=True))
    return line.removesuffix("\n").removesuffix("\r")
