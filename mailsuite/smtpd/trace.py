"""Pure. The Received field that this server puts on top of a message (RFC 5321 §4.4)."""

import ipaddress
import re
from dataclasses import dataclass

# What may stand for a host in Received without quoting: a domain, or an address literal.
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?|\[[A-Za-z0-9.:-]{1,253}\]")
_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a message came in.

    helo           what the client called itself, as it came
    address        its IP address
    hostname       our name
    extended       it said EHLO, not HELO
    tls            the connection is under TLS
    cipher         of the TLS session, "TLSv1.3 TLS_AES_256_GCM_SHA384", or ""
    authenticated  it has signed in
    smtputf8       the transaction is an internationalised one
    id             queue id
    recipient      the forward-path where there is only one, else None: the others need not know
    date           RFC 5322 date-time
    """

    helo: str
    address: str
    hostname: str
    extended: bool
    tls: bool
    cipher: str
    authenticated: bool
    smtputf8: bool
    id: str
    recipient: str | None
    date: bytes


def received(arrival: Arrival) -> bytes:
    """The whole field with its CRLF."""
    literal = address_literal(arrival.address)
    host = arrival.helo if _HOST.fullmatch(arrival.helo) else literal
    tls = f" ({arrival.cipher})" if arrival.cipher else ""
    recipient = f"\r\n\tfor <{arrival.recipient}>" if arrival.recipient is not None else ""
    head = (
        f"Received: from {host} ({literal})\r\n"
        f"\tby {arrival.hostname} with {protocol(arrival)} id {arrival.id}{tls}{recipient};\r\n\t"
    )
    return head.encode() + arrival.date + b"\r\n"


def protocol(arrival: Arrival) -> str:
    """The value of `with` (RFC 3848; RFC 6531 §4.3 for the names with UTF8)."""
    if not arrival.extended:
        return "SMTP"
    base = "UTF8SMTP" if arrival.smtputf8 else "ESMTP"
    return f"{base}{'S' if arrival.tls else ''}{'A' if arrival.authenticated else ''}"


def address_literal(address: str) -> str:
    """``[192.0.2.1]`` or ``[IPv6:2001:db8::1]`` (RFC 5321 §4.1.3)."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "[unknown]"
    return f"[IPv6:{ip}]" if ip.version == 6 else f"[{ip}]"


def hops(header: bytes) -> int:
    """How many Received fields a header block holds (RFC 5321 §6.3)."""
    return len(_RECEIVED.findall(header))
