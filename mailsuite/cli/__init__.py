"""The command line: `mailsuite …`. One file a family of commands.

Promises: a mistake is told in a line on standard error, without a traceback; exit codes are 0 done,
1 not done and told why, 2 wrong usage, 3 no server is running (send and sendmail have those of
sysexits.h). Modules are imported by the command
that needs them, because a command's start is felt.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mailsuite import __version__
from mailsuite.base.errors import UserError
from mailsuite.cli import (
    alias,
    bans,
    config,
    domain,
    fetch,
    looks,
    message,
    moving,
    output,
    queue,
    sending,
    serve,
    status,
    user,
    why,
)

EXIT_CODES = (
    "Exit codes: 0 done, 1 not done (the reason is on standard error), 2 wrong usage,"
    " 3 no server is running (status). send and sendmail: those of sysexits.h."
)

CALLED = {"sendmail": ["sendmail"], "mailq": ["sendmail", "-bp"], "newaliases": ["sendmail", "-bi"]}

app = typer.Typer(
    name="mailsuite",
    help="A whole mail server in one process.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve.dev)
app.command(name="serve")(serve.serve)
app.command(name="status")(status.status)
app.command(name="why")(why.why)
app.command(name="send", no_args_is_help=True)(sending.send)
app.command(
    name="sendmail",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)(sending.sendmail)
app.command(name="import", no_args_is_help=True)(moving.import_)
app.command(name="export", no_args_is_help=True)(moving.export)
app.add_typer(config.app, name="config")
app.add_typer(domain.app, name="domain")
app.add_typer(user.app, name="user")
app.add_typer(alias.app, name="alias")
app.add_typer(queue.app, name="queue")
app.add_typer(bans.app, name="bans")
app.add_typer(fetch.app, name="fetch")
app.add_typer(message.app, name="message")
looks.arrange(app)


def _version(wanted: bool) -> None:
    if wanted:
        output.say(f"mailsuite {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Tell the version."),
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str]) -> int:
    """Run one command; gives its exit code."""
    try:
        app(list(arguments), prog_name="mailsuite")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except UserError as error:
        output.fail(str(error))
        return 1
    return 0


def main() -> None:
    """The `mailsuite` program, also under the names that programs know it by."""
    output.prepare()
    name, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    code = run([*CALLED.get(name, ()), *arguments])
    try:
        output.finish()
    except UserError as error:
        output.fail(str(error))
        code = code or 1
    sys.exit(code)
