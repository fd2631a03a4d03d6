"""`mailsuite queue …`: mail that is on its way.

A running server is asked over its control socket; without one the queue's files are opened.
"""

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailsuite.cli import output
from mailsuite.cli.options import ConfigOption, DataOption, JsonOption, data_folder, utf8

if TYPE_CHECKING:
    from mailsuite.control import Client
    from mailsuite.queue import Offline

PAGE = 500  # messages asked for at a time

ON_DEMAND = "on-demand"  # courier of mail that its host fetches (ATRN)

app = typer.Typer(help="Mail that is on its way.", no_args_is_help=True)
Ids = Annotated[
    list[str], typer.Argument(metavar="ID", help="As `queue list` shows them.", callback=utf8)
]


class _Asked:
    """The queue of a running server. Entries are the dictionaries that `--json` prints."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def page(self, after: str) -> list[dict[str, Any]]:
        return list(self._client.call("queue.list", after=after, limit=PAGE))

    def show(self, id: str) -> dict[str, Any]:
        return dict(self._client.call("queue.show", id=id))

    def do(self, action: str, id: str | None) -> int:
        return int(self._client.call(f"queue.{action}", id=id) or 0)


class _Opened:
    """The queue of a server that is not running."""

    def __init__(self, queue: "Offline") -> None:
        self._queue = queue

    def page(self, after: str) -> list[dict[str, Any]]:
        return [dataclasses.asdict(row) for row in self._queue.list(after=after, limit=PAGE)]

    def show(self, id: str) -> dict[str, Any]:
        return dataclasses.asdict(self._queue.show(id))

    def do(self, action: str, id: str | None) -> int:
        if action == "retry":
            return self._queue.retry(id)
        call = {
            "hold": self._queue.hold,
            "release": self._queue.release,
            "drop": self._queue.drop,
        }[action]
        return call(id or "") or 0


@contextlib.contextmanager
def _queue(config: Path | None, data: Path | None) -> Iterator[_Asked | _Opened]:
    from mailsuite.control import Client, NotRunning

    folder = data_folder(config, data)
    try:
        client = Client(folder)
    except NotRunning:
        from mailsuite.queue import Offline

        with Offline(folder / "queue") as queue:
            yield _Opened(queue)
    else:
        with client:
            yield _Asked(client)


@app.command("list")
def list_(config: ConfigOption = None, data: DataOption = None, json: JsonOption = False) -> None:
    """List the messages, the oldest first."""
    found: list[dict[str, Any]] = []
    with _queue(config, data) as queue:
        while page := queue.page(found[-1]["id"] if found else ""):
            found += page
    if json:
        output.emit(found)
        return
    output.table(
        ["ID", "Received", "Size", "Sender", "Recipients", "State", "Next attempt"],
        [
            (
                entry["id"],
                output.moment(entry["received_at"]),
                output.size(entry["size"]),
                entry["sender"] or "<>",
                _recipients(entry["recipients"]),
                _state(entry["recipients"]),
                _next(entry["recipients"]),
            )
            for entry in found
        ],
        right=["Size"],
        empty="the queue is empty",
    )


@app.command()
def show(
    id: Annotated[
        str, typer.Argument(metavar="ID", help="As `queue list` shows it.", callback=utf8)
    ],
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Show one message: its envelope and what happened to each recipient."""
    with _queue(config, data) as queue:
        entry = queue.show(id)
    if json:
        output.emit(entry)
        return
    output.say(f"ID          {entry['id']}")
    output.say(f"Sender      {entry['sender'] or '<>'}")
    if entry["submitter"]:
        output.say(f"Account     {entry['submitter']}")
    output.say(f"Received    {output.moment(entry['received_at'])}")
    output.say(f"Size        {output.size(entry['size'])}")
    if entry["hold_until"] is not None:
        output.say(f"Held until  {output.moment(entry['hold_until'])}")
    if entry["require_tls"]:
        output.say("TLS         required by the sender")
    for one in entry["recipients"]:
        output.say(f"\nRecipient   {one['address']}")
        output.say(f"  State     {_state([one])}, by {one['courier']}")
        output.say(f"  Attempts  {one['attempts']}")
        for attempt in one["history"]:
            _show_attempt(attempt)
        if one["next_attempt"] is not None:
            output.say(f"  Next      {_next([one])}")


def _show_attempt(attempt: dict[str, Any]) -> None:
    state = {"due": "deferred"}.get(attempt["state"], attempt["state"])
    output.say(f"  {output.moment(attempt['at'])}  {state}: {attempt['status']} {attempt['text']}")
    if attempt["host"] or attempt["address"]:
        where = attempt["host"] + (f" [{attempt['address']}]" if attempt["address"] else "")
        output.say(f"    Host    {where}")
    for number, line in enumerate(attempt["reply"].splitlines()):
        output.say(f"    {'Reply ' if not number else '      '}  {line}")
    if attempt["tls"]:
        why = f" ({attempt['why']})" if attempt["why"] else ""
        output.say(f"    TLS     {attempt['tls']}{why}")


@app.command()
def retry(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="As `queue list` shows them.", callback=utf8),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    every: Annotated[bool, typer.Option("--all", help="All that wait.")] = False,
) -> None:
    """Attempt messages now: some, also bounced ones, or all that wait."""
    if bool(ids) == every:
        raise typer.BadParameter("give IDs, or --all")
    with _queue(config, data) as queue:
        count = queue.do("retry", None) if every else sum(queue.do("retry", id) for id in ids or ())
        later = isinstance(queue, _Opened)
    when = "when the server starts" if later else "now"
    output.say(f"{_count(count)} to be attempted {when}")


@app.command()
def hold(ids: Ids, config: ConfigOption = None, data: DataOption = None) -> None:
    """Attempt messages no more until they are released."""
    with _queue(config, data) as queue:
        count = sum(queue.do("hold", id) for id in ids)
    output.say(f"{_count(count)} held")


@app.command()
def release(ids: Ids, config: ConfigOption = None, data: DataOption = None) -> None:
    """Let held messages go on."""
    with _queue(config, data) as queue:
        count = sum(queue.do("release", id) for id in ids)
    output.say(f"{_count(count)} released")


@app.command()
def drop(ids: Ids, config: ConfigOption = None, data: DataOption = None) -> None:
    """Forget messages: they are deleted, and nobody is told."""
    with _queue(config, data) as queue:
        for id in ids:
            queue.do("drop", id)
            output.say(f"message {id} dropped")


def _count(recipients: int) -> str:
    return f"{recipients} recipient" + ("" if recipients == 1 else "s")


def _recipients(found: list[dict[str, Any]]) -> str:
    first = str(found[0]["address"]) if found else "-"
    return first if len(found) < 2 else f"{first} and {len(found) - 1} more"


def _state(found: list[dict[str, Any]]) -> str:
    states = ["active" if one["active"] else str(one["state"]) for one in found]
    known = dict.fromkeys(states)
    if len(known) == 1:
        return states[0]
    return ", ".join(f"{states.count(state)} {state}" for state in known)


def _next(found: list[dict[str, Any]]) -> str:
    planned = [one["next_attempt"] for one in found if one["next_attempt"] is not None]
    if not planned:
        return "-"
    wait = min(planned) - time.time()
    if all(one["courier"] == ON_DEMAND for one in found) and wait > 0:
        return f"when its host asks, within {output.span(wait)}"
    return f"in {output.span(wait)}" if wait > 0 else "now"
