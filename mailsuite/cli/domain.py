"""`mailsuite domain …`: the domains whose mail is kept here."""

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailsuite.base.errors import UserError
from mailsuite.cli import output
from mailsuite.cli.options import (
    ConfigOption,
    DataOption,
    JsonOption,
    NoDataFolder,
    data_folder,
    foreign_domains,
    load_settings,
    open_directory,
)

if TYPE_CHECKING:
    from mailsuite.dkim import Key

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

    They follow from the settings; the DNS is not asked. A domain that has no key for DKIM yet gets
    one.
    """
    from mailsuite.accounts import names
    from mailsuite.cli.records import records as wanted
    from mailsuite.config import system_hostname

    settings = load_settings(config).config
    hostname = settings.hostname or system_hostname()
    domain = names.require_domain(name)
    keys, missing = _keys(config, domain) if settings.relay.dkim else ([], [])
    found = list(wanted(settings, hostname, domain, keys))
    if json:
        output.emit([dataclasses.asdict(record) for record in found])
    else:
        width = max(len(record.name) for record in found)
        for record in found:
            output.say(f"{record.name:<{width}}  {record.type:<4} {record.data}")
        output.note(
            f"; and A and AAAA records of {hostname}, with PTR records of these addresses that"
            " name it"
        )
        if settings.outbound == "smarthost":
            output.note("; and for SPF (TXT) what the provider of the smarthost says")
    if missing:
        raise UserError("\n".join(missing))


def _keys(config: Path | None, domain: str) -> tuple[list["Key"], list[str]]:
    """The keys that mail of `domain` is, was or will be signed with, and why some are not there."""
    from mailsuite.dkim import SELECTOR, Keys

    try:
        data = data_folder(config, None)
        elsewhere = foreign_domains(config, None)
        keys = Keys(_of_server(data) / "dkim")
        found = keys.of(domain)
        if not found and domain not in elsewhere and not _is_kept(data, domain):
            output.note(
                f"; and for DKIM (TXT) what this command says after `mailsuite domain add {domain}`"
            )
        elif not found:
            keys.add(domain, SELECTOR)
            found = keys.of(domain)
    except NoDataFolder:
        output.note("; and for DKIM (TXT) what this command says once the data folder is there")
        return [], []
    except UserError as error:
        return [], [f"no record for DKIM: {error}"]
    bad = [f"no record for DKIM: {each.why}" for each in found if each.key is None]
    return [each.key for each in found if each.key is not None], bad


def _is_kept(data: Path, domain: str) -> bool:
    with open_directory(None, data) as directory:
        return directory.is_local(domain)


def _of_server(data: Path) -> Path:
    """The data folder; root goes on as its owner, and so can use just what the server can."""
    if os.geteuid() == 0 and data.stat().st_uid != 0:
        from mailsuite.app.privileges import become

        become(data)
    return data


@app.command()
def dkim(
    name: Name,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
    new: Annotated[
        str | None,
        typer.Option(
            "--new-selector", metavar="NAME", help="Make one more key, which does not sign yet."
        ),
    ] = None,
    use: Annotated[
        str | None, typer.Option("--use", metavar="NAME", help="Sign with this one from now on.")
    ] = None,
    remove_: Annotated[
        str | None, typer.Option("--remove", metavar="NAME", help="Remove a key.")
    ] = None,
) -> None:
    """Show the keys that a domain's mail is signed with, or change them.

    `mailsuite domain records` shows what the DNS must have for each.
    """
    from mailsuite.accounts import names
    from mailsuite.dkim import Keys

    if sum(option is not None for option in (new, use, remove_)) > 1:
        raise typer.BadParameter("give one of --new-selector, --use and --remove")
    domain = names.require_domain(name)
    folder, elsewhere = data_folder(config, data), foreign_domains(config, data)
    keys = Keys(_of_server(folder) / "dkim")
    # Of a domain that was removed the keys may be, too.
    if not keys.of(domain) and domain not in elsewhere and not _is_kept(folder, domain):
        raise UserError(f"no such domain: {domain} (add it: mailsuite domain add {domain})")
    if new is not None and not keys.add(domain, new):
        raise UserError(f"{domain} has a key {new} already")
    if use is not None:
        keys.use(domain, use)
    if remove_ is not None:
        keys.remove(domain, remove_)
    found = keys.of(domain)
    if json:
        told = [
            {"selector": each.selector, "signs": each.signs, "path": str(each.path)}
            | {"bits": each.key.private.key_size if each.key else None, "why": each.why}
            for each in found
        ]
        output.emit(told)
        return
    output.table(
        ["Selector", "Signs", "Key"],
        [
            (
                each.selector,
                "yes" if each.signs else "",
                f"RSA, {each.key.private.key_size} bits" if each.key else each.why,
            )
            for each in found
        ],
        empty=f"no key yet (mailsuite domain records {domain} makes one)",
    )
