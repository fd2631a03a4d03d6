"""`mailsuite user …`: accounts and their passwords."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailsuite.base.errors import UserError
from mailsuite.cli import app_password, output
from mailsuite.cli.asking import Address, FromInput, ask_password
from mailsuite.cli.options import (
    ConfigOption,
    DataOption,
    JsonOption,
    open_directory,
    quota_defaults,
)

if TYPE_CHECKING:
    from mailsuite.accounts import AccountRow, Directory

app = typer.Typer(
    help="Accounts. Changes take effect at once, also in a running server.", no_args_is_help=True
)
app.add_typer(app_password.app, name="app-password")
app.command()(app_password.legacy_auth)


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
        row = directory.add_user(address, ask_password(address, password_stdin))
    output.say(f"user {row.address} added")


@app.command("list")
def list_(
    domain: Annotated[
        str | None, typer.Argument(metavar="DOMAIN", help="Of this domain only.")
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
    defaults = quota_defaults(config, data)
    output.table(
        ["User", "Sign-in", "Quota", "Added"],
        [
            (
                row.address,
                "enabled" if row.enabled else "disabled",
                _limits(*row.limits(*defaults)),
                output.moment(row.created),
            )
            for row in rows
        ],
        empty=f"no users{f' at {domain}' if domain else ''}"
        " (add one: mailsuite user add alice@example.org)",
    )


@app.command()
def show(
    address: Address,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Show an account: sign-in, quota, and how much it keeps."""
    with open_directory(config, data) as directory:
        row = directory.require_user(address)
        kept = _kept(directory, row, config, data)
    if json:
        output.emit(dataclasses.asdict(row) | kept)
        return
    lines = [
        ("User", row.address),
        ("Sign-in", "enabled" if row.enabled else "disabled"),
        ("SCRAM", "ready" if row.scram else "after the next sign-in with the password"),
        ("CRAM-MD5, APOP", "on" if row.legacy else "off"),
        ("Added", output.moment(row.created)),
        ("Quota", _limits(kept["limit_storage"], kept["limit_messages"])),
        ("In use", _in_use(kept)),
        ("Folder", kept["folder"]),
    ]
    output.table(["", ""], lines, empty="")


@app.command()
def quota(
    address: Address,
    storage: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help='Such as 5G or "500 MB"; none: no limit of this kind.'),
    ] = None,
    messages: Annotated[
        str | None, typer.Option(metavar="N", help="Number of messages; none: no limit.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="No limit at all.")] = False,
    default: Annotated[
        bool, typer.Option("--default", help="The limits of the settings again.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Limit what an account may keep; without options, show the limits and what it keeps."""
    from mailsuite.accounts import NO_LIMIT

    change = storage is not None or messages is not None
    if change + none + default > 1:
        raise typer.BadParameter("give limits, --none or --default, not several of them")
    with open_directory(config, data) as directory:
        row = directory.require_user(address)
        if none or default:
            value = NO_LIMIT if none else None
            row = directory.set_quota(row.address, value, value)
        elif change:
            row = directory.set_quota(
                row.address,
                row.quota_storage if storage is None else _octets(storage),
                row.quota_messages if messages is None else _number(messages),
            )
        kept = _kept(directory, row, config, data)
    if json:
        output.emit(kept)
        return
    limits = _limits(kept["limit_storage"], kept["limit_messages"])
    output.say(f"quota of {row.address}: {limits}; in use: {_in_use(kept)}")


def _octets(text: str) -> int:
    from mailsuite.accounts import NO_LIMIT
    from mailsuite.config.units import parse_size

    if text == "none":
        return NO_LIMIT
    try:
        octets = int(text) if text.isascii() and text.isdigit() else parse_size(text)
    except ValueError as error:
        raise UserError(f'--storage {text!r} {error} (expected a size such as "5 GB")') from None
    if not 1024 <= octets <= 1 << 60:
        raise UserError(f"--storage {text!r} is out of range (1 KiB at the least)")
    return octets


def _number(text: str) -> int:
    from mailsuite.accounts import NO_LIMIT

    if text == "none":
        return NO_LIMIT
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:11]) <= 4_000_000_000):
        raise UserError(f"--messages {text!r} is no number from 1 to 4000000000")
    return int(text)


def _kept(
    directory: "Directory", row: "AccountRow", config: Path | None, data: Path | None
) -> dict[str, Any]:
    """Limits in force, what the account keeps (None: nobody has counted yet), and where."""
    from mailsuite.store.names import account_folder
    from mailsuite.store.usage import of_account

    storage, messages = row.limits(*quota_defaults(config, data))
    folder = (directory.path.parent / "mail").joinpath(*account_folder(row.address))
    used = of_account(folder)
    return {
        "limit_storage": storage,
        "limit_messages": messages,
        "used_storage": None if used is None else used.storage,
        "used_messages": None if used is None else used.messages,
        "folder": str(folder),
    }


def _limits(storage: int | None, messages: int | None) -> str:
    limits = [] if storage is None else [output.size(storage)]
    if messages is not None:
        limits.append(f"{messages} messages")
    return ", ".join(limits) or "none"


def _in_use(kept: dict[str, Any]) -> str:
    if kept["used_storage"] is None:
        return "nothing yet"
    return f"{output.size(kept['used_storage'])}, {kept['used_messages']} messages"


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
        directory.set_password(row.address, ask_password(row.address, password_stdin))
    output.say(f"password of {row.address} changed")


@app.command("hash")
def hash_(password_stdin: FromInput = False) -> None:
    """Make the hash of a password, for a line of `users_file`. The password is asked for."""
    from mailsuite.accounts.passwords import Hasher, require

    output.say(Hasher().make(require(ask_password("the file", password_stdin))))


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
