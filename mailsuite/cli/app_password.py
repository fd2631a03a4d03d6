"""`mailsuite user app-password …` and `mailsuite user legacy-auth`: other ways to sign in."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mailsuite.base.errors import UserError
from mailsuite.cli import output
from mailsuite.cli.asking import Address, FromInput, ask_password
from mailsuite.cli.options import (
    ConfigOption,
    DataOption,
    JsonOption,
    foreign_domains,
    open_directory,
)

if TYPE_CHECKING:
    from mailsuite.accounts import Directory

app = typer.Typer(
    help="Passwords for one program or device each, made by the server and revocable alone.",
    no_args_is_help=True,
)
Name = Annotated[
    str, typer.Option("--name", metavar="TEXT", help='For whom it is: "Thunderbird laptop".')
]


@app.command()
def add(
    address: Address,
    name: Name,
    scope: Annotated[
        str, typer.Option(metavar="LIST", help="Good for these only, of imap,smtp,pop3.")
    ] = "",
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Make one. It is shown now and never again."""
    doors = [door.strip().lower() for door in scope.split(",") if door.strip()]
    with open_directory(config, data) as directory:
        key = account(directory, address, config, data)
        row, password = directory.app_passwords.add(key, name, doors)
    if json:
        output.emit(dataclasses.asdict(row) | {"password": password})
        return
    output.say(password)
    output.note(f"for {row.name}: user name {row.address}, good for {', '.join(row.doors)}")
    output.note("it is not shown again; spaces and hyphens count")


@app.command("list")
def list_(
    address: Annotated[
        str | None, typer.Argument(metavar="ADDRESS", help="Of this account only.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """List them, with the last use of each (noted once a minute at most)."""
    with open_directory(config, data) as directory:
        key = None if address is None else account(directory, address, config, data)
        rows = directory.app_passwords.of(key)
    if json:
        output.emit([dataclasses.asdict(row) for row in rows])
        return
    output.table(
        ["User", "Name", "Scope", "Added", "Last use"],
        [
            (
                row.address,
                row.name,
                ", ".join(row.doors),
                output.moment(row.created),
                "never"
                if row.used is None
                else f"{output.moment(row.used)}, {row.used_by} from {row.used_from}",
            )
            for row in rows
        ],
        empty="no app passwords",
    )


@app.command()
def revoke(
    address: Address, name: Name, config: ConfigOption = None, data: DataOption = None
) -> None:
    """Refuse one from now on. Open sessions go on."""
    with open_directory(config, data) as directory:
        key = account(directory, address, config, data)
        directory.app_passwords.revoke(key, name)
    output.say(f"app password {name} of {key} revoked")


def account(directory: "Directory", address: str, config: Path | None, data: Path | None) -> str:
    """The address of an account here, or in a domain whose accounts are kept elsewhere."""
    try:
        return directory.require_user(address).address
    except UserError:
        from mailsuite.accounts.names import require_address

        key = require_address(address)
        if key.rpartition("@")[2] in foreign_domains(config, data):
            return key  # that there is such an account, the server finds out at sign-in
        raise


def legacy_auth(
    address: Address,
    state: Annotated[Literal["on", "off"], typer.Argument(metavar="on|off")],
    config: ConfigOption = None,
    data: DataOption = None,
    password_stdin: FromInput = False,
) -> None:
    """Let an account sign in by CRAM-MD5 and APOP as well, as some old programs do.

    The server must then be able to read the password, so it keeps it, sealed under its key file.
    With "on", the account's password is asked for.
    """
    with open_directory(config, data) as directory:
        row = directory.require_user(address)
        password = ask_password(row.address, password_stdin, new=False) if state == "on" else None
        directory.set_legacy(row.address, password)
    output.say(
        f"user {row.address} may sign in by CRAM-MD5 and APOP; its password is kept sealed"
        if state == "on"
        else f"user {row.address} may no longer sign in by CRAM-MD5 and APOP"
    )
