"""`mailsuite config …`: check a settings file, print a complete one."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailsuite.base.errors import UserError
from mailsuite.cli import output
from mailsuite.cli.options import ConfigOption, JsonOption, settings_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailsuite.config import Config, Loaded, Mistake

app = typer.Typer(help="The settings file.", no_args_is_help=True)


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Settings file; the same as -c.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Tell every mistake as `file:line: key: what is wrong, what was expected`.

    Exit code 0 without mistakes (there may be warnings), 1 with some.
    """
    from mailsuite.config import ConfigError, load

    if file is not None and config is not None:
        raise typer.BadParameter("give FILE or --config, not both")
    path = settings_file(file or config)
    mistakes: tuple[Mistake, ...] = ()
    warnings: list[Mistake] = []
    try:
        loaded = load(path)
        warnings = [*loaded.warnings, *_around(loaded)]
    except ConfigError as error:
        mistakes = error.mistakes
    if json:
        output.emit(
            {
                "file": str(path),
                "ok": not mistakes,
                "mistakes": [dataclasses.asdict(mistake) for mistake in mistakes],
                "warnings": [dataclasses.asdict(warning) for warning in warnings],
            }
        )
    else:
        for warning in warnings:
            output.warn(str(warning))
        for mistake in mistakes:
            output.say(str(mistake))
        if not mistakes:
            output.say(f"{path}: no mistakes")
    if mistakes:
        raise typer.Exit(1)


@app.command()
def sample() -> None:
    """Print a complete settings file: every key, explained, with its default."""
    from mailsuite.config.sample import sample as text

    output.write(text())


def _around(loaded: "Loaded") -> "Iterator[Mistake]":
    """What the settings name and this machine doesn't have; another machine may."""
    import grp
    import pwd

    settings = loaded.config
    yield from list(_around_files(loaded))
    if settings.user is not None:
        try:
            pwd.getpwnam(settings.user)
        except KeyError:
            yield loaded.at(("user",), f'there is no user "{settings.user}" on this machine')
    if settings.group is not None:
        try:
            grp.getgrnam(settings.group)
        except KeyError:
            yield loaded.at(("group",), f'there is no group "{settings.group}" on this machine')


def _around_files(loaded: "Loaded") -> "Iterator[Mistake]":
    """Files that the server reads, as its user does. Modules are loaded before."""
    from mailsuite import dkim
    from mailsuite.app.privileges import as_user
    from mailsuite.relay import Contexts
    from mailsuite.relay.credentials import load
    from mailsuite.tls import ServerTls

    settings = loaded.config
    tls, relay = settings.tls, settings.relay
    with as_user(settings.user, settings.group):
        if tls is not None:
            try:
                for text in ServerTls(tls.certificate, tls.key).warnings(settings.hostname):
                    yield loaded.at(("tls", "certificate"), text)
            except UserError as error:
                yield loaded.at(("tls",), str(error))
        for keys, path in _secrets(settings):
            try:
                path.open("rb").close()
            except OSError as error:
                yield loaded.at(keys, f"{path}: {error.strerror}")
        if relay.credentials is not None:
            try:
                load(relay.credentials)
            except UserError as error:
                yield loaded.at(("relay", "credentials"), str(error))
        if relay.ca_file is not None:
            try:
                Contexts(str(relay.ca_file))
            except UserError as error:
                yield loaded.at(("relay", "ca_file"), str(error))
        if relay.dkim:
            for text in dkim.troubles(settings.data / "dkim"):
                yield loaded.at(("relay", "dkim"), text)


def _secrets(settings: "Config") -> "Iterator[tuple[tuple[str | int, ...], Path]]":
    """Keys of other files that are read, with what they name."""
    openid = settings.sign_in.openid
    if openid is not None and openid.client_secret is not None:
        yield ("sign_in", "openid", "client_secret"), openid.client_secret
    if settings.users_file is not None:
        yield ("users_file", "path"), settings.users_file.path
    if settings.ldap is not None:
        if settings.ldap.password is not None:
            yield ("ldap", "password"), settings.ldap.password
        if settings.ldap.ca is not None:
            yield ("ldap", "ca"), settings.ldap.ca
    for number, listener in enumerate(settings.listeners):
        if listener.client_ca is not None:
            yield ("listeners", number, "client_ca"), listener.client_ca
