"""`mailsuite fetch …`: mail collected from accounts on other servers.

A running server is asked over its control socket; without one the list is changed on the disk, and
the server begins with it at its start.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailsuite.base.errors import UserError
from mailsuite.cli import output, remote
from mailsuite.cli.options import (
    ConfigOption,
    DataOption,
    JsonOption,
    data_folder,
    open_directory,
)
from mailsuite.cli.remote import CaOption, PasswordFile, PasswordStdin, TlsOption

if TYPE_CHECKING:
    from mailsuite.control import Client
    from mailsuite.fetch import FetchDatabase
    from mailsuite.remote import Endpoint

RUN_WAIT = 24 * 3600.0  # seconds for the visits that are asked for

app = typer.Typer(help="Mail collected from accounts on other servers.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(metavar="NUMBER", help="As `fetch list` shows it.")]


@contextlib.contextmanager
def _server(folder: Path, timeout: float = 60.0) -> Iterator[Client | None]:
    """The running server; None where there is none."""
    from mailsuite.control import Client, NotRunning

    try:
        client = Client(folder, timeout=timeout)
    except NotRunning:
        yield None
    else:
        with client:
            yield client


@contextlib.contextmanager
def _database(folder: Path) -> Iterator[FetchDatabase]:
    from mailsuite.fetch import FetchDatabase

    database = FetchDatabase(folder / "fetch.db")
    try:
        yield database
    finally:
        database.close()


@app.command()
def add(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Whose mail it becomes.")],
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="imaps://user@host[:port], pop3s://…; imap://, pop3://: with STARTTLS.",
        ),
    ],
    folder: Annotated[str, typer.Option(metavar="NAME", help="IMAP: the folder.")] = "INBOX",
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete there what has been fetched.")
    ] = False,
    delete_after: Annotated[
        int | None,
        typer.Option(metavar="DAYS", min=1, max=36_500, help="The same, after some days."),
    ] = None,
    every: Annotated[
        str, typer.Option(metavar="TIME", help="Between two visits, such as 5m or 1h.")
    ] = "5m",
    no_idle: Annotated[
        bool, typer.Option("--no-idle", help="IMAP: don't stay connected to be told of new mail.")
    ] = False,
    only_new: Annotated[
        bool, typer.Option("--only-new", help="Leave alone what is there now.")
    ] = False,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Don't sign in there now, to see that it works.")
    ] = False,
    tls: TlsOption = None,
    ca: CaOption = None,
    password_stdin: PasswordStdin = False,
    password_file: PasswordFile = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Fetch the mail of an account on another server. Its password is asked for."""
    if delete and delete_after is not None:
        raise typer.BadParameter("give --delete or --delete-after, not both")
    where = remote.location(url, "", tls)
    with open_directory(config, data) as directory:
        account = directory.require_user(address).address
    ca_file = str(ca.absolute()) if ca is not None else ""
    settings = {
        "account": account,
        "protocol": where.protocol,
        "host": where.host,
        "port": where.port,
        "tls": where.tls,
        "ca_file": ca_file,
        "user": where.user,
        "folder": folder if where.protocol == "imap" else "",
        "leave": 0 if delete else -1 if delete_after is None else delete_after,
        "interval": _seconds(every),
        "idle": not no_idle,
        "skip": only_new,
    }
    password = remote.password(where, password_stdin, password_file)
    if not no_check:
        from mailsuite.remote import Endpoint
        from mailsuite.sasl import ClientLogin

        login = ClientLogin(where.user, password)
        port = int(where.port or 0)
        asyncio.run(_check(Endpoint(where.protocol, where.host, port, where.tls, login, ca_file)))
    number = _add(data_folder(config, data), settings, password)
    output.say(f"mail of {where.user} at {where.host} comes to {account} (number {number})")


def _seconds(text: str) -> float:
    from mailsuite.config.units import parse_duration

    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"--every {text!r} {error}") from None
    if not 10 <= seconds <= 30 * 86_400:
        raise typer.BadParameter("--every is from 10s to 30d")
    return seconds


async def _check(endpoint: Endpoint) -> None:
    """Sign in there and take leave. Raises UserError."""
    from mailsuite.remote.imap import open_imap
    from mailsuite.remote.pop3 import open_pop3

    if endpoint.protocol == "imap":
        await (await open_imap(endpoint)).logout()
    else:
        await (await open_pop3(endpoint)).quit()


def _add(folder: Path, settings: dict[str, Any], password: str) -> int:
    with _server(folder) as server:
        if server is not None:
            return int(server.call("fetch.add", settings=settings, password=password))
    from mailsuite.fetch import make
    from mailsuite.vault import Vault

    with _database(folder) as database:
        return database.add(make(settings, password, Vault(folder / "secrets.key"))).id


@app.command("list")
def list_(config: ConfigOption = None, data: DataOption = None, json: JsonOption = False) -> None:
    """List the accounts on other servers, and how fetching from them goes."""
    folder = data_folder(config, data)
    with _server(folder) as server:
        if server is not None:
            rows = list(server.call("fetch.list"))
        else:
            from mailsuite.fetch import rows as read

            with _database(folder) as database:
                rows = read(database)
    if json:
        output.emit(rows)
        return
    output.table(
        ["No.", "From", "To", "Fetched", "Last visit", "State"],
        [
            (
                row["id"],
                f"{row['protocol']}://{row['user']}@{row['host']}",
                row["account"],
                row["fetched"],
                output.moment(row["visited"] or None),
                _state(row),
            )
            for row in rows
        ],
        right=["No.", "Fetched"],
        empty="nothing is fetched (mailsuite fetch add alice@example.org imaps://alice@…)",
    )


def _state(row: dict[str, Any]) -> str:
    if row["failures"]:
        wait = output.span(max(row["next"] - time.time(), 0.0))
        return f"failed {row['failures']} times, again in {wait}: {row['error']}"
    if row["visiting"]:
        return "fetching"
    state = "waiting to be told of mail" if row["idling"] else "good" if row["good"] else "new"
    return f"{state}; {row['trouble']}" if row["trouble"] else state


@app.command()
def run(
    number: Annotated[
        int | None, typer.Argument(metavar="[NUMBER]", help="Left away: all of them.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Fetch now, and wait for it."""
    folder = data_folder(config, data)
    with _server(folder, RUN_WAIT) as server:
        if server is None:
            raise UserError(
                f"no server is running in {folder}: what is fetched goes through its queue"
            )
        results = list(server.call("fetch.run", number=number))
    if json:
        output.emit(results)
    else:
        for row in results:
            what = row["error"] or f"{row['fetched']} messages"
            output.say(f"{row['id']}: {what}")
    if any(row["error"] for row in results):
        raise UserError("not everything was fetched")


@app.command()
def remove(number: Number, config: ConfigOption = None, data: DataOption = None) -> None:
    """Fetch from there no more. What has been fetched stays."""
    import dataclasses

    folder = data_folder(config, data)
    with _server(folder) as server:
        if server is not None:
            row = dict(server.call("fetch.remove", number=number))
        else:
            with _database(folder) as database:
                row = dataclasses.asdict(database.remove(number))
    output.say(f"mail of {row['user']} at {row['host']} is fetched no more")
