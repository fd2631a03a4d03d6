"""The part of the schema that is about doors: listeners, and the sockets that they stand for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from mailsuite.config import values
from mailsuite.config.section import Section, setting

Protocol = Literal["smtp", "submission", "imap", "pop3"]
TlsMode = Literal["none", "starttls", "implicit"]


class Listener(Section):
    """A door: where clients or other servers connect."""

    protocol: Protocol = setting(
        "smtp takes mail from other servers for our domains; submission takes mail of our own"
        " users, who sign in; imap and pop3 give mail to clients.",
        "smtp, submission, imap or pop3",
    )
    address: Annotated[tuple[values.IpAddress, ...], values.OneOrMore] = setting(
        "Local IP address, or a list of them.",
        'an IP address ("0.0.0.0" is every IPv4 one, "::" every IPv6 one), or a list of them',
        ("0.0.0.0", "::"),
        min_length=1,
        max_length=64,
    )
    port: int = setting(
        "TCP port; 0 lets the system choose.", "a number from 0 to 65535", ge=0, le=65535
    )
    tls: TlsMode = setting(
        "implicit: TLS from the first octet; starttls: the client asks for it; none: never, and"
        " then nobody can sign in.",
        "none, starttls or implicit",
        "starttls",
    )
    name: str | None = setting(
        "What logs and status call it; made from protocol and TLS where it is left away.",
        "a name of up to 40 letters, digits and .-_",
        None,
        example="imap-internal",
        min_length=1,
        max_length=40,
        pattern=r"^[A-Za-z0-9_.-]+$",
    )


def standard_listeners() -> tuple[Listener, ...]:
    """The doors of a server whose settings name none."""
    return (
        Listener(protocol="smtp", port=25, tls="starttls"),
        Listener(protocol="submission", port=587, tls="starttls"),
        Listener(protocol="submission", port=465, tls="implicit"),
        Listener(protocol="imap", port=143, tls="starttls"),
        Listener(protocol="imap", port=993, tls="implicit"),
        Listener(protocol="pop3", port=110, tls="starttls"),
        Listener(protocol="pop3", port=995, tls="implicit"),
    )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One socket to bind: a listener at one of its addresses."""

    name: str
    protocol: Protocol
    address: str
    port: int
    tls: TlsMode


def endpoints(listeners: Iterable[Listener]) -> list[Endpoint]:
    """Every socket to bind, with a name for each that no other has."""
    found: list[Endpoint] = []
    taken: set[str] = set()
    for listener in listeners:
        for address in listener.address:
            name = listener.name or _standard_name(listener)
            if len(listener.address) > 1 and ":" in address:
                name += "-v6"
            found.append(
                Endpoint(
                    _free(name, listener.port, taken),
                    listener.protocol,
                    address,
                    listener.port,
                    listener.tls,
                )
            )
    return found


def _standard_name(listener: Listener) -> str:
    secure = listener.tls == "implicit" and listener.protocol != "smtp"
    return {"smtp": "smtp"}.get(listener.protocol, listener.protocol + ("s" if secure else ""))


def _free(name: str, port: int, taken: set[str]) -> str:
    candidates: Iterator[str] = (
        f"{name}-{port}" if count == 1 else f"{name}-{port}-{count}" for count in range(1, 10_000)
    )
    chosen = name if name not in taken else next(c for c in candidates if c not in taken)
    taken.add(chosen)
    return chosen
