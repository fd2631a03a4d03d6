"""Pure. Trace fields: the Received field that a receiver adds, and what loop detection looks for.

RFC 5321 §4.4 (grammar), §6.3 (loops); RFC 3848 and RFC 6531 §4.3 (protocol names); RFC 8314 §4.3
(the tls clause); RFC 6710 (the PRIORITY clause).
"""

import ipaddress
import re
from functools import lru_cache

from mailsuite.message.date import format_date
from mailsuite.message.domain import normalise_domain
from mailsuite.message.header import split_header

_DELIVERED_TO = re.compile(rb"\ndelivered-to[ \t]*:([^\n]*+(?:\n[ \t][^\n]*+)*+)", re.IGNORECASE)
_RETURN_PATH = re.compile(rb"\nreturn-path[ \t]*:[^\n]*+(?:\n[ \t][^\n]*+)*+(?=\n)", re.IGNORECASE)
_RECEIVED = re.compile(rb"\nreceived[ \t]*:", re.IGNORECASE)
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
_WIDTH = 78
_INDENT = " " * 8


def count_received(block: bytes) -> int:
    """How many Received fields a header block has: hops the message has behind it (§6.3)."""
    return len(_RECEIVED.findall(_head(block)))


def delivered_to(block: bytes) -> list[str]:
    """The addresses of all Delivered-To fields, as they stand there."""
    return [
        value.replace(b"\r", b"").replace(b"\n", b"").strip().decode("utf-8", "replace")
        for value in _DELIVERED_TO.findall(_head(block))
    ]


def without_return_path(block: bytes) -> bytes:
    """A header block, and what stands behind it, without Return-Path fields.

    Whoever delivers a message writes that, and exactly one is to be there (§4.4).
    """
    end = split_header(block)[1]
    head = b"\n" + block[:end]
    return _RETURN_PATH.sub(b"", head)[1:] + block[end:] if _RETURN_PATH.search(head) else block


def _head(block: bytes) -> bytes:
    return b"\n" + block[: split_header(block)[1]]


def protocol(
    *, extended: bool, tls: bool, authenticated: bool, utf8: bool = False, lmtp: bool = False
) -> str:
    """The word after `with`: "ESMTPSA" and its like; "SMTP" after HELO.

    extended: the client said EHLO; utf8: this message was sent with SMTPUTF8.
    """
    if not extended and not lmtp:
        return "SMTP"
    if utf8:
        base = "UTF8LMTP" if lmtp else "UTF8SMTP"
    else:
        base = "LMTP" if lmtp else "ESMTP"
    return base + ("S" if tls else "") + ("A" if authenticated else "")


def received(
    *,
    helo: str,
    peer: str,
    by: str,
    protocol: str,
    queue_id: str,
    epoch: float,
    zone: int = 0,
    rdns: str | None = None,
    recipient: str | None = None,
    cipher: str | None = None,
    priority: int = 0,
) -> bytes:
    """A whole Received field with its line end, folded.

    helo       argument of HELO/EHLO; where it is no domain or address literal, the peer's address
               stands in its place
    peer       IP address of the client, "" if it has none (a Unix socket)
    rdns       verified host name of the peer, or None
    by         our host name
    protocol   from `protocol`
    queue_id   an atom
    recipient  forward-path for the `for` clause: given only where the message has one recipient,
               so that no recipient learns of another
    cipher     TLS cipher suite, or None
    priority   MT-PRIORITY (RFC 6710 §4.3), 0 where there is none
    epoch      time of arrival, seconds since 1970
    zone       to write it in, in minutes east of Greenwich: ours (§4.4)
    """
    literal = address_literal(peer)
    info = " ".join(part for part in (rdns, literal) if part)
    name = _helo(helo) or literal or "localhost"
    clauses = [f"from {name} ({info})" if info else f"from {name}"]
    clauses += [f"by {by}", f"with {protocol}", f"id {queue_id}"]
    if recipient and "@" in recipient:  # a Path; <postmaster> is none (RFC 5321 §4.1.2)
        clauses.append(f"for <{recipient}>")
    if cipher and _ATOM.fullmatch(cipher):
        clauses.append(f"tls {cipher}")
    if priority:
        clauses.append(f"PRIORITY {priority}")
    clauses[-1] += ";"
    clauses.append(format_date(epoch, offset=zone).decode("ascii"))
    return _fold("Received:", clauses).encode("utf-8")


@lru_cache(1024)
def address_literal(peer: str) -> str:
    """Address literal of an IP address (RFC 5321 §4.1.3), brackets too; "" for what is none."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return f"[IPv6:{address}]"
        address = address.ipv4_mapped
    return f"[{address}]"


def _helo(helo: str) -> str:
    try:
        return normalise_domain(helo)
    except ValueError:
        return ""


def _fold(start: str, words: list[str]) -> str:
    """Words with blanks between them, on lines of up to 78 columns where they fit (§2.1.1)."""
    lines = []
    line = start
    for word in words:
        if len(line) + 1 + len(word) > _WIDTH and line != start:
            lines.append(line)
            line = _INDENT + word
        else:
            line += " " + word
    lines.append(line)
    return "\r\n".join(lines) + "\r\n"
