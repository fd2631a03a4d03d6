"""`mailsuite why MESSAGE-ID`: one message's story, from where it came in to where it is now."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailsuite.base.errors import UserError
from mailsuite.cli import output
from mailsuite.cli.options import ConfigOption, DataOption, JsonOption, data_folder, utf8

if TYPE_CHECKING:
    from mailsuite.history import Story

_SPECIAL = frozenset({"event", "room"})


def why(
    message: Annotated[
        str,
        typer.Argument(
            metavar="MESSAGE-ID",
            help="With or without its angle brackets; or a queue id.",
            callback=utf8,
        ),
    ],
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Tell a message's story: who brought it, each attempt, what the others said, which mailbox.

    What followed from it (notices, forwarded copies) is told below it.
    """
    import apsw

    from mailsuite.history import stories

    path = data_folder(config, data) / "history.db"
    try:
        found = stories(path, message)
    except apsw.Error as error:
        raise UserError(f"{path}: {error}") from error
    if json:
        output.emit([dataclasses.asdict(story) for story in found])
    elif found:
        for place, story in enumerate(found):
            if place:
                output.say("")
            _tell(story)
    if not found:
        raise UserError(
            f"nothing is known of {message} (a new message is known after a second; what is "
            "older than the setting history.keep is forgotten)"
        )


def _tell(story: "Story") -> None:
    of = f", from {story.parent}" if story.parent else ""
    output.say(f"{story.id}  {story.message_id or ''}{of}".rstrip())
    for event in story.events:
        first, *others = _words(event.fields)
        output.say(f"  {output.moment(event.at)}  {first}")
        for line in others:
            output.say(f"      {line}")


def _words(fields: dict[str, Any]) -> list[str]:
    event = str(fields.get("event", ""))
    rest = {name: value for name, value in fields.items() if name not in _SPECIAL}
    if event in ("accepted", "refused", "broken off"):
        return _received(event, rest)
    if "to" in rest and "attempt" in rest:
        return _attempt(event, rest)
    return [" ".join([event, *_pairs(rest)])]


def _received(event: str, rest: dict[str, Any]) -> list[str]:
    helo = rest.pop("helo", None)
    client = rest.pop("client", "")
    came = f"{event}: from {client or 'this machine'}" + (f" ({helo})" if helo else "")
    account = rest.pop("account", None)
    lines = [came + (f", signed in as {account}" if account else "")]
    sender = rest.pop("sender", "")
    lines.append(f"sender <{sender}>, " + ", ".join(_pairs(rest)))
    return lines


def _attempt(event: str, rest: dict[str, Any]) -> list[str]:
    to, attempt = rest.pop("to"), rest.pop("attempt")
    courier = rest.pop("courier", "")
    status, text = rest.pop("status", ""), rest.pop("text", "")
    lines = [f"{event}: {to} (attempt {attempt}, {courier}): {status} {text}"]
    host, address = rest.pop("host", ""), rest.pop("address", "")
    reply = rest.pop("reply", "")
    if host or address:
        lines.append(f"at {host} [{address}]" + (f": {reply}" if reply else ""))
    tls, reason = rest.pop("tls", ""), rest.pop("why", "")
    if tls:
        lines.append(f"TLS {tls}" + (f" ({reason})" if reason else ""))
    if rest:
        lines.append(", ".join(_pairs(rest)))
    return lines


def _pairs(rest: dict[str, Any]) -> list[str]:
    """Names with values; of what is so or not so, the name of what is so."""
    return [
        name if value is True else f"{name} {value}"
        for name, value in rest.items()
        if value not in (None, "") and value is not False
    ]
