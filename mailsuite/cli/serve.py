"""`mailsuite dev` and `mailsuite serve`: the server itself."""

import contextlib
import gc
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mailsuite.cli.options import ConfigOption, load_settings


class Ports(StrEnum):
    """How `mailsuite dev` chooses its ports."""

    AUTO = "auto"


def dev(
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for everything.", envvar="MAILSUITE_DATA")
    ] = Path("data"),
    domain: Annotated[
        str, typer.Option(metavar="DOMAIN", help="Domain whose mail is taken.")
    ] = "example.test",
    user: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS:PASSWORD", help="An account instead of the default ones; repeatable."
        ),
    ] = None,
    port_base: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=64540,
            help="Ports N+25, N+587, N+465, N+143, N+993, N+110, N+995.",
        ),
    ] = None,
    ports: Annotated[
        Ports | None, typer.Option(help="auto: the system chooses every port.")
    ] = None,
    ready_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON written when every listener accepts."),
    ] = None,
    address: Annotated[
        str, typer.Option(metavar="IP", help="Local address to listen on.")
    ] = "127.0.0.1",
    json_log: Annotated[bool, typer.Option("--json-log", help="Log for programs.")] = False,
) -> None:
    """Serve mail on this machine for development: no settings, no root, no question.

    Makes accounts and a certificate authority of its own, and never sends mail to the world.
    """
    if port_base is not None and ports is not None:
        raise typer.BadParameter("give --port-base or --ports auto, not both")
    users = tuple(_user(text) for text in user or ())
    with _loading():
        from mailsuite.app.dev import DevOptions
        from mailsuite.app.dev import dev as run

    options = DevOptions(
        data=data,
        domain=domain,
        users=users,
        port_base=port_base,
        ports_auto=ports is Ports.AUTO,
        ready_file=ready_file,
        address=address,
        json_log=json_log,
    )
    raise typer.Exit(run(options))


def serve(config: ConfigOption = None) -> None:
    """Serve mail by a settings file, as a machine's mail server.

    SIGHUP reloads the certificate and the settings that can change; SIGTERM ends it in order.
    """
    loaded = load_settings(config)
    with _loading():
        from mailsuite.app.serve import serve as run
        from mailsuite.base import log

    log.configure(json=loaded.config.log.format == "json", level=loaded.config.log.level)
    for warning in loaded.warnings:
        if warning.key not in ("hostname", "tls"):  # of these the server warns itself
            log.get_logger("config").warning(str(warning))
    raise typer.Exit(run(loaded.config, config_path=loaded.path.absolute()))


@contextlib.contextmanager
def _loading() -> Iterator[None]:
    """Modules come to stay: to look for garbage among them takes a tenth of the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _user(text: str) -> tuple[str, str]:
    address, colon, password = text.partition(":")
    if not colon or "@" not in address or not password:
        raise typer.BadParameter(
            f"{text!r} is not ADDRESS:PASSWORD, such as carol@example.test:secret",
            param_hint="--user",
        )
    return address, password
