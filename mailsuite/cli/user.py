"""`mailsuite user …`: accounts and their passwords."""

import dataclasses
import sys
from typing import Annotated

import typer

from mailsuite.base.errors import UserError
from mailsuite.cli import output
from mailsuite.cli.options import ConfigOption, DataOption, JsonOption, open_directory

MAX_LINE = 1 << 16  # characters read for a password

app = typer.Typer(
    help="Accounts. Changes take effect at once, also in a running server.", no_args_is_help=True
)
Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="Such as alice@example.org.")]
FromInput = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the standard input.")
]


@app.command()
def add(
    address: Address,
    config: ConfigOption = None,
    data: DataOption = None,
    password_stdin: FromInput = False,
) -> None:
    """Make an account. The password is asked for."""
    with open_directory(config, data) as directory:
        directory.require_free(address)  # before anybody types a password in vain
        row = directory.add_user(address, _password(address, password_stdin))
    output.say(f"user {row.address} added")


@app.command("list")
def list_(
    domain: Annotated[
        str | None, typer.Argument(metavar="[DOMAIN]", help="Of this domain only.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """List the accounts."""
    with open_directory(config, data) as directory:
        rows = directory.users(domain)
    if json:
        output.emit([dataclasses.asdict(row) for row in rows])
        return
    output.table(
        ["User", "Sign-in", "Added"],
        [
            (row.address, "enabled" if row.enabled else "disabled", output.moment(row.created))
            for row in rows
        ],
        empty="no users (add one: mailsuite user add alice@example.org)",
    )


@app.command()
def remove(address: Address, config: ConfigOption = None, data: DataOption = None) -> None:
    """Remove an account. Its mail stays on the disk."""
    from mailsuite.store.names import account_folder

    with open_directory(config, data) as directory:
        row = directory.require_user(address)
        directory.remove_user(address)
        folder = (directory.path.parent / "mail").joinpath(*account_folder(row.address))
    output.say(f"user {row.address} removed")
    if folder.exists():
        output.say(f"the mail stays on the disk, in {folder}")


@app.command()
def password(
    address: Address,
    config: ConfigOption = None,
    data: DataOption = None,
    password_stdin: FromInput = False,
) -> None:
    """Change a password. The new one is asked for; the old one is refused at once."""
    with open_directory(config, data) as directory:
        row = directory.require_user(address)
        directory.set_password(row.address, _password(row.address, password_stdin))
    output.say(f"password of {row.address} changed")


@app.command()
def enable(address: Address, config: ConfigOption = None, data: DataOption = None) -> None:
    """Let an account sign in again."""
    with open_directory(config, data) as directory:
        directory.enable(address)
    output.say(f"user {address} may sign in")


@app.command()
def disable(address: Address, config: ConfigOption = None, data: DataOption = None) -> None:
    """Let an account no longer sign in. Its mail is still taken; open sessions go on."""
    with open_directory(config, data) as directory:
        directory.disable(address)
    output.say(f"user {address} may no longer sign in")


def _password(address: str, from_input: bool) -> str:
    if from_input:
        line = sys.stdin.readline(MAX_LINE)
        return line.removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise UserError("no terminal to ask for the password at (see --password-stdin)")
    return str(typer.prompt(f"Password for {address}", hide_input=True, confirmation_prompt=True))
