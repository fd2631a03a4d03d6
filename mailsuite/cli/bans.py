"""`mailsuite bans …`: who may not sign in for a while, after too many failures."""

import contextlib
import dataclasses
import ipaddress
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailsuite.base.errors import UserError
from mailsuite.cli import output
from mailsuite.cli.options import ConfigOption, DataOption, JsonOption, data_folder

if TYPE_CHECKING:
    from mailsuite.signin import Bans

app = typer.Typer(
    help="Addresses and accounts that may not sign in for a while. Changes take effect at once.",
    no_args_is_help=True,
)
Whom = Annotated[
    str,
    typer.Argument(
        metavar="WHOM",
        help="IP address (IPv6: its /64 is meant), or an account such as alice@example.org.",
    ),
]


@contextlib.contextmanager
def _open(config: Path | None, data: Path | None) -> Iterator["Bans"]:
    from mailsuite.signin.bans import Bans

    bans = Bans(data_folder(config, data) / "bans.db")
    try:
        yield bans
    finally:
        bans.close()


@app.command("list")
def list_(config: ConfigOption = None, data: DataOption = None, json: JsonOption = False) -> None:
    """List the bans in force."""
    with _open(config, data) as bans:
        found = bans.all(time.time())
    if json:
        output.emit([dataclasses.asdict(ban) for ban in found])
        return
    output.table(
        ["Banned", "Kind", "Since", "Until"],
        [(ban.key, ban.kind, output.moment(ban.since), output.moment(ban.until)) for ban in found],
        empty="no bans",
    )


@app.command()
def lift(
    whom: Annotated[str | None, typer.Argument(metavar="WHOM", help="As in the list.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Lift all bans.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Let an address or an account sign in again."""
    if (whom is None) != everybody:
        raise typer.BadParameter("give an address or account, or --all")
    with _open(config, data) as bans:
        lifted = bans.lift(None if whom is None else _key(whom)[1])
    if not lifted and whom is not None:
        raise UserError(f"not banned: {whom} (see: mailsuite bans list)")
    for ban in lifted:
        output.say(f"{ban.kind} {ban.key} may sign in again")
    if not lifted:
        output.say("no bans")


@app.command()
def add(
    whom: Whom,
    duration: Annotated[
        str, typer.Option("--for", metavar="TIME", help="Such as 30m, 12h or 7d.")
    ] = "1d",
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Ban an address, or close an account to addresses that it was not used from."""
    from mailsuite.config.units import parse_duration
    from mailsuite.signin.bans import Ban

    try:
        length = parse_duration(duration)
    except ValueError as error:
        raise UserError(f'--for {duration!r} {error} (expected a duration such as "1d")') from None
    kind, key = _key(whom)
    now = time.time()
    with _open(config, data) as bans:
        bans.put(Ban(kind, key, now, now + length))
    output.say(f"{kind} {key} is banned until {output.moment(now + length)}")


def _key(whom: str) -> tuple[str, str]:
    """Kind and key of a ban."""
    from mailsuite.accounts import names
    from mailsuite.net.limits import network_key

    if "@" in whom:
        return "account", names.account_key(whom) or whom.casefold()
    try:
        network = ipaddress.ip_network(whom, strict=False)
    except ValueError:
        raise UserError(
            f"neither an IP address nor an account: {whom} (see: mailsuite bans list)"
        ) from None
    if network.prefixlen < (32 if network.version == 4 else 64):
        raise UserError(f"{whom} is a network; bans are of single addresses (IPv6: of a /64)")
    return "address", network_key(str(network.network_address))
