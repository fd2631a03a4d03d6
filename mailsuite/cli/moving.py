"""`mailsuite import` and `mailsuite export`: mail from and to other servers and their files.

A running server does the work, and this shows how far it is; without one the work is done here.
Ctrl-C stops it at a safe point; the same command goes on from there.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from mailsuite.base.errors import UserError
from mailsuite.cli import output, remote
from mailsuite.cli.options import (
    ConfigOption,
    DataOption,
    JsonOption,
    data_folder,
    quota_defaults,
)
from mailsuite.cli.remote import NOTHING, CaOption, Given, TlsOption, takes_sign_in

if TYPE_CHECKING:
    from mailsuite.app.transfers import Transfers
    from mailsuite.control import Client

LOOK = 0.25  # seconds between two looks
LEFT = 4
"""Exit code of an import that has left something behind."""
Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The account.")]
Only = Annotated[
    list[str] | None,
    typer.Option("--folder", metavar="NAME", help="This folder and those below (* and ? match)."),
]
Without = Annotated[
    list[str] | None, typer.Option("--without", metavar="NAME", help="All but this folder.")
]


Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="maildir or mbox, then what to read; or imap://user@host[:port] (STARTTLS),"
        " imaps://user@host[:port].",
    ),
]
Paths = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PATH", help="A Maildir; mbox files or folders of such."),
]
Into = Annotated[str, typer.Option(metavar="FOLDER", help="Put everything below this folder.")]
RemoveVanished = Annotated[
    bool,
    typer.Option(
        "--remove-vanished",
        help="Also remove what an earlier run has brought and is gone at the source.",
    ),
]
NewUids = Annotated[
    bool, typer.Option("--new-uids", help="Give new UIDs, also to folders that are new here.")
]
Pop3Uidl = Annotated[
    str,
    typer.Option(
        "--pop3-uidl",
        metavar="FORM",
        help="The other server's pop3_uidl_format, where it is Dovecot and has not its default.",
    ),
]
Connections = Annotated[int, typer.Option(min=1, max=20, help="To an IMAP server at once.")]


class Bar(Protocol):
    """Shows progress as it is told."""

    def show(self, told: dict[str, Any]) -> None: ...


@takes_sign_in
def import_(
    address: Address,
    source: Source,
    paths: Paths = None,
    only: Only = None,
    without: Without = None,
    into: Into = "",
    remove_vanished: RemoveVanished = False,
    new_uids: NewUids = False,
    pop3_uidl: Pop3Uidl = "",
    tls: TlsOption = None,
    ca: CaOption = None,
    connections: Connections = 3,
    given: Given = NOTHING,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Bring mail into an account. May be run again: then only what is different comes over."""
    request = {
        "kind": source,
        "account": address,
        "paths": [str(path.absolute()) for path in paths or []],
        "choice": {
            "only": only or [],
            "without": without or [],
            "into": into.strip("/"),
            "remove_vanished": remove_vanished,
            "keep_uids": not new_uids,
            "unique_ids": _unique_ids(pop3_uidl),
        },
    }
    if "://" in source:
        if paths:
            raise typer.BadParameter("an IMAP server has no files")
        request["kind"] = "imap"
        request["remote"] = _remote(source, tls, ca, given) | {"connections": connections}
    else:
        _check_files(source, paths or [])
    told = _carry_out(request, config, data)
    if json:
        output.emit(told)
    else:
        _say_brought(told, address)
    if told["left"]:
        raise typer.Exit(LEFT)


def _unique_ids(form: str) -> str:
    from mailsuite.store import Form

    try:
        Form.read(form or "%u", 1)
    except ValueError as error:
        raise typer.BadParameter(f"--pop3-uidl {form}: {error}") from None
    return form


def _remote(source: str, tls: str | None, ca: Path | None, given: Given) -> dict[str, Any]:
    """An IMAP server as a request names it."""
    from mailsuite.remote import as_dict

    where = remote.location(source, "imap", tls)
    endpoint = remote.endpoint(where, ca, given)
    return {
        "host": endpoint.host,
        "port": endpoint.port,
        "tls": endpoint.tls,
        "user": where.user,
        "credential": as_dict(remote.credential(where, given)),
        "ca_file": endpoint.ca_file,
        "certificate": endpoint.certificate,
        "key": endpoint.key,
    }


def _check_files(source: str, paths: list[Path]) -> None:
    """Raises BadParameter."""
    if source not in ("maildir", "mbox"):
        raise typer.BadParameter(f"no import from {source!r}: maildir, mbox or imap://user@host")
    if source == "maildir" and len(paths) != 1:
        raise typer.BadParameter("name one Maildir")
    if not paths:
        raise typer.BadParameter("name the mbox files")


def _say_brought(told: dict[str, Any], address: str) -> None:
    _notes(told)
    output.say(
        f"{told['new']} messages ({output.size(told['octets'])}) brought into {address},"
        f" {told['known']} were there"
        + _also(told["changed"], "had other flags")
        + _also(told["removed"], "removed")
        + _also(told["left"], "left behind")
    )


def export(
    address: Address,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made if not there.")],
    form: Annotated[
        str,
        typer.Option(
            "--format", metavar="FORM", help="maildir (with Dovecot's files) or mbox (mboxrd)."
        ),
    ] = "maildir",
    only: Only = None,
    without: Without = None,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Write an account's mail to files that other servers read."""
    if form not in ("maildir", "mbox"):
        raise typer.BadParameter("--format is maildir or mbox")
    request = {
        "kind": f"export {form}",
        "account": address,
        "paths": [str(folder.absolute())],
        "choice": {"only": only or [], "without": without or []},
    }
    told = _carry_out(request, config, data)
    if json:
        output.emit(told)
        return
    _notes(told)
    output.say(
        f"{told['new']} messages ({output.size(told['octets'])}) written to {folder}"
        + _also(told["known"], "were there")
        + _also(told["removed"], "removed")
    )


def _also(count: int, what: str) -> str:
    return f", {count} {what}" if count else ""


def _notes(told: dict[str, Any]) -> None:
    for note in told["notes"]:
        output.warn(note)
    if told["more_notes"]:
        output.warn(f"and {told['more_notes']} more of this kind")


def _carry_out(request: dict[str, Any], config: Path | None, data: Path | None) -> dict[str, Any]:
    """Do it, with a progress bar on a terminal. Raises UserError when it ends otherwise."""
    from mailsuite.control import Client, NotRunning

    folder = data_folder(config, data)
    with _Terminal() as bar:
        try:
            client = Client(folder)
        except NotRunning:
            told = _own_work(folder, request, bar, config, data)
        else:
            with client:
                told = _asked(client, lambda: Client(folder), request, bar)
    if told["state"] == "failed":
        raise UserError(told["error"])
    if told["state"] == "stopped":
        raise UserError(
            f"stopped: {told['done']} of {told['total']} {told['unit']} are done;"
            " the same command goes on from there"
        )
    return told


def _asked(
    client: Client, again: Callable[[], Client], request: dict[str, Any], bar: Bar
) -> dict[str, Any]:
    """A running server does it."""
    number = client.call("transfer.start", request=request)
    try:
        while (told := dict(client.call("transfer.look", number=number)))["state"] == "running":
            bar.show(told)
            time.sleep(LOOK)
    except KeyboardInterrupt:
        with again() as other:  # an answer may be on its way over the first connection
            other.call("transfer.stop", number=number)
            told = dict(other.call("transfer.look", number=number))
    bar.show(told)
    return told


def _own_work(
    folder: Path, request: dict[str, Any], bar: Bar, config: Path | None, data: Path | None
) -> dict[str, Any]:
    """It is done here."""
    from mailsuite.app.transfers import offline
    from mailsuite.base import log
    from mailsuite.config.schema import Quota

    log.configure(json=False, level="warning")
    storage, messages = quota_defaults(config, data)
    told: dict[str, Any] = {}

    async def watched(transfers: Transfers, number: int) -> None:
        while not await transfers.ended(number, LOOK):
            bar.show(transfers.look(number))

    async def work() -> None:
        async with offline(folder, Quota(storage=storage, messages=messages)) as transfers:
            number = await transfers.start(request)
            try:
                await watched(transfers, number)
            except asyncio.CancelledError:  # Ctrl-C
                await transfers.stop(number)
            told.update(transfers.look(number))
            bar.show(told)

    _run(work)
    return told


def _run(work: Callable[[], Any]) -> None:
    from mailsuite.app.run import run

    async def main() -> int:
        await work()
        return 0

    try:
        run(main())
    except KeyboardInterrupt:
        return  # the work has ended in order, and says so


class _Terminal:
    """A progress bar on standard error, where that is a terminal."""

    def __init__(self) -> None:
        self._progress: Any = None
        self._task: Any = None

    def __enter__(self) -> _Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, told: dict[str, Any]) -> None:
        """Draw it."""
        if not sys.stderr.isatty():
            return
        if self._progress is None:
            self._begin(told["unit"])
        self._progress.update(
            self._task,
            description=output.clean(told["doing"])[:40],
            completed=told["done"],
            total=told["total"] or None,
        )

    def _begin(self, unit: str) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            ProgressColumn,
            Task,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.text import Text

        class Rate(ProgressColumn):
            def render(self, task: Task) -> Text:
                return Text(f"{task.speed:,.0f}/s" if task.speed else "-")

        octets = unit == "octets"
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn() if octets else MofNCompleteColumn(),
            TransferSpeedColumn() if octets else Rate(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("", total=None)
        self._progress.start()
