"""`mailsuite fetch …`: mail collected from accounts on other servers.

A running server is asked over its control socket; without one the list is changed on the disk, and
the server begins with it at its start.
"""

from __future__ import annotations

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
from mailsuite.cli.remote import NOTHING, CaOption, Given, TlsOption, takes_sign_in

if TYPE_CHECKING:
    from mailsuite.control import Client
    from mailsuite.fetch import FetchDatabase
    from mailsuite.remote import Credential

NOTHING_FETCHED = "nothing is fetched (mailsuite fetch add alice@example.org imaps://alice@…)"
RUN_WAIT = 24 * 3600.0  # seconds for the visits that are asked for

app = typer.Typer(help="Mail collected from accounts on other servers.", no_args_is_help=True)
NoCheck = Annotated[
    bool, typer.Option("--no-check", help="Don't sign in there now, to see that it works.")
]
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
@takes_sign_in
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
    no_check: NoCheck = False,
    tls: TlsOption = None,
    ca: CaOption = None,
    given: Given = NOTHING,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Fetch the mail of an account on another server. Its password is asked for.

    What needs no password: an access token (--token-file, --token-command), a refresh token
    (--refresh-token-file), a certificate.
    """
    if delete and delete_after is not None:
        raise typer.BadParameter("give --delete or --delete-after, not both")
    where = remote.location(url, "", tls)
    with open_directory(config, data) as directory:
        account = directory.require_user(address).address
    endpoint = remote.endpoint(where, ca, given)
    settings = {
        "account": account,
        "protocol": endpoint.protocol,
        "host": endpoint.host,
        "port": endpoint.port,
        "tls": endpoint.tls,
        "ca_file": endpoint.ca_file,
        "certificate": endpoint.certificate,
        "key": endpoint.key,
        "user": where.user,
        "folder": folder if where.protocol == "imap" else "",
        "leave": 0 if delete else -1 if delete_after is None else delete_after,
        "interval": _seconds(every),
        "idle": not no_idle,
        "skip": only_new,
    }
    credential = remote.credential(where, given)
    if not no_check:
        credential = remote.tried(endpoint, credential)
    number = _add(data_folder(config, data), settings, credential)
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


def _add(folder: Path, settings: dict[str, Any], credential: Credential) -> int:
    from mailsuite.remote import as_dict

    with _server(folder) as server:
        if server is not None:
            told = as_dict(credential)
            return int(server.call("fetch.add", settings=settings, credential=told))
    from mailsuite.fetch import make
    from mailsuite.vault import Vault

    with _database(folder) as database:
        return database.add(make(settings, credential, Vault(folder / "secrets.key"))).id


@app.command()
@takes_sign_in
def login(
    number: Number,
    no_check: NoCheck = False,
    given: Given = NOTHING,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Sign in there with another password, token or certificate from now on.

    What has been fetched stays known.
    """
    folder = data_folder(config, data)
    row = next((row for row in _rows(folder) if row["id"] == number), None)
    if row is None:
        raise UserError(f"nothing is fetched under the number {number} (mailsuite fetch list)")
    from mailsuite.remote import Location

    where = Location(row["protocol"], row["host"], row["port"], row["tls"], row["user"])
    ca = Path(row["ca_file"]) if row["ca_file"] else None
    credential = remote.credential(where, given)
    if not no_check:
        credential = remote.tried(remote.endpoint(where, ca, given), credential)
    _login(folder, number, credential, *given.files)
    output.say(f"{row['user']} at {row['host']}: the new sign-in is kept")


def _login(folder: Path, number: int, credential: Credential, certificate: str, key: str) -> None:
    from mailsuite.remote import as_dict

    with _server(folder) as server:
        if server is not None:
            server.call(
                "fetch.login",
                number=number,
                credential=as_dict(credential),
                certificate=certificate,
                key=key,
            )
            return
    from mailsuite.fetch import change_login, other_login
    from mailsuite.vault import Vault

    vault = Vault(folder / "secrets.key")
    with _database(folder) as database:
        remote_ = database.require(number)
        change_login(database, other_login(remote_, credential, certificate, key, vault))


@app.command("list")
def list_(config: ConfigOption = None, data: DataOption = None, json: JsonOption = False) -> None:
    """List the accounts on other servers, and how fetching from them goes."""
    rows = _rows(data_folder(config, data))
    if json:
        output.emit(rows)
        return
    output.table(
        ["No.", "From", "To", "Fetched", "Last visit", "State"],
        [
            (
                row["id"],
                _url(row),
                row["account"],
                row["fetched"],
                output.moment(row["visited"] or None),
                _state(row),
            )
            for row in rows
        ],
        right=["No.", "Fetched"],
        empty=NOTHING_FETCHED,
    )


def _rows(folder: Path) -> list[dict[str, Any]]:
    with _server(folder) as server:
        if server is not None:
            return list(server.call("fetch.list"))
    from mailsuite.fetch import rows

    with _database(folder) as database:
        return rows(database)


def _url(row: dict[str, Any]) -> str:
    """As `fetch add` takes it, but for TLS that the URL does not tell."""
    from mailsuite.remote import PORTS

    implicit = row["tls"] == "implicit"
    host = f"[{row['host']}]" if ":" in row["host"] else row["host"]
    port = "" if row["port"] == PORTS[row["protocol"], row["tls"]] else f":{row['port']}"
    return f"{row['protocol']}{'s' if implicit else ''}://{row['user']}@{host}{port}"


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
        int | None, typer.Argument(metavar="NUMBER", help="Left away: all of them.")
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
        if not results:
            output.say(NOTHING_FETCHED)
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
