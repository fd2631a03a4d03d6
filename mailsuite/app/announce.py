"""What is told once every listener accepts: a screen for people, a ready file for programs."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mailsuite import __version__
from mailsuite.base import durable

SERVICES = {
    "smtp": "SMTP",
    "submission": "Submission (SMTP)",
    "submissions": "Submission (SMTP)",
    "imap": "IMAP",
    "imaps": "IMAP",
    "pop3": "POP3",
    "pop3s": "POP3",
}
EVERYWHERE = ("0.0.0.0", "::")
SECURITY = {"none": "none", "starttls": "STARTTLS", "implicit": "SSL/TLS"}


@dataclass(frozen=True, slots=True)
class Listening:
    """A listener that accepts: `tls` is none, starttls or implicit."""

    name: str
    host: str
    port: int
    tls: str


def write_ready_file(
    path: Path,
    listeners: Sequence[Listening],
    *,
    ca_file: Path | None,
    accounts: Sequence[tuple[str, str]],
    data: Path,
) -> None:
    """Write the JSON that programs wait for; it appears whole or not at all."""
    ready = {
        "version": __version__,
        "pid": os.getpid(),
        "data": str(data),
        "listeners": [asdict(listener) for listener in listeners],
        "ca_file": None if ca_file is None else str(ca_file),
        "accounts": [{"address": address, "password": word} for address, word in accounts],
    }
    durable.replace(path, json.dumps(ready, indent=2).encode() + b"\n")


def screen(
    listeners: Sequence[Listening],
    *,
    ca_file: Path,
    accounts: Sequence[tuple[str, str]],
    catch_all: str,
    domain: str,
    data: Path,
) -> str:
    """What Thunderbird needs, as text for a terminal."""
    width = max(len(address) for address, _ in accounts)
    lines = [f"mailsuite {__version__} is running. Mail lies in {data}", "", "Accounts"]
    lines += [f"  {address:<{width}}  password: {word}" for address, word in accounts]
    if catch_all:
        lines.append(f"  Mail to any other address at {domain} goes to {catch_all}.")
    lines += ["", f"  {'Service':<20}{'Server':<14}{'Port':<7}Security"]
    for listener in listeners:
        service = SERVICES.get(listener.name, listener.name)
        security = SECURITY[listener.tls]
        host = "localhost" if listener.host in EVERYWHERE else listener.host
        lines.append(f"  {service:<20}{host:<14}{listener.port:<7}{security}")
    lines += [
        "",
        "  User name: the whole address. Authentication: normal password.",
        f"  CA certificate: {ca_file}",
        "  (Thunderbird: Settings, Privacy & Security, Manage Certificates, Authorities, Import)",
        "",
        "Mail to other domains is never sent: it is kept in the sender's folder Outbound.",
        "Stop with Ctrl-C.",
        "",
    ]
    return "\n".join(lines)
