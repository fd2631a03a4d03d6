"""What `mailsuite send` does: a message from options and files, handed in with a bar of progress.

Promises: attachments are read in pieces, never held in memory; nothing is asked of a server before
the message is known to be well-formed. Blocking.
"""

import contextlib
import getpass
import mimetypes
import os
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import localtime
from pathlib import Path
from smtplib import SMTP

from mailsuite.cli import output
from mailsuite.cli.handing import (
    EX_DATAERR,
    EX_NOINPUT,
    EX_NOPERM,
    EX_USAGE,
    Mail,
    NotSent,
    find_socket,
    hand_in,
    local_server,
    origin,
    remote_server,
)
from mailsuite.cli.letter import check_commas, user_name
from mailsuite.message import (
    MAX_PATH,
    Address,
    Group,
    decode_text,
    domain_of,
    mailboxes,
    message_ids,
    parse_addresses,
    parse_mailbox,
)
from mailsuite.message.compose import (
    About,
    Entity,
    Heading,
    attachment,
    compose,
    measure,
    message,
    multipart,
    text,
)
from mailsuite.message.writing import Mailbox, MailboxGroup

BLOCK = 1 << 18
SHOWN = 2_000_000  # octets from which on a bar is shown
_OPTIONS = {
    name: f"--{name}" for name in ("from", "to", "cc", "bcc", "reply-to", "in-reply-to", "subject")
}
_CID = re.compile(r"""\bcid:([^\s"'<>()]+)""")
_OWN = frozenset({"date", "message-id", "references", "mime-version"})


@dataclass(frozen=True, slots=True)
class Draft:
    """What the options say of the message; addresses and texts as they were typed."""

    sender: str | None
    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    subject: str
    body: str | None
    body_file: Path | None
    html: Path | None
    attach: tuple[Path, ...]
    inline: tuple[Path, ...]
    headers: tuple[str, ...]
    reply_to: str | None
    in_reply_to: str
    charset: str
    flowed: bool


@dataclass(frozen=True, slots=True)
class Way:
    """What they say of the server."""

    server: str | None
    tls: str | None
    ca: Path | None
    user: str | None
    config: Path | None
    data: Path | None


def run(draft: Draft, way: Way, *, dry_run: bool) -> None:
    """Send, or print. Raises NotSent."""
    if not (draft.to or draft.cc or draft.bcc):
        raise NotSent(EX_USAGE, "to whom? (--to ADDRESS, --cc, --bcc)")
    _check_charset(draft.charset)
    body = contents(draft, way.user)
    if dry_run:
        heading = _heading(draft, _domain(way.user or ""), way.user)
        for piece in _composed(heading, body):
            output.write_octets(piece)
        return
    with _server(way) as client:
        heading = _heading(draft, origin(client) or _domain(way.user or ""), way.user)
        recipients = _recipients(heading, draft)
        mail = Mail(
            heading.from_[0].address,
            recipients,
            eight_bit=body.domain != "7bit",
            size=_size(draft),
            utf8=heading.utf8 or not all(map(str.isascii, recipients)),
        )
        with _progress(mail.size) as sent:
            answer = hand_in(client, mail, _composed(heading, body), sent=sent)
    output.say(f"sent to {', '.join(recipients)}: {answer}")


def _check_charset(name: str) -> None:
    try:
        "text".encode(name)
    except (LookupError, ValueError):
        raise NotSent(EX_USAGE, f"--charset {name!r} is not known") from None


def _composed(heading: Heading, body: Entity) -> Iterator[bytes]:
    try:
        return compose(heading, body)
    except ValueError as error:
        raise NotSent(EX_DATAERR, str(error)) from error


# -- the message ---------------------------------------------------------------------------------


def contents(draft: Draft, user: str | None = None) -> Entity:
    """The body with everything in it. Raises NotSent for a file that can't be read."""
    plain = text(_text(draft), charset=draft.charset, flowed=draft.flowed)
    whole = plain
    if draft.html is not None:
        ids = _content_ids(draft, user)
        html = text(_shown(_read_text(draft.html), ids), "html", charset=draft.charset)
        if draft.inline:
            shown = [_attached(path, ids[path.name]) for path in draft.inline]
            html = multipart("related", [html, *shown], params={"type": "text/html"})
        whole = multipart("alternative", [plain, html])
    elif draft.inline:
        raise NotSent(EX_USAGE, "--inline needs --html, which shows it as cid:NAME")
    if draft.attach:
        whole = multipart("mixed", [whole, *map(_attached, draft.attach)])
    return whole


def _content_ids(draft: Draft, user: str | None) -> dict[str, str]:
    """For the names of the files to be shown: unique, with an @ (RFC 2045 §7)."""
    senders = mailboxes(parse_addresses((draft.sender or user or "").encode("utf-8", "replace")))
    domain = next(map(domain_of, (one.address for one in senders)), "") or "localhost"
    for path in draft.inline:
        if not path.name.isascii() or set(' <>"') & set(path.name):
            raise NotSent(EX_USAGE, f"{path.name}: cid:NAME wants a plain name, without blanks")
    return {path.name: f"{uuid.uuid4()}@{domain}" for path in draft.inline}


def _shown(html: str, ids: Mapping[str, str]) -> str:
    """The HTML with the names in cid:NAME made into what the parts are called (RFC 2392)."""

    def url(found: re.Match[str]) -> str:
        content_id = ids.get(found[1])
        return found[0] if content_id is None else f"cid:{content_id}"

    return _CID.sub(url, html)


def _attached(path: Path, content_id: str = "") -> Entity:
    """A file; with a Content-ID, one that is shown inside the HTML."""

    def read() -> Iterator[bytes]:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                yield block

    def read_lines() -> Iterator[bytes]:
        return (piece.replace(b"\n", b"\r\n") for piece in read())

    kind = mimetypes.guess_type(path.name)
    # What is compressed is no text any more, whatever is inside.
    content_type = "application/octet-stream" if kind[1] or not kind[0] else kind[0]
    about = About("inline" if content_id else "attachment", path.name, content_id)
    try:
        if content_type == "message/rfc822":
            traits = measure(read())
            # The file of a message may have the line ends of this machine.
            found = message(read_lines if traits.odd else read, about=about)
            if found.domain != "binary":
                return found
        if content_type.startswith("message/"):  # no encoding may be put on (RFC 2046 §5.2)
            content_type = "application/octet-stream"
        return attachment(read, content_type, about=about)
    except OSError as error:
        raise NotSent(EX_NOINPUT, f"{path}: {error.strerror or error}") from error


def _text(draft: Draft) -> str:
    if draft.body is not None:
        return draft.body
    if draft.body_file is not None and str(draft.body_file) != "-":
        return _read_text(draft.body_file)
    if sys.stdin.isatty() and draft.body_file is None:
        sys.stderr.write("Text of the message, then Ctrl-D:\n")
    return _decoded(sys.stdin.buffer.read())


def _read_text(path: Path) -> str:
    try:
        return _decoded(path.read_bytes())
    except OSError as error:
        raise NotSent(EX_NOINPUT, f"{path}: {error.strerror or error}") from error


def _decoded(octets: bytes) -> str:
    return decode_text(octets, "utf-8-sig" if octets.startswith(b"\xef\xbb\xbf") else "us-ascii")


def _heading(draft: Draft, domain: str, user: str | None = None) -> Heading:
    """The header fields, bare names completed with `domain`. Raises NotSent."""
    now = localtime()
    offset = now.utcoffset()
    default = user if user and "@" in user else user_name()
    authors = _people(draft.sender or default, domain)
    if len(authors) != 1 or isinstance(authors[0], MailboxGroup):
        raise NotSent(EX_USAGE, "--from wants one address")
    (author,) = [one for one in authors if isinstance(one, Mailbox)]
    to = [one for given in draft.to for one in _people(given, domain)]
    cc = [one for given in draft.cc for one in _people(given, domain)]
    if not (to or cc):
        to = [MailboxGroup("undisclosed-recipients")]
    reply_to = _people(draft.reply_to, domain) if draft.reply_to else []
    everybody = [author, *to, *cc, *reply_to]
    answered = _answered(draft.in_reply_to)
    return Heading(
        date=time.time(),
        offset=0 if offset is None else int(offset.total_seconds() // 60),
        from_=[author],
        to=to,
        cc=cc,
        reply_to=[one for one in reply_to if isinstance(one, Mailbox)],
        subject=draft.subject,
        message_id=f"<{uuid.uuid4()}@{author.address.rpartition('@')[2]}>",
        in_reply_to=answered,
        references=answered,
        others=[_field(given) for given in draft.headers],
        utf8=not all(one.address.isascii() for one in _flat(everybody)),
    )


def _answered(given: str) -> str:
    """Message IDs, with or without the angle brackets that are not typed easily in a shell."""
    whole = given if "<" in given or not given else f"<{given.strip()}>"
    if given and (not whole.isascii() or not message_ids(whole.encode())):
        raise NotSent(EX_USAGE, f"--in-reply-to {given!r} is not <LEFT@RIGHT>")
    return whole


def _field(given: str) -> tuple[str, str]:
    name, colon, value = given.partition(":")
    if not colon:
        raise NotSent(EX_USAGE, f"--header {given!r} is not NAME:TEXT")
    key = name.strip().lower()
    if key in _OPTIONS:
        raise NotSent(EX_USAGE, f"--header {given!r}: give {_OPTIONS[key]} instead")
    if key in _OWN or key.startswith("content-"):
        raise NotSent(EX_USAGE, f"--header {given!r}: that field is written for you")
    return name.strip(), value.strip()


def _people(given: str, domain: str) -> list[Mailbox | MailboxGroup]:
    found: list[Mailbox | MailboxGroup] = []
    for one in parse_addresses(given.encode("utf-8", "replace")):
        if isinstance(one, Group):
            members = tuple(_mailbox(member, domain) for member in one.members)
            found.append(MailboxGroup(one.display_name, members))
        else:
            found.append(_mailbox(one, domain))
    if not found:
        raise NotSent(EX_DATAERR, f"{given!r} holds no address")
    check_commas(given)
    return found


def _mailbox(one: Address, domain: str) -> Mailbox:
    address = one.address
    whole = address if "@" in address else f"{address}@{domain}"
    try:
        return Mailbox(one.display_name, parse_mailbox(whole, MAX_PATH))
    except ValueError as error:
        raise NotSent(EX_DATAERR, f"{address!r} is not an address: {error}") from error


def _flat(people: list[Mailbox | MailboxGroup]) -> Iterator[Mailbox]:
    for one in people:
        if isinstance(one, MailboxGroup):
            yield from one.members
        else:
            yield one


def _recipients(heading: Heading, draft: Draft) -> list[str]:
    domain = heading.from_[0].address.rpartition("@")[2]
    bcc = [one for given in draft.bcc for one in _people(given, domain)]
    everybody = [*heading.to, *heading.cc, *bcc]
    found = list(dict.fromkeys(one.address for one in _flat(everybody)))
    if not found:
        raise NotSent(EX_DATAERR, "no recipient has an address")
    return found


def _domain(address: str) -> str:
    return address.rpartition("@")[2] or "localhost"


def _size(draft: Draft) -> int:
    """Octets of the message, near enough for SIZE (RFC 1870 §5) and for the bar."""
    files = [*draft.attach, *draft.inline, *([draft.html] if draft.html else [])]
    return 4096 + sum(path.stat().st_size * 78 // 57 + 512 for path in files)


# -- the server ----------------------------------------------------------------------------------


@contextlib.contextmanager
def _server(way: Way) -> Iterator[SMTP]:
    if way.server is None:
        if way.user is not None or way.tls is not None or way.ca is not None:
            raise NotSent(EX_USAGE, "--user, --tls and --ca need --server HOST:PORT")
        path, _ = find_socket(way.config, way.data)
        with local_server(path) as client:
            yield client
        return
    host, port = _host_and_port(way.server)
    tls = way.tls or ("implicit" if port == 465 else "starttls")
    with remote_server(
        host, port, tls=tls, ca_file=way.ca, user=way.user, password=_password
    ) as client:
        yield client


def _host_and_port(given: str) -> tuple[str, int]:
    host, colon, port = given.rpartition(":")
    if not colon or host.endswith(":") or (":" in host and not host.startswith("[")):
        host, port = given, "587"
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise NotSent(EX_USAGE, f"--server {given!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _password() -> str:
    found = os.environ.get("MAILSUITE_PASSWORD")
    if found is None and sys.stdin.isatty():
        found = getpass.getpass("Password: ")
    if not found:
        raise NotSent(EX_NOPERM, "no password (set MAILSUITE_PASSWORD, or run at a terminal)")
    return found


@contextlib.contextmanager
def _progress(size: int) -> Iterator[Callable[[int], None]]:
    """A bar at a terminal, for a message of about `size` octets that takes its time."""
    if size < SHOWN or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress("sending", *columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sending", total=size)
        yield lambda count: bar.advance(task, count)
