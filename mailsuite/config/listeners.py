"""The part of the schema that is about doors: listeners, and the sockets that they stand for."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from mailsuite.config import values
from mailsuite.config.section import Section, setting
from mailsuite.config.source import Location
from mailsuite.config.values import unix_path

Protocol = Literal["smtp", "submission", "lmtp", "odmr", "imap", "pop3"]
TlsMode = Literal["none", "starttls", "implicit"]


class Listener(Section):
    """A door: where clients or other servers connect."""

    protocol: Protocol = setting(
        "smtp takes mail from other servers for our domains; submission takes mail of our own"
        " users, who sign in; lmtp takes mail for our domains from a mail server before this one;"
        " odmr hands mail over to hosts that fetch it (relay.atrn, port 366);"
        " imap and pop3 give mail to clients.",
        "smtp, submission, lmtp, odmr, imap or pop3",
    )
    address: Annotated[tuple[values.ListenAddress, ...], values.OneOrMore] = setting(
        "Local IP address, or a list of them. lmtp may also have a Unix socket, such as"
        " unix:/run/mailsuite/lmtp.sock: whoever can reach the file may connect.",
        'an IP address ("0.0.0.0" is every IPv4 one, "::" every IPv6 one), or a list of them',
        ("0.0.0.0", "::"),
        min_length=1,
        max_length=64,
    )
    port: int | None = setting(
        "TCP port; 0 lets the system choose. A Unix socket has none.",
        "a number from 0 to 65535",
        None,
        example="25",
        ge=0,
        le=65535,
    )
    tls: TlsMode = setting(
        "implicit: TLS from the first octet; starttls: the client asks for it; none: never, and"
        " then nobody can sign in.",
        "none, starttls or implicit",
        "starttls",
    )
    proxy_protocol: bool = setting(
        "A proxy such as HAProxy stands before it and tells each client's address (PROXY protocol,"
        " versions 1 and 2). Nobody else can connect then.",
        "true or false",
        False,
    )
    proxy_from: Annotated[tuple[values.Network, ...], values.OneOrMore] = setting(
        "Where such proxies connect from. They can claim any address for a client, so name theirs"
        " alone.",
        'an IP address or a network such as "10.0.0.0/24", or a list of them',
        (),
        max_length=1000,
    )
    insecure: bool = setting(
        "lmtp: without TLS from other machines too. Only where the network is yours alone.",
        "true or false",
        False,
    )
    client_ca: values.FilePath | None = setting(
        "PEM file with the authorities whose client certificates sign in (EXTERNAL). The mail"
        " address in a certificate is the account's. Who shows none may sign in otherwise.",
        "the name of a PEM file",
        None,
        example="/etc/mailsuite/users-ca.pem",
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
    """One socket to bind: a listener at one of its addresses, or at its `path`.

    require_tls  no other command before STARTTLS
    proxies      networks of the proxies before it; none: clients connect themselves
    client_ca    authorities whose client certificates sign in
    """

    name: str
    protocol: Protocol
    address: str
    port: int
    tls: TlsMode
    path: Path | None = None
    require_tls: bool = False
    proxies: tuple[str, ...] = ()
    client_ca: Path | None = None


def endpoints(listeners: Iterable[Listener]) -> list[Endpoint]:
    """Every socket to bind, with a name for each that no other has."""
    found: list[Endpoint] = []
    taken: set[str] = set()
    for listener in listeners:
        chosen = listener.name or _standard_name(listener)
        for address in listener.address:
            path = unix_path(address)
            name = (
                f"{chosen}-v6"
                if len(listener.address) > 1 and ":" in address and path is None
                else chosen
            )
            port = listener.port if listener.port and path is None else 0
            found.append(
                Endpoint(
                    _free(name, port, taken),
                    listener.protocol,
                    "" if path is not None else address,
                    port,
                    "none" if path is not None else listener.tls,
                    path,
                    require_tls=listener.tls == "starttls" and is_exposed(listener, address),
                    proxies=listener.proxy_from if listener.proxy_protocol else (),
                    client_ca=listener.client_ca,
                )
            )
    return found


def is_exposed(listener: Listener, address: str) -> bool:
    """Whether it is LMTP that other machines reach, and that must not go without TLS.

    LMTP comes from one known server, so that TLS can be asked for, unlike SMTP from anywhere.
    """
    if listener.protocol != "lmtp" or listener.insecure or unix_path(address) is not None:
        return False
    return not ip_address(address.partition("%")[0]).is_loopback


def contradictions(listeners: Sequence[Listener]) -> Iterator[tuple[Location, str]]:
    """What the keys of a listener say against each other: where, and in words."""
    paths: dict[str, int] = {}
    for index, listener in enumerate(listeners):
        for key, text in _contradictions_of(listener):
            yield ("listeners", index, key), text
        for address in filter(unix_path, listener.address):
            if paths.setdefault(address, index) != index:
                text = f"{address} is taken by listeners[{paths[address]}], expected another"
                yield ("listeners", index, "address"), text


def _contradictions_of(listener: Listener) -> Iterator[tuple[str, str]]:
    networked = [each for each in listener.address if unix_path(each) is None]
    if networked and listener.port is None:
        yield "port", "missing, expected a number from 0 to 65535"
    if listener.proxy_protocol and not listener.proxy_from:
        yield "proxy_protocol", "needs the proxies' addresses, expected them in proxy_from"
    if listener.proxy_protocol and len(networked) != len(listener.address):
        yield "proxy_protocol", "works for TCP only, expected another listener for the Unix socket"
    if listener.client_ca is not None and (
        listener.tls == "none" or listener.protocol in ("smtp", "lmtp")
    ):
        yield "client_ca", "nobody signs in there by a certificate, expected another listener"
    if listener.protocol != "lmtp":
        if len(networked) != len(listener.address):
            yield "address", f"{listener.protocol} has no Unix sockets, expected IP addresses"
        return
    if networked and listener.port == 25:
        yield "port", "25 is SMTP's (RFC 2033, section 5), expected another such as 24"
    exposed = [each for each in networked if is_exposed(listener, each)]
    if listener.tls == "none" and exposed:
        yield (
            "tls",
            f"{exposed[0]} is reached from other machines, which LMTP without TLS must not be,"
            " expected starttls or implicit, a loopback address or a Unix socket,"
            " or insecure: true on a network of your own",
        )


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
