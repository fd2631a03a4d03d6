"""`mailsuite alias …`: addresses that stand for others."""

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from mailsuite.cli import output
from mailsuite.cli.options import ConfigOption, DataOption, JsonOption, open_directory

if TYPE_CHECKING:
    from mailsuite.accounts import Directory

app = typer.Typer(
    help="Addresses that stand for others. Changes take effect at once, also in a running server.",
    no_args_is_help=True,
)
Address = Annotated[
    str,
    typer.Argument(metavar="ALIAS", help="Such as sales@example.org; @example.org catches all."),
]


@app.command()
def add(
    address: Address,
    targets: Annotated[list[str], typer.Argument(metavar="ADDRESS", help="Where its mail goes.")],
    config: ConfigOption = None,
    data: DataOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Change an alias that exists.")
    ] = False,
) -> None:
    """Let an address stand for one or more others, here or elsewhere."""
    with open_directory(config, data) as directory:
        row = directory.add_alias(address, targets, replace=replace)
        nobody = [target for target in row.targets if _is_nobody(directory, target)]
    output.say(f"alias {row.address} leads to {', '.join(row.targets)}")
    for target in nobody:
        output.warn(f"nobody has the address {target} yet (mailsuite user add {target})")


@app.command("list")
def list_(
    domain: Annotated[
        str | None, typer.Argument(metavar="DOMAIN", help="Of this domain only.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """List the aliases."""
    with open_directory(config, data) as directory:
        rows = directory.aliases(domain)
    if json:
        output.emit([dataclasses.asdict(row) for row in rows])
        return
    output.table(
        ["Alias", "Leads to", "Added"],
        [(row.address, ", ".join(row.targets), output.moment(row.created)) for row in rows],
        empty="no aliases",
    )


@app.command()
def remove(address: Address, config: ConfigOption = None, data: DataOption = None) -> None:
    """Remove an alias."""
    with open_directory(config, data) as directory:
        directory.remove_alias(address)
    output.say(f"alias {address} removed")


def _is_nobody(directory: "Directory", target: str) -> bool:
    """A local address that neither a user nor an alias has; it may be a subaddress all the same."""
    local, _, domain = target.rpartition("@")
    if not directory.is_local(domain) or directory.catch_all(domain) is not None:
        return False
    names = {local, *(local.partition(mark)[0] for mark in "+-_=#")}
    return not any(directory.lookup(f"{name}@{domain}") for name in names if name)
