"""An account on another server, as the command line names it: URL, TLS, what to sign in with."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_type_hints

import typer

from mailsuite.base.errors import UserError

if TYPE_CHECKING:
    from mailsuite.remote import Credential, Endpoint, Location, RefreshToken

MAX_LINE = 1 << 16  # characters read for a password

TlsOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tls", metavar="MODE", help="implicit, starttls or none, instead of what the URL means."
    ),
]
CaOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--ca", metavar="FILE", help="Authorities to believe (PEM), not the system's."),
]
PasswordStdin: TypeAlias = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the standard input.")
]
PasswordFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--password-file", metavar="FILE", help="Read it from this file's first line."),
]
TokenFileOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="No password but an access token, the first line of FILE at each sign-in.",
    ),
]
TokenCommandOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--token-command",
        metavar="COMMAND",
        help="The same, the first line that COMMAND says; run by the server, without a shell.",
    ),
]
RefreshTokenFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--refresh-token-file",
        metavar="FILE",
        help="A refresh token, read now (-: from the standard input); needs the next two.",
    ),
]
TokenEndpoint: TypeAlias = Annotated[
    str | None,
    typer.Option("--token-endpoint", metavar="URL", help="Where access tokens are asked for."),
]
ClientId: TypeAlias = Annotated[
    str | None, typer.Option("--client-id", metavar="ID", help="As the provider knows this client.")
]
ClientSecretFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--client-secret-file", metavar="FILE", help="Its secret, read now."),
]
Scope: TypeAlias = Annotated[
    str | None,
    typer.Option("--scope", metavar="SCOPE", help="To ask for, where the provider wants it named."),
]
CertificateOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--certificate",
        metavar="FILE",
        help="Show this client certificate (PEM); without a password it signs in (EXTERNAL).",
    ),
]
KeyOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="Its key, if not in the same file."),
]


@dataclass(frozen=True, slots=True)
class Given:
    """What the options say of the sign-in. `takes_sign_in` gives a command these options."""

    password_stdin: PasswordStdin = False
    password_file: PasswordFile = None
    token_file: TokenFileOption = None
    token_command: TokenCommandOption = None
    refresh_token_file: RefreshTokenFile = None
    token_endpoint: TokenEndpoint = None
    client_id: ClientId = None
    client_secret_file: ClientSecretFile = None
    scope: Scope = None
    certificate: CertificateOption = None
    key: KeyOption = None

    @property
    def files(self) -> tuple[str, str]:
        """Certificate and key, as the server is told them."""
        return _absolute(self.certificate), _absolute(self.key)


NOTHING = Given()


def takes_sign_in(command: Callable[..., None]) -> Callable[..., None]:
    """The command, whose argument `given` becomes one option for each field of `Given`."""
    options = inspect.signature(Given).parameters.values()
    types = get_type_hints(Given, include_extras=True)

    @functools.wraps(command)
    def called(**values: Any) -> None:
        given = Given(**{option.name: values.pop(option.name) for option in options})
        command(given=given, **values)

    own = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    for parameter in own.parameters.values():
        if parameter.name == "given":
            kind = parameter.kind
            parameters += [
                option.replace(kind=kind, annotation=types[option.name]) for option in options
            ]
        else:
            parameters.append(parameter)
    vars(called)["__signature__"] = own.replace(parameters=parameters)
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    return called


def endpoint(where: Location, ca: Path | None, given: Given) -> Endpoint:
    """How it is reached; nothing to sign in with is in it yet."""
    from mailsuite.remote import Endpoint
    from mailsuite.sasl import ClientLogin

    port, login = int(where.port or 0), ClientLogin(where.user)
    return Endpoint(where.protocol, where.host, port, where.tls, login, _absolute(ca), *given.files)


def credential(where: Location, given: Given) -> Credential:
    """What to sign in with; a password is asked for where nothing else is said.

    Raises UserError, BadParameter.
    """
    from mailsuite import remote

    ways = {
        "--password-stdin": given.password_stdin,
        "--password-file": given.password_file is not None,
        "--token-file": given.token_file is not None,
        "--token-command": given.token_command is not None,
        "--refresh-token-file": given.refresh_token_file is not None,
    }
    chosen = [option for option, is_given in ways.items() if is_given]
    if len(chosen) > 1:
        raise typer.BadParameter(f"give {chosen[0]} or {chosen[1]}, not both")
    if given.key is not None and given.certificate is None:
        raise typer.BadParameter("--key needs --certificate")
    if given.certificate is not None and where.tls == "none":
        raise typer.BadParameter("a certificate is shown by TLS only, not with --tls none")
    refreshes = (given.token_endpoint, given.client_id, given.client_secret_file, given.scope)
    if given.refresh_token_file is not None:
        return _refresh_token(given.refresh_token_file, given)
    if any(option is not None for option in refreshes):
        raise typer.BadParameter(
            "--token-endpoint, --client-id, --client-secret-file and --scope go with"
            " --refresh-token-file"
        )
    if given.token_file is not None:
        return remote.TokenFile(_absolute(given.token_file))
    if given.token_command is not None:
        return remote.TokenCommand(given.token_command)
    if given.certificate is not None and not chosen:
        return remote.Certificate()
    return remote.Password(password(where, given.password_stdin, given.password_file))


def _refresh_token(file: Path, given: Given) -> RefreshToken:
    from mailsuite.remote import RefreshToken
    from mailsuite.remote.credential import check_endpoint

    if given.token_endpoint is None or given.client_id is None:
        raise typer.BadParameter("--refresh-token-file needs --token-endpoint and --client-id")
    try:
        check_endpoint(given.token_endpoint)
    except ValueError as error:
        raise typer.BadParameter(f"--token-endpoint {given.token_endpoint}: {error}") from None
    token = (sys.stdin.readline(MAX_LINE) if str(file) == "-" else _first_line(file)).strip()
    if not token:
        raise UserError(f"{file}: no refresh token in the first line")
    secret = given.client_secret_file
    return RefreshToken(
        given.token_endpoint,
        given.client_id,
        token,
        "" if secret is None else _first_line(secret).strip(),
        given.scope or "",
    )


def tried(endpoint: Endpoint, credential: Credential) -> Credential:
    """Sign in there and take leave; what to sign in with from now on. Raises UserError."""
    from mailsuite.remote.access import Access

    access = Access(endpoint, credential)

    async def work() -> None:
        if endpoint.protocol == "imap":
            await (await access.imap()).logout()
        else:
            await (await access.pop3()).quit()

    asyncio.run(work())
    return access.credential


def _absolute(path: Path | None) -> str:
    return "" if path is None else str(path.absolute())


def location(url: str, protocol: Literal["imap", ""], tls: str | None) -> Location:
    """What a URL and --tls say, with the port. `protocol`: the only one that will do, or ""."""
    from mailsuite.remote import PORTS, parse_url

    try:
        found = parse_url(url)
    except ValueError as error:
        raise typer.BadParameter(f"{url}: {error}") from error
    if protocol and found.protocol != protocol:
        raise typer.BadParameter(f"{url}: expected {protocol}:// or {protocol}s://")
    if tls is not None:
        match tls:
            case "implicit" | "starttls" | "none":
                found = dataclasses.replace(found, tls=tls)
            case _:
                raise typer.BadParameter("--tls is implicit, starttls or none")
    if found.port is None:
        found = dataclasses.replace(found, port=PORTS[found.protocol, found.tls])
    return found


def password(where: Location, from_input: bool, file: Path | None) -> str:
    """Asked for, or read. Raises UserError."""
    if file is not None:
        line = _first_line(file)
    elif from_input:
        line = sys.stdin.readline(MAX_LINE)
    elif not sys.stdin.isatty():
        raise UserError(
            "no terminal to ask for the password at (see --password-stdin and --password-file)"
        )
    else:
        prompt = f"Password of {where.user} at {where.host}"
        return str(typer.prompt(prompt, hide_input=True))
    return line.removesuffix("\n").removesuffix("\r")


def _first_line(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as lines:
            return lines.readline(MAX_LINE)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UserError(f"{file}: {why}") from error
