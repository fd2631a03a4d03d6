"""How the command line hands a message in: over the local socket, or to any submission server.

Promises: a message is handed in whole, for all recipients, or not at all; it is sent in pieces and
never held in memory. What goes wrong is a `NotSent` with the exit code of sysexits.h and a text
that says what to do. Blocking; knows no event loop.
"""

import contextlib
import os
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mailsuite.base.errors import UserError
from mailsuite.cli.options import DEV_DATA, NoDataFolder, data_folder, is_there, load_settings

EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_NOUSER, EX_NOHOST, EX_UNAVAILABLE = 64, 65, 66, 67, 68, 69
EX_TEMPFAIL, EX_PROTOCOL, EX_NOPERM, EX_CONFIG = 75, 76, 77, 78

STANDARD_SOCKET = Path("/run/mailsuite/submit.sock")
SOCKET = "submit.sock"
TIMEOUT = 300.0  # seconds; RFC 5321 §4.5.3.2 has clients wait that long for most replies
ORIGIN = "x-origin"  # what smtpd.extensions.origin tells


class NotSent(UserError):
    """The message was not taken; `code` is the exit code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class NoServer(NotSent):
    """No server is running there."""

    def __init__(self, text: str) -> None:
        super().__init__(EX_TEMPFAIL, text)


@dataclass(frozen=True, slots=True)
class Mail:
    """An envelope.

    mail, rcpt  parameters of MAIL and of each RCPT, sent where the server knows DSN (RFC 3461)
    size        octets of the message, about
    """

    sender: str
    recipients: Sequence[str]
    eight_bit: bool = False
    size: int = 0
    utf8: bool = False
    mail: tuple[str, ...] = field(default=())
    rcpt: tuple[str, ...] = field(default=())


def find_socket(config: Path | None, data: Path | None) -> tuple[Path, Path | None]:
    """The local socket that is meant, and the data folder behind it where that is known.

    By the settings or data folder given, else those of the environment, else the standard settings
    file where this user may read it, else the standard socket, else the folder of `mailsuite dev`.
    """
    named = config or data or os.environ.get("MAILSUITE_CONFIG") or os.environ.get("MAILSUITE_DATA")
    try:
        if data is not None or (config is None and os.environ.get("MAILSUITE_DATA")):
            folder = data_folder(None, data, look=False)
            return folder / SOCKET, folder
        settings = load_settings(config).config
        return settings.local_socket or settings.data / SOCKET, settings.data
    except NoDataFolder as error:
        raise NoServer(str(error)) from error
    except UserError as error:
        if named:
            raise NotSent(EX_CONFIG, str(error)) from error
        dev = DEV_DATA / SOCKET
        if not is_there(STANDARD_SOCKET, unknown=True) and is_there(dev, unknown=False):
            return dev.absolute(), DEV_DATA.absolute()
        return STANDARD_SOCKET, None


def connect(path: Path) -> socket.socket:
    """A connection to the local socket. Raises NoServer, NotSent."""
    from mailsuite.net import connect_unix

    try:
        return connect_unix(path, TIMEOUT)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        raise NoServer(
            f"no server is running at {path} (start it, or name another with --data DIR or -c FILE)"
        ) from error
    except PermissionError as error:
        raise NotSent(
            EX_NOPERM,
            f"{path}: this user may not hand in mail there, only the server's own and root (the"
            " setting local_socket makes a socket for every user)",
        ) from error
    except OSError as error:
        raise NotSent(EX_TEMPFAIL, f"{path}: {error.strerror or error}") from error


@contextlib.contextmanager
def local_server(path: Path) -> Iterator[smtplib.SMTP]:
    """The running server's local socket, greeted. Raises NoServer, NotSent."""
    client = smtplib.SMTP(local_hostname="localhost", timeout=TIMEOUT)
    client.sock = connect(path)
    with _greeted(client, str(path), expect=True):
        yield client


@contextlib.contextmanager
def remote_server(
    host: str,
    port: int,
    *,
    tls: str,
    ca_file: Path | None,
    user: str | None,
    password: Callable[[], str],
) -> Iterator[smtplib.SMTP]:
    """A submission server, signed in to where a user is given.

    tls  "implicit", "starttls", or "none", which never sends a password except to this machine
    """
    where = f"{host}:{port}"
    context = None
    if tls != "none":
        context = _context(ca_file)
    try:
        if tls == "implicit":
            assert context is not None
            client: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=context)
        else:
            client = smtplib.SMTP(host, port, timeout=TIMEOUT)
    except ssl.SSLError as error:
        raise NotSent(EX_UNAVAILABLE, _tls_trouble(where, error)) from error
    except (smtplib.SMTPException, OSError) as error:
        raise NotSent(
            EX_NOHOST if isinstance(error, OSError) and not error.errno else EX_TEMPFAIL,
            f"can't connect to {where}: {_words(error)}",
        ) from error
    with _greeted(client, where, expect=False):
        if tls == "starttls" and context is not None:
            try:
                client.starttls(context=context)
            except ssl.SSLError as error:
                raise NotSent(EX_UNAVAILABLE, _tls_trouble(where, error)) from error
            except smtplib.SMTPNotSupportedError as error:
                raise NotSent(
                    EX_UNAVAILABLE, f"{where} offers no STARTTLS (try --tls implicit)"
                ) from error
            client.ehlo_or_helo_if_needed()
        if user is not None:
            if tls == "none" and host not in ("localhost", "127.0.0.1", "::1"):
                raise NotSent(EX_NOPERM, f"no password is sent to {where} without TLS")
            client.login(user, password())
        yield client


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except ssl.SSLError as error:
        raise NotSent(EX_DATAERR, f"{ca_file}: holds no certificate (expected PEM)") from error
    except OSError as error:
        raise NotSent(EX_NOINPUT, f"{ca_file}: {error.strerror or error}") from error


@contextlib.contextmanager
def _greeted(client: smtplib.SMTP, where: str, *, expect: bool) -> Iterator[None]:
    """EHLO before, QUIT after; every trouble of the dialogue as NotSent.

    expect: the greeting has not been read yet.
    """
    try:
        if expect:
            code, text = client.getreply()
            if code != 220:
                raise smtplib.SMTPConnectError(code, text)
        client.ehlo_or_helo_if_needed()
        yield
        with contextlib.suppress(smtplib.SMTPException, OSError):
            client.quit()
    except smtplib.SMTPAuthenticationError as error:
        raise NotSent(
            EX_NOPERM if error.smtp_code >= 500 else EX_TEMPFAIL,
            f"{where} refused the user or password: {_words(error)}",
        ) from error
    except smtplib.SMTPResponseException as error:
        raise NotSent(_exit_code(error.smtp_code), f"{where}: {_words(error)}") from error
    except smtplib.SMTPNotSupportedError as error:
        raise NotSent(EX_UNAVAILABLE, f"{where}: {_words(error)}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise NotSent(EX_TEMPFAIL, f"{where}: {_words(error)}") from error
    finally:
        client.close()


def origin(client: smtplib.SMTP) -> str:
    """The domain of bare names, where the server tells one; else ""."""
    return str(client.esmtp_features.get(ORIGIN, "")).strip()


def hand_in(
    client: smtplib.SMTP,
    mail: Mail,
    pieces: Iterable[bytes],
    *,
    sent: Callable[[int], None] = lambda count: None,
) -> str:
    """Hand a message in; gives the server's last reply. `sent` is told of octets that have gone.

    `pieces` has CRLF line ends. Raises NotSent when the server takes not every recipient, or not
    the message, SMTPException and OSError for `_greeted` to tell.
    """
    parameters = _parameters(client, mail)
    code, text = client.mail(mail.sender, parameters)
    if code != 250:
        raise NotSent(
            EX_NOPERM if code in (550, 553) else _exit_code(code),
            f"the sender {mail.sender or '<>'} was refused: {_reply(code, text)}",
        )
    refused = []
    worst = 0
    for recipient in mail.recipients:
        options = mail.rcpt if client.has_extn("dsn") else ()
        code, text = client.rcpt(recipient, options)
        if code not in (250, 251):
            refused.append(f"{recipient} was refused: {_reply(code, text)}")
            worst = max(worst, EX_NOUSER if code in (550, 551, 553) else _exit_code(code))
    if refused:
        raise NotSent(worst, "nothing was sent: " + "; ".join(refused))
    code, text = client.docmd("DATA")
    if code != 354:
        raise NotSent(_exit_code(code), f"the message was refused: {_reply(code, text)}")
    assert client.sock is not None
    broken: OSError | None = None
    try:
        for piece in stuffed(pieces):
            client.sock.sendall(piece)
            sent(len(piece))
    except OSError as error:
        broken = error  # the server may have said why
    try:
        code, text = client.getreply()
    except smtplib.SMTPServerDisconnected:
        raise broken or smtplib.SMTPServerDisconnected("the server hung up") from None
    if code != 250:
        raise NotSent(_exit_code(code), f"the message was refused: {_reply(code, text)}")
    return _reply(code, text)


def _parameters(client: smtplib.SMTP, mail: Mail) -> list[str]:
    found = []
    limit = str(client.esmtp_features.get("size", "")).strip()
    if mail.size and client.has_extn("size"):
        if limit.isdigit() and 0 < int(limit) < mail.size:
            raise NotSent(
                EX_UNAVAILABLE,
                f"the message has about {mail.size} octets, and the server takes {limit} at most",
            )
        found.append(f"SIZE={mail.size}")
    if mail.utf8:
        if not client.has_extn("smtputf8"):
            raise NotSent(
                EX_DATAERR, "the server takes no addresses or header fields beyond ASCII (SMTPUTF8)"
            )
        found.append("SMTPUTF8")
        client.command_encoding = "utf-8"
    if mail.eight_bit:
        if not client.has_extn("8bitmime"):
            raise NotSent(EX_UNAVAILABLE, "the server takes no 8-bit messages (8BITMIME)")
        found.append("BODY=8BITMIME")
    return found + (list(mail.mail) if client.has_extn("dsn") else [])


def stuffed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A message as DATA wants it: dots doubled at line starts, then the lone dot (RFC 5321 §4.5.2).

    However its octets are cut.
    """
    last = b"\r\n"
    for piece in pieces:
        if piece:
            octets = last + piece
            last = octets[-2:]
            yield octets.replace(b"\r\n.", b"\r\n..")[2:]
    yield b".\r\n" if last == b"\r\n" else b"\r\n.\r\n"


def _exit_code(code: int) -> int:
    """sysexits for a reply that is not what was wanted."""
    if 400 <= code < 500:
        return EX_TEMPFAIL
    return EX_UNAVAILABLE if 500 <= code < 600 else EX_PROTOCOL


def _reply(code: int, text: bytes) -> str:
    return f"{code} {text.decode('utf-8', 'replace')}".replace("\n", " ")


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return _reply(error.smtp_code, text if isinstance(text, bytes) else text.encode())
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _tls_trouble(where: str, error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {where} is not trusted: {error.verify_message}"
            " (--ca FILE names the certificate of its authority)"
        )
    if error.reason == "WRONG_VERSION_NUMBER":
        return f"{where} does not speak TLS at once (try --tls starttls)"
    return f"no TLS with {where}: {error.reason or error}"
