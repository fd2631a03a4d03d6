"""`mailsuite domain …`: the domains whose mail is kept here."""

import dataclasses
from typing import Annotated

import typer

from mailsuite.cli import output
from mailsuite.cli.options import (
    ConfigOption,
    DataOption,
    JsonOption,
    load_settings,
    open_directory,
)

app = typer.Typer(
    help="Domains whose mail is kept here. Changes take effect at once, also in a running server.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="DOMAIN", help="Such as example.org.")]


@app.command()
def add(name: Name, config: ConfigOption = None, data: DataOption = None) -> None:
    """Take mail for a domain from now on."""
    with open_directory(config, data, make=True) as directory:
        row = directory.add_domain(name)
    output.say(f"domain {row.name} added (next: mailsuite user add NAME@{row.name})")


@app.command("list")
def list_(config: ConfigOption = None, data: DataOption = None, json: JsonOption = False) -> None:
    """List the domains."""
    with open_directory(config, data) as directory:
        rows = directory.domains()
    if json:
        output.emit([dataclasses.asdict(row) for row in rows])
        return
    output.table(
        ["Domain", "Users", "Aliases", "Added"],
        [(row.name, row.users, row.aliases, output.moment(row.created)) for row in rows],
        right=["Users", "Aliases"],
        empty="no domains (add one: mailsuite domain add example.org)",
    )


@app.command()
def remove(
    name: Name,
    config: ConfigOption = None,
    data: DataOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Remove its users and aliases as well.")
    ] = False,
) -> None:
    """Take no more mail for a domain. The mail of its users stays on the disk."""
    with open_directory(config, data) as directory:
        removed = directory.remove_domain(name, force=force)
        folder = directory.path.parent / "mail"
    output.say(f"domain {name} removed")
    for address in removed:
        output.say(f"user {address} removed")
    if removed:
        output.say(f"their mail stays on the disk, below {folder}")


@app.command()
def records(name: Name, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show the DNS records that a domain's mail wants, as lines of a zone file.

    They follow from the settings; the DNS is not asked.
    """
    from mailsuite.accounts import names
    from mailsuite.cli.records import records as wanted
    from mailsuite.config import system_hostname

    settings = load_settings(config).config
    hostname = settings.hostname or system_hostname()
    found = list(wanted(settings, hostname, names.require_domain(name)))
    if json:
        output.emit([dataclasses.asdict(record) for record in found])
        return
    width = max(len(record.name) for record in found)
    for record in found:
        output.say(f"{record.name:<{width}}  {record.type:<4} {record.data}")
    output.note(
        f"; and A and AAAA records of {hostname}, with PTR records of these addresses that name it"
    )
    if settings.outbound == "smarthost":
        output.note("; and for SPF (TXT) what the provider of the smarthost says")
